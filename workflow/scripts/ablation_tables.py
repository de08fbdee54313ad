"""Tabulate ablations. In: filled tasks, outcomes, tokenizer. Out: ablation.csv, ablation_positions.csv."""

from stage import stage

from polyhead.ablation.tables import positions_table, runs_table
from polyhead.files import read_parquet, write_csv
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.templates import read_task


@stage
def main(input, output, n_resamples, seed):
    paths = zip(input.tasks, input.outcomes, strict=True)
    tasks = [(read_task(task), read_parquet(outcomes).to_pandas()) for task, outcomes in paths]
    labels = open_vocabulary(input.tokenizer).labels
    write_csv(output.runs, runs_table(tasks, n_resamples, seed))
    write_csv(output.positions, positions_table(tasks, labels, n_resamples, seed))
