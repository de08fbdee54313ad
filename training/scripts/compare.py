"""Set runs side by side, and say which comes first. In: recipe, measures, selections. Out: a table."""

from job import stage

from polyhead.files import write_csv
from training.tables import first_of, read_run, runs_table


@stage
def main(input, output):
    pairs = zip(input.measures, input.selections, strict=True)
    runs = [read_run(input.recipe, *pair) for pair in pairs]
    table = runs_table(runs)
    write_csv(output.table, table.assign(first=table["run"] == first_of(runs).name))
