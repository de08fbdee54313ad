"""Run the model over one shard of prompts. In: prompts, model. Out: one parquet of rows per head."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import numpy as np

    from polyhead.models import open_model
    from polyhead.precision import place
    from polyhead.prompts import read_prompts
    from polyhead.rows import write_shard

    use_threads(snakemake.threads)
    params = snakemake.params
    model, vocabulary = open_model(Path(snakemake.input.model[0]).parent)
    prompts = read_prompts(snakemake.input.prompts, params.first, params.size)
    numbers = np.arange(params.first, params.first + len(prompts))
    heads = [tuple(map(int, head.split("."))) for head in params.heads]
    model = place(model, params.device, params.dtype)
    write_shard(list(snakemake.output), model, vocabulary, heads, numbers, prompts, params.window)
