"""Fill the document. In: provenance, tables, report/. Out: the folder to render, numbers.json, claims.csv."""

from pathlib import Path

from stage import stage

from polyhead.report.document import assemble
from polyhead.report.render import with_version


@stage
def main(input, output, renderer):
    folder, sources = Path(input.provenance).parent, Path(input.sources[0]).parent
    templates = input.templates and Path(input.templates)
    assemble(folder, sources, Path(output.build), templates, with_version(renderer))
