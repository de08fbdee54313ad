"""Download the packages of the corpus. In: their lock files. Out: a folder of wheels."""

from pathlib import Path

from _script import logged

with logged(snakemake):
    from polyhead.training.wheels import download

    for lock in snakemake.input.locks:
        download(Path(lock), Path(snakemake.output.wheels))
