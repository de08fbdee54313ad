"""Look into the unknown rows. In: labels, shards of rows, prompts, tokenizer. Out: two tables."""

from _script import logged

with logged(snakemake):
    from polyhead.files import read_parquet, write_csv
    from polyhead.prompts import read_prompts
    from polyhead.tokens import open_vocabulary
    from polyhead.unknown import read_top_sources, unknown_mixes, unknown_sources

    minimum = snakemake.params.minimum
    names = open_vocabulary(snakemake.input.tokenizer).labels
    labels = read_parquet(snakemake.input.labels).to_pandas()
    top_source = read_top_sources(list(snakemake.input.shards))
    prompts = read_prompts(snakemake.input.prompts)
    write_csv(snakemake.output.mixes, unknown_mixes(labels, names, minimum))
    write_csv(snakemake.output.sources, unknown_sources(labels, top_source, prompts, names, minimum))
