"""Put the sampled rows into one page. In: rows, the page's sources. Out: explorer.html."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.explorer import explorer_page
    from polyhead.files import read_json, write_text
    from polyhead.report_tables import short_path

    params = snakemake.params
    rows = read_json(snakemake.input.rows)
    sources = Path(snakemake.input.sources[0]).parent
    page = explorer_page(rows, sources, params.head, short_path(params.model), params.study)
    write_text(snakemake.output.page, page)
