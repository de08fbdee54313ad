"""Put prompts and what was measured into one page. In: rows, the page's sources. Out: explorer.html."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.files import read_json, write_text
    from polyhead.report.explorer import explorer_page

    params = snakemake.params
    rows = read_json(snakemake.input.rows)
    sources = Path(snakemake.input.sources[0]).parent
    write_text(snakemake.output.page, explorer_page(rows, sources, params.model, params.study))
