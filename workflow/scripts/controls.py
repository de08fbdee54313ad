"""Measure a head's controls. In: filled tasks, model, tasks_by_heads.csv. Out: controls.csv, its figure."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import pandas as pd

    from polyhead.ablation.controls import head_controls
    from polyhead.ablation.figures import controls_figure
    from polyhead.attention.labels import Definitions
    from polyhead.files import read_csv, write_csv
    from polyhead.model.head import Head
    from polyhead.model.opening import open_for_ablation
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.templates import read_task
    from polyhead.style import save_svg, style

    use_threads(snakemake.threads)
    params, head = snakemake.params, snakemake.wildcards.head
    directory = Path(snakemake.input.model[0]).parent
    model, vocabulary = open_for_ablation(directory), open_vocabulary(directory / "tokenizer.json")
    definitions, place = Definitions(params.window, params.threshold), Head.parse(head)
    drawn = {"n_resamples": params.n_resamples, "seed": params.seed}
    tasks = [read_task(path) for path in snakemake.input.tasks]
    table = pd.concat([head_controls(model, vocabulary, task, place, definitions, **drawn) for task in tasks])
    write_csv(snakemake.output.controls, table)
    with style():
        heads = read_csv(snakemake.input.heads)
        save_svg(controls_figure(table, heads, head), snakemake.output.figure)
