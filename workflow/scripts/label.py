"""Label every row of a head. In: its shards of rows. Out: labels.parquet."""

from stage import stage

from polyhead.attention.labels import label_shards
from polyhead.files import parquet_writer


@stage
def main(input, output, taxonomies, threshold):
    with parquet_writer(output.labels) as append:
        for labels in label_shards(input.shards, taxonomies, threshold):
            append(labels)
