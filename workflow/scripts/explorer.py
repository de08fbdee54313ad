"""Put prompts and what was measured into one page. In: rows, the page's sources. Out: explorer.html."""

from pathlib import Path

from stage import stage

from polyhead.files import read_json, write_text
from polyhead.report.explorer import explorer_page


@stage
def main(input, output, model, study):
    page = explorer_page(read_json(input.rows), Path(input.sources[0]).parent, model, study)
    write_text(output.page, page)
