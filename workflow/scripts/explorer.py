"""Put prompts and what was measured into one page. In: rows, the page's sources. Out: explorer.html."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.files import read_json, write_text
    from polyhead.report.explorer import explorer_page
    from polyhead.report.stamp import stamped
    from polyhead.report.tables import short_path
    from polyhead.study.records import check_unedited

    params = snakemake.params
    rows = read_json(snakemake.input.rows)
    sources = Path(snakemake.input.sources[0]).parent
    page = explorer_page(rows, sources, short_path(params.model), params.study)
    study = Path(snakemake.output.page).parents[1]
    edited = check_unedited(study, snakemake.input, params.allow_edited)
    write_text(snakemake.output.page, stamped(page, edited))
