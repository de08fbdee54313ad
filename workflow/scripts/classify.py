"""Label every row of a head. In: the head's shards of rows. Out: labels.parquet."""

from _script import logged

with logged(snakemake):
    from polyhead.files import write_parquet
    from polyhead.labels import label_shards

    params = snakemake.params
    labels = label_shards(snakemake.input.shards, params.taxonomies, params.threshold)
    write_parquet(snakemake.output.labels, labels)
