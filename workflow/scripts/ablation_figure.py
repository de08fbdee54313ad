"""Draw a task and its ablation. In: filled task, ablation.csv, ablation_positions.csv. Out: two SVGs."""

from _script import logged

with logged(snakemake):
    import pandas as pd

    from polyhead.ablation_figures import positions_figure, task_svg
    from polyhead.files import write_text
    from polyhead.style import save_svg, style
    from polyhead.templates import read_task
    from polyhead.tokens import open_vocabulary

    task = read_task(snakemake.input.task)
    labels = open_vocabulary(snakemake.input.tokenizer).labels
    tables = (
        pd.read_csv(path, keep_default_na=False).query("task == @task.name")
        for path in (snakemake.input.positions, snakemake.input.runs)
    )
    write_text(snakemake.output.task, task_svg(task, labels))
    with style():
        save_svg(positions_figure(*tables), snakemake.output.positions)
