"""Cut heads' edges in tasks. In: tasks, mean outputs, model. Out: per head task_edges, task_sources.csv."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from polyhead.ablation.task_edges import task_edges
    from polyhead.files import read_json, write_csv
    from polyhead.model.head import Head
    from polyhead.model.opening import open_for_ablation
    from polyhead.model.vocabulary import open_vocabulary
    from polyhead.prompts.templates import read_task

    use_threads(snakemake.threads)
    params, directory = snakemake.params, Path(snakemake.input.model[0]).parent
    model, vocabulary = open_for_ablation(directory), open_vocabulary(directory / "tokenizer.json")
    tasks = [read_task(path) for path in snakemake.input.tasks]
    settings = {"window": params.window, "n_resamples": params.n_resamples, "seed": params.seed}
    for place, name in enumerate(params.heads):
        mean = np.array(read_json(snakemake.input.means[place]), np.float32)
        tables = [task_edges(model, vocabulary, task, Head.parse(name), mean, **settings) for task in tasks]
        edges, sources = zip(*tables, strict=True)
        write_csv(snakemake.output.edges[place], pd.concat(edges))
        write_csv(snakemake.output.sources[place], pd.concat(sources))
