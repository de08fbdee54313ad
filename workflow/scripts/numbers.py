"""Gather every number that the report prints. In: the study's tables, model. Out: numbers.json."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.numbers import gather, write_numbers

    params = snakemake.params
    write_numbers(snakemake.output.numbers, gather(Path(params.study), Path(params.model), params.heads))
