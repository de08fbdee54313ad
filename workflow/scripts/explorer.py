"""Put prompts and what was measured into one page. In: rows. Out: explorer.html."""

from stage import stage

from polyhead.files import read_json, write_text
from polyhead.report.explorer import explorer_page


@stage
def main(input, output, model, study):
    write_text(output.page, explorer_page(read_json(input.rows), model, study))
