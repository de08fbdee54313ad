"""Fill the document. In: provenance, tables, report/. Out: the folder to render, numbers.json, claims.csv."""

from pathlib import Path

from stage import stage

from polyhead.report.document import assemble
from polyhead.report.render import choose_renderer


@stage
def main(input, output, renderer):
    folder, sources = Path(input.provenance).parent, Path(input.sources[0]).parent
    assemble(
        folder,
        sources,
        Path(output.build),
        input.templates and Path(input.templates),
        str(choose_renderer(renderer)),
    )
