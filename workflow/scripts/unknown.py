"""Look into the unknown rows. In: labels, prompts, tokenizer. Out: two tables."""

from _script import logged

with logged(snakemake):
    from functools import partial

    from polyhead.attention.labelled_rows import label_chunks
    from polyhead.attention.unknown import unknown_mixes, unknown_sources
    from polyhead.files import write_csv
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.sampling import read_prompts

    minimum = snakemake.params.minimum
    names = open_vocabulary(snakemake.input.tokenizer).labels
    labels = label_chunks(snakemake.input.labels)
    prompts = partial(read_prompts, snakemake.input.prompts)
    write_csv(snakemake.output.mixes, unknown_mixes(labels, names, minimum))
    write_csv(snakemake.output.sources, unknown_sources(labels, prompts, names, minimum))
