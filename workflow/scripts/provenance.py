"""Record where the numbers come from. In: every stage's tables, model, corpus. Out: provenance.json."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.files import write_json
    from polyhead.report.provenance import provenance

    params = snakemake.params
    files = [Path(path) for path in snakemake.input.files]
    seeds = {"study": params.study["seed"]}
    write_json(snakemake.output.provenance, provenance(params.study, files, Path(params.benchmarks), seeds))
