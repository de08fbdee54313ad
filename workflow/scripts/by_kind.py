"""Tabulate shares by kind of source. In: labels, prompts. Out: by_kind.csv."""

from _script import logged

with logged(snakemake):
    from polyhead.chunks import label_chunks
    from polyhead.distribution import distribution_by_kind
    from polyhead.files import read_parquet, write_csv

    params = snakemake.params
    labels = label_chunks(snakemake.input.labels)
    prompts = read_parquet(snakemake.input.prompts, columns=["prompt", "kind"]).to_pandas()
    kinds = prompts.set_index("prompt")["kind"]
    table = distribution_by_kind(labels, kinds, params.taxonomies, params.draws, params.seed)
    write_csv(snakemake.output.by_kind, table)
