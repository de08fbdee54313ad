"""Put together what the report is rendered from. In: numbers, provenance, figures, sources. Out: a folder."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.report_source import assemble
    from polyhead.templates import read_templates

    drawings = {"rulegraph.svg": Path(snakemake.input.rulegraph)}
    params = snakemake.params
    templates = read_templates(params.templates).templates if params.templates else {}
    notes = {name: template.note for name, template in templates.items()}
    assemble(Path(params.study), Path(params.sources), Path(snakemake.output.build), drawings, notes)
