"""Tabulate shares by type of source. In: labels, prompts. Out: by_source_type.csv."""

from _script import logged

with logged(snakemake):
    from polyhead.attention.distribution import distribution_by_source_type
    from polyhead.attention.labelled_rows import label_chunks
    from polyhead.files import read_parquet, write_csv
    from polyhead.prompts.clusters import read_clusterings

    params = snakemake.params
    labels = label_chunks(snakemake.input.labels)
    prompts = read_parquet(snakemake.input.prompts, columns=["prompt", "source_type"]).to_pandas()
    source_types = prompts.set_index("prompt")["source_type"]
    clusters = read_clusterings(snakemake.input.prompts)
    table = distribution_by_source_type(
        labels, source_types, params.taxonomies, clusters, n_resamples=params.n_resamples, seed=params.seed
    )
    write_csv(snakemake.output.by_source_type, table)
