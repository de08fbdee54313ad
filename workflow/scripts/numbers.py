"""Gather every number that the report prints. In: the study's tables, model. Out: numbers.json."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.numbers import gather, write_numbers

    study, model = (Path(path).parent for path in (snakemake.input.provenance, snakemake.input.model[0]))
    write_numbers(snakemake.output.numbers, gather(study, model, snakemake.params.heads))
