"""Keep the report as the repository's example. In: report, explorer, their sources. Out: docs/example."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.report.kept_example import write_example

    made = [Path(path) for path in snakemake.input.made]
    write_example(made, Path(snakemake.params.repository), Path(snakemake.output.record).parent)
