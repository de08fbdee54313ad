"""Keep the comparison of the variants in the checkout. In: its files. Out: resources/scarcity, checksums."""

from pathlib import Path

from _script import logged

with logged(snakemake):
    from polyhead.training.ship import ship_scarcity

    ship_scarcity([Path(made) for made in snakemake.input.made], Path(snakemake.params.directory))
