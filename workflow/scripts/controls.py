"""Measure a head's controls. In: filled tasks, model, tasks_by_heads.csv. Out: controls.csv, its figure."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import pandas as pd

    from polyhead.ablation_figures import controls_figure
    from polyhead.controls import head_controls
    from polyhead.files import write_csv
    from polyhead.models import open_plain
    from polyhead.style import save_svg, style
    from polyhead.templates import read_task
    from polyhead.tokens import open_vocabulary

    use_threads(snakemake.threads)
    params, head = snakemake.params, snakemake.wildcards.head
    directory = Path(snakemake.input.model[0]).parent
    model, vocabulary = open_plain(directory), open_vocabulary(directory / "tokenizer.json")
    settings = params.window, params.threshold, params.draws, params.seed
    place = tuple(map(int, head.split(".")))
    tasks = [read_task(path) for path in snakemake.input.tasks]
    table = pd.concat([head_controls(model, vocabulary, task, place, *settings) for task in tasks])
    write_csv(snakemake.output.controls, table)
    with style():
        heads = pd.read_csv(snakemake.input.heads, dtype={"head": str})
        save_svg(controls_figure(table, heads, head), snakemake.output.figure)
