"""Ablate heads at every position of a task. In: task, model, prompts. Out: a table of outcomes per head."""

from pathlib import Path

import pyarrow as pa
from stage import stage

from polyhead.ablation.patching import error_context
from polyhead.ablation.tasks import task_outcomes
from polyhead.files import write_parquet
from polyhead.model.opening import open_model
from polyhead.prompts.sampling import read_prompts
from polyhead.prompts.templates import read_task

MOST_TEXTS = 1000  # from which rows for the method resample are drawn


@stage
def main(input, output, heads, methods, seed):
    directory = Path(input.model[0]).parent
    (model, _), task = open_model(directory), read_task(input.task)
    texts = read_prompts(input.prompts, count=MOST_TEXTS) if input.prompts else None
    for head, path in zip(heads, output.outcomes, strict=True):
        with error_context(f"model {directory}"):
            outcomes = task_outcomes(model, task, head, methods, texts, seed)
        write_parquet(path, pa.Table.from_pandas(outcomes, preserve_index=False))
