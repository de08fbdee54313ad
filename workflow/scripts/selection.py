"""Rank the heads. In: edge_profile, edge_explained, both samples. Out: selection.json."""

from _script import logged

with logged(snakemake):
    from polyhead.ablation.edge_profile import read_profile
    from polyhead.ablation.selection import check_apart, ranking, selection_record
    from polyhead.ablation.verdict import read_explained, verdict_table
    from polyhead.files import read_json, read_parquet, write_json

    inputs, params = snakemake.input, snakemake.params
    documents = check_apart(*(read_parquet(path).to_pandas() for path in (inputs.prompts, inputs.report)))
    verdicts = verdict_table(read_profile(inputs.profile), read_explained(inputs.explained))
    sample = {**read_json(inputs.sampling), "documents": documents}
    record = selection_record(ranking(verdicts), params.heads, params.given, sample)
    write_json(snakemake.output.selection, record)
