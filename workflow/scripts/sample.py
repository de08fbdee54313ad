"""Draw the study's prompts. In: corpus split or data set, tokenizer. Out: prompts.parquet, sampling.json."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.files import parquet_writer, read_json, write_json
    from polyhead.model.hub import Repository
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.hub_dataset import Dataset, open_parts
    from polyhead.prompts.sampling import sample_parts, sample_prompts
    from polyhead.prompts.text_corpus import says_of

    params = snakemake.params
    scratch = Path(snakemake.output.prompts).parent
    vocabulary = open_vocabulary(snakemake.input.tokenizer)
    asked = (params.prompts, params.context, vocabulary, params.seed)
    if snakemake.input.split:
        sample, record = sample_prompts(snakemake.input.split[0], *asked, scratch)
        for path in snakemake.input.packed:
            record |= {"packed": (packed := read_json(path)), "says": f"{record['says']}; {says_of(packed)}"}
    else:
        c = params.corpus
        repository = Repository(c["repo"], c["revision"], "dataset")
        dataset = Dataset(repository, c["split"], c["column"], c["sequences"], params.megabytes is None)
        parts = open_parts(dataset, expected=c["sha256"])
        sample, record = sample_parts(parts, *asked, params.megabytes, scratch=scratch)
    with parquet_writer(snakemake.output.prompts) as append:
        for prompts in sample.tables():
            append(prompts)
    asked = {"prompts": params.prompts, "context": params.context, "seed": params.seed}
    write_json(snakemake.output.sampling, {**asked, **record})
