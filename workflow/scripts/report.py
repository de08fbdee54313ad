"""Render the report. In: the folder put together for it. Out: index.html, index.pdf."""

from pathlib import Path

from stage import stage

from polyhead.report.render import render


@stage
def main(input, output, renderer):
    render(Path(input.build), Path(output.html), Path(output.pdf), renderer)
