"""Tabulate ablations. In: filled tasks, outcomes. Out: ablation.csv, ablation_positions.csv."""

from _script import logged

with logged(snakemake):
    from polyhead.ablation.tables import positions_table, runs_table
    from polyhead.files import read_parquet, write_csv
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.templates import read_task

    n_resamples, seed = snakemake.params.n_resamples, snakemake.params.seed
    labels = open_vocabulary(snakemake.input.tokenizer).labels
    paths = zip(snakemake.input.tasks, snakemake.input.outcomes, strict=True)
    tasks = [(read_task(task), read_parquet(outcomes).to_pandas()) for task, outcomes in paths]
    write_csv(snakemake.output.runs, runs_table(tasks, n_resamples, seed))
    write_csv(snakemake.output.positions, positions_table(tasks, labels, n_resamples, seed))
