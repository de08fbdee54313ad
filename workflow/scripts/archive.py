"""Pack a finished study as an RO-Crate. In: report, explorer, all tables. Out: one zip."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.report.crate import write_crate
    from polyhead.study.records import check_unedited

    params = snakemake.params
    study = Path(snakemake.input.provenance).parent
    edited = check_unedited(study, snakemake.input, params.allow_edited)
    write_crate(Path(snakemake.output.archive), study, Path(params.repository), edited)
