"""Print the claims; fail where an answer is not the one that is expected. In: claims.csv, claims.yaml."""

from pathlib import Path

from rich.console import Console
from stage import stage

from polyhead.report.claims import print_claims


@stage
def main(input, screen):
    print_claims(Path(input.claims), Path(input.book), Path(input.provenance), Console(file=screen))
