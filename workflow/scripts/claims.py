"""Print the claims and what is expected of them; fail where one is missed. In: claims.csv, claims.yaml. Out: nothing."""

from pathlib import Path

from rich.console import Console
from stage import stage

from polyhead.report.claims import print_claims


@stage
def main(input, screen):
    print_claims(Path(input.claims), Path(input.book), Path(input.provenance), Console(file=screen))
