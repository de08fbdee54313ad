"""Label every row of a head. In: the head's shards of rows. Out: labels.parquet."""

from _script import logged

with logged(snakemake):
    from polyhead.attention.labels import label_shards
    from polyhead.files import parquet_writer

    params = snakemake.params
    with parquet_writer(snakemake.output.labels) as append:
        for labels in label_shards(snakemake.input.shards, params.taxonomies, params.threshold):
            append(labels)
