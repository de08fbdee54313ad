"""Render the report. In: the folder put together for it. Out: index.html, index.pdf."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.render import choose_renderer, render

    renderer = choose_renderer(snakemake.params.renderer)
    build, html, pdf = snakemake.input.build, snakemake.output.html, snakemake.output.pdf
    render(Path(build), Path(html), Path(pdf), renderer)
