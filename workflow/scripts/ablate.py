"""Ablate a head at every position of a task. In: tasks, model, prompts. Out: ablation/<task>.parquet."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa
    import torch

    from polyhead.ablation.patching import ablate, donor_texts, error_context
    from polyhead.ablation.tables import outcome_table
    from polyhead.files import write_parquet
    from polyhead.model.head import Head
    from polyhead.model.opening import open_for_ablation
    from polyhead.prompts.sampling import read_prompts
    from polyhead.prompts.templates import read_task

    MOST_DONORS = 1000  # prompts that rows for the method resample are drawn from

    use_threads(snakemake.threads)
    directory = Path(snakemake.input.model[0]).parent
    model, task = open_for_ablation(directory), read_task(snakemake.input.task)
    head = Head.parse(snakemake.wildcards.head)
    inputs = torch.from_numpy(task.tokens), torch.from_numpy(task.answers), head
    donors, tables = None, []
    for method in snakemake.params.methods:
        with error_context(f"model {directory}, task {task.name}, method {method}"):
            if method == "resample":
                others = [read_task(path) for path in snakemake.input.others]
                pools = [other.tokens for other in others if other.name != task.name]
                pools.insert(0, read_prompts(snakemake.input.prompts, count=MOST_DONORS))
                donors = torch.from_numpy(
                    donor_texts(pools, *task.tokens.shape, snakemake.params.seed)
                ).long()
            tables.append(outcome_table(task, ablate(model, *inputs, method, donors=donors), method))
    write_parquet(snakemake.output.outcomes, pa.Table.from_pandas(pd.concat(tables), preserve_index=False))
