"""Run the model over one shard of prompts. In: prompts, model. Out: one parquet of rows per head."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import numpy as np

    from polyhead.attention.rows import write_shard
    from polyhead.model.head import Head
    from polyhead.model.opening import open_model, to_device
    from polyhead.prompts.sampling import read_prompts

    use_threads(snakemake.threads)
    params = snakemake.params
    model, vocabulary = open_model(Path(snakemake.input.model[0]).parent)
    prompts = read_prompts(snakemake.input.prompts, params.first, params.size)
    prompt_ids = np.arange(params.first, params.first + len(prompts))
    heads = [Head.parse(head) for head in params.heads]
    model = to_device(model, params.device, params.dtype)
    write_shard(list(snakemake.output), model, vocabulary, heads, prompt_ids, prompts, params.window)
