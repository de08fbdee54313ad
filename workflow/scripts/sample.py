"""Draw the study's prompts. In: corpus split or data set, tokenizer. Out: prompts.parquet, sampling.json."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.files import parquet_writer, write_json
    from polyhead.hub import Repository
    from polyhead.parts import Dataset, open_parts
    from polyhead.prompts import sample_parts, sample_prompts
    from polyhead.tokens import open_vocabulary

    params = snakemake.params
    scratch = Path(snakemake.output.prompts).parent
    vocabulary = open_vocabulary(snakemake.input.tokenizer)
    asked = (params.prompts, params.context, vocabulary, params.seed)
    if snakemake.input.split:
        sample, record = sample_prompts(snakemake.input.split[0], *asked, scratch)
    else:
        c = params.corpus
        repository = Repository(c["repo"], c["revision"], "dataset")
        dataset = Dataset(repository, c["split"], c["column"], c["rows"], params.megabytes is None)
        parts = open_parts(dataset, params.kept, c["sha256"])
        sample, record = sample_parts(parts, *asked, params.megabytes, scratch)
    with parquet_writer(snakemake.output.prompts) as append:
        for prompts in sample.tables():
            append(prompts)
    asked = {"prompts": params.prompts, "context": params.context, "seed": params.seed}
    write_json(snakemake.output.sampling, {**asked, **record})
