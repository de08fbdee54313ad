"""Put together what the report is rendered from. In: numbers, provenance, figures, sources. Out: a folder."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.report_source import TaskFacts, assemble
    from polyhead.templates import read_templates

    drawings = {"rulegraph.svg": Path(snakemake.input.rulegraph)}
    params = snakemake.params
    templates = read_templates(params.templates).templates if params.templates else {}
    facts = {name: TaskFacts(t.title, t.note, tuple(t.behaviour)) for name, t in templates.items()}
    study, sources = (Path(path).parent for path in (snakemake.input.provenance, snakemake.input.sources[0]))
    assemble(study, sources, Path(snakemake.output.build), drawings, facts)
