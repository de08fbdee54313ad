"""Hold a study against what is claimed of it. In: claims, numbers, provenance. Out: claims.csv, claims.md."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.files import write_text
    from polyhead.report.claims import check
    from polyhead.report.claims_table import result_table, write_lines

    study, sources = (Path(path).parent for path in (snakemake.input.numbers, snakemake.input.sources))
    lines = check(study, sources)
    write_lines(snakemake.output.table, lines)
    write_text(snakemake.output.markdown, result_table(lines) + "\n")
