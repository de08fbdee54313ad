"""Print the claims about a study on the screen; fail when one fails. In: claims.csv, claims.yaml."""

import sys

from _script import logged

screen = sys.stdout
with logged(snakemake):
    from pathlib import Path

    from rich.console import Console

    from polyhead.report.claims_file import require_claims
    from polyhead.report.claims_table import read_lines, require_passed, screen_table
    from polyhead.study.records import check_unedited

    study = snakemake.params.study
    require_claims(Path(snakemake.input.sources).parent, study)
    table = snakemake.input.table[0]
    check_unedited(Path(table).parent, [table])
    lines = read_lines(table)
    for file in (sys.stdout, screen):
        Console(file=file, highlight=False).print(screen_table(lines, study))
    require_passed(lines)
