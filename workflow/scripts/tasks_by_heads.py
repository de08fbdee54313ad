"""Ablate every head on every task. In: filled tasks, model. Out: tasks_by_heads.csv and its figure."""

from pathlib import Path

from stage import stage

from polyhead.ablation.figures import tasks_by_heads_figure
from polyhead.ablation.tasks import tasks_by_heads
from polyhead.files import write_csv
from polyhead.model.opening import open_model
from polyhead.prompts.templates import read_task
from polyhead.style import save_svg, style


@stage
def main(input, output, heads, n_resamples, seed):
    model, _ = open_model(Path(input.model[0]).parent)
    tasks = [*map(read_task, input.tasks)]
    table = tasks_by_heads(model, tasks, n_resamples, seed)
    write_csv(output.table, table)
    with style():
        save_svg(tasks_by_heads_figure(table, heads), output.figure)
