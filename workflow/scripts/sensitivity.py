"""Tabulate shares over thresholds and windows. In: a head's shards of rows. Out: sensitivity.csv."""

from _script import logged

with logged(snakemake):
    from polyhead.attention.sensitivity import sensitivity
    from polyhead.files import write_csv

    params = snakemake.params
    table = sensitivity(list(snakemake.input.shards), params.window, params.taxonomies)
    write_csv(snakemake.output.sensitivity, table)
