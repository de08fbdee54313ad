"""Ablate a head at every position of a task. In: filled task, model. Out: ablation/<task>.parquet."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa
    import torch

    from polyhead.ablation import ablate, about
    from polyhead.ablation_tables import outcome_table
    from polyhead.files import write_parquet
    from polyhead.models import open_plain
    from polyhead.templates import read_task

    use_threads(snakemake.threads)
    directory = Path(snakemake.input.model[0]).parent
    model, task = open_plain(directory), read_task(snakemake.input.task)
    head = map(int, snakemake.wildcards.head.split("."))
    inputs = torch.from_numpy(task.tokens), torch.from_numpy(task.answers), *head
    seed, tables = snakemake.params.seed, []
    for kind in snakemake.params.kinds:
        with about(f"model {directory}, task {task.name}, kind {kind}"):
            tables.append(outcome_table(task, ablate(model, *inputs, kind, seed=seed), kind))
    write_parquet(snakemake.output.outcomes, pa.Table.from_pandas(pd.concat(tables), preserve_index=False))
