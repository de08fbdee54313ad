"""Put rows and all heads into one page. In: rows, edges, verdicts, tasks by heads. Out: explorer.html."""

from stage import stage

from polyhead.files import read_csv, read_json, write_text
from polyhead.report.explorer import explorer_page, heads_map


@stage
def main(input, output, model, study, command):
    heads = None
    if input.edges:
        tasks = read_csv(input.tasks) if input.tasks else None
        heads = heads_map(read_csv(input.edges), read_csv(input.verdicts), tasks)
    write_text(output.page, explorer_page(read_json(input.rows), model, study, heads, command))
