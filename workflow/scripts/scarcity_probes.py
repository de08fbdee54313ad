"""Put the probes into one table, of the form of `scarcity.csv`. In: their profiles. Out: tables."""

from pathlib import Path

from _script import logged

with logged(snakemake):
    from polyhead.files import write_csv
    from polyhead.training.scarcity_table import heads_table, read_variants, variants_table

    folders = zip(
        snakemake.params.variants, (Path(path).parent for path in snakemake.input.facts), strict=True
    )
    variants = read_variants(dict(folders))
    write_csv(snakemake.output.table, variants_table(variants))
    write_csv(snakemake.output.heads, heads_table(variants))
