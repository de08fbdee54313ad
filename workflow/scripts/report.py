"""Render the report. In: the folder put together for it. Out: index.html, index.pdf."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.study.records import check_unedited

    from polyhead.report.render import choose_renderer, render

    renderer = choose_renderer(snakemake.params.renderer)
    build, html, pdf = snakemake.input.build, snakemake.output.html, snakemake.output.pdf
    check_unedited(Path(html).parents[1], snakemake.input, snakemake.params.allow_edited)
    render(Path(build), Path(html), Path(pdf), renderer)
