"""Download the packages of the corpus. In: their lock file. Out: a folder of wheels."""

from pathlib import Path

from _script import logged

with logged(snakemake):
    from polyhead.training.wheels import download

    download(Path(snakemake.input.lock), Path(snakemake.output.wheels))
