"""Draw a task and its ablation. In: filled task, ablation_positions.csv. Out: two SVGs."""

from _script import logged

with logged(snakemake):
    from polyhead.ablation.figures import positions_figure, task_svg
    from polyhead.files import read_csv, write_text
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.templates import read_task
    from polyhead.style import save_svg, style

    task = read_task(snakemake.input.task)
    labels = open_vocabulary(snakemake.input.tokenizer).labels
    positions = read_csv(snakemake.input.positions).query("task == @task.name")
    write_text(snakemake.output.task, task_svg(task, labels))
    with style():
        save_svg(positions_figure(positions), snakemake.output.positions)
