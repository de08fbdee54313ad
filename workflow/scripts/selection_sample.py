"""Draw prompts to choose on. In: split or data set, tokenizer, the report's sample. Out: prompts.parquet."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.files import parquet_writer, read_parquet, write_json
    from polyhead.model.hub import Repository
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.hub_dataset import Dataset, open_parts
    from polyhead.prompts.sampling import sample_parts, sample_prompts, sequence_count, without_sequences

    params, scratch = snakemake.params, Path(snakemake.output.prompts).parent
    vocabulary = open_vocabulary(snakemake.input.tokenizer)
    asked = params.context, vocabulary, params.seed + 1
    if snakemake.input.split:
        split = snakemake.input.split[0]
        count = min(params.prompts, sequence_count(split))
        sample, record = sample_prompts(split, count, *asked, scratch)
    else:
        c, report = params.corpus, read_parquet(snakemake.input.report, ["sequence"])["sequence"].to_numpy()
        repository = Repository(c["repo"], c["revision"], "dataset")
        dataset = Dataset(repository, c["split"], c["column"], c["sequences"], params.megabytes is None)
        parts = open_parts(dataset, expected=c["sha256"])
        count = min(params.prompts + len(report), parts.sequences)
        drawn, record = sample_parts(parts, count, *asked, params.megabytes, scratch=scratch)
        sample = without_sequences(drawn, report, params.prompts)
    with parquet_writer(snakemake.output.prompts) as append:
        for prompts in sample.tables():
            append(prompts)
    asked = {"prompts": len(sample.sequences), "context": params.context, "seed": params.seed + 1}
    write_json(snakemake.output.sampling, {**asked, **record})
