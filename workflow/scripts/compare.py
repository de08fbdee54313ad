"""Set finished studies side by side. In: their tables, the page's template. Out: one page."""

from _script import logged

with logged(snakemake):
    from pathlib import Path

    from polyhead.files import write_text
    from polyhead.report.compare import check_names, read_compared
    from polyhead.report.compare_page import comparison_page

    check_names(snakemake.params.studies)
    studies = [read_compared("results", name) for name in snakemake.params.studies]
    sources = Path(snakemake.input.sources[0]).parent
    write_text(snakemake.output.page, comparison_page(studies, sources, Path(snakemake.input.css)))
