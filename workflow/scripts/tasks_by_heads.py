"""Ablate every head on every task. In: filled tasks, model. Out: tasks_by_heads.csv, its map."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.ablation.controls import tasks_by_heads
    from polyhead.ablation.figures import tasks_by_heads_figure
    from polyhead.files import write_csv
    from polyhead.model.opening import open_for_ablation
    from polyhead.prompts.templates import read_task
    from polyhead.style import save_svg, style

    use_threads(snakemake.threads)
    params = snakemake.params
    model = open_for_ablation(Path(snakemake.input.model[0]).parent)
    tasks = [read_task(path) for path in snakemake.input.tasks]
    table = tasks_by_heads(model, tasks, params.n_resamples, params.seed)
    write_csv(snakemake.output.table, table)
    with style():
        save_svg(tasks_by_heads_figure(table, params.heads), snakemake.output.figure)
