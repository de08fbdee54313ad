"""Put together what the report is rendered from. In: numbers, provenance, figures, sources. Out: a folder."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.prompts.templates import read_templates
    from polyhead.report.document import assemble
    from polyhead.report.facts import TaskFacts
    from polyhead.report.render import choose_renderer
    from polyhead.study.records import check_unedited

    drawings = {"rulegraph.svg": Path(snakemake.input.rulegraph)}
    drawings |= {path.name: path for path in map(Path, snakemake.input.scarcity)}
    given = snakemake.input.templates
    templates = read_templates(given).templates if given else {}
    facts = {name: TaskFacts(t.title, t.note, tuple(t.behaviour), t.origin) for name, t in templates.items()}
    study, sources = (Path(path).parent for path in (snakemake.input.provenance, snakemake.input.sources[0]))
    edited = check_unedited(study, snakemake.input, snakemake.params.allow_edited)
    renderer = str(choose_renderer(snakemake.params.renderer))
    assemble(study, sources, Path(snakemake.output.build), drawings, renderer, facts, edited)
