"""Gather every number that the report prints. In: the study's tables, model. Out: numbers.json."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.report.gather import gather
    from polyhead.report.numbers import write_numbers
    from polyhead.study.records import check_unedited

    study, model = (Path(path).parent for path in (snakemake.input.provenance, snakemake.input.model[0]))
    check_unedited(study, snakemake.input, snakemake.params.allow_edited)
    beside = Path(snakemake.input.scarcity[0]).parent if snakemake.input.scarcity else None
    write_numbers(snakemake.output.numbers, gather(study, model, snakemake.params.heads, beside))
