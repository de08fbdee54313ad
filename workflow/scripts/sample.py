"""Draw the study's prompts. In: corpus split or data set, tokenizer. Out: prompts.parquet, sampling.json."""

from _script import logged

with logged(snakemake):
    from polyhead.files import write_json, write_parquet
    from polyhead.hub import Repository
    from polyhead.parts import Dataset, open_parts
    from polyhead.prompts import sample_parts, sample_prompts
    from polyhead.tokens import open_vocabulary

    params = snakemake.params
    vocabulary = open_vocabulary(snakemake.input.tokenizer)
    asked = (params.prompts, params.context, vocabulary, params.seed)
    if snakemake.input.split:
        prompts, record = sample_prompts(snakemake.input.split[0], *asked)
    else:
        c = params.corpus
        repository = Repository(c["repo"], c["revision"], "dataset")
        dataset = Dataset(repository, c["split"], c["column"], c["rows"], params.megabytes is None)
        parts = open_parts(dataset, params.kept, c["sha256"])
        prompts, record = sample_parts(parts, *asked, params.megabytes)
    write_parquet(snakemake.output.prompts, prompts)
    asked = {"prompts": params.prompts, "context": params.context, "seed": params.seed}
    write_json(snakemake.output.sampling, {**asked, **record})
