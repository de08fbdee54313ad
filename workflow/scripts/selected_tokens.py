"""Choose the destination tokens to show. In: prompts, model. Out: selected_tokens.json of each head."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import numpy as np

    from polyhead.attention.distribution import FEWEST_TO_SELECT, distribution, shown_tokens
    from polyhead.attention.labels import label_table
    from polyhead.attention.rows import shard_tables
    from polyhead.files import write_json
    from polyhead.model.head import Head
    from polyhead.model.opening import open_model, to_device
    from polyhead.prompts.clusters import read_clusterings
    from polyhead.prompts.sampling import read_prompts

    use_threads(snakemake.threads)
    params = snakemake.params
    model, vocabulary = open_model(Path(snakemake.input.model[0]).parent)
    prompts, heads = read_prompts(snakemake.input.prompts), [Head.parse(head) for head in params.heads]
    model = to_device(model, params.device, params.dtype)
    tables = shard_tables(model, vocabulary, heads, np.arange(len(prompts)), prompts, params.window)
    del params.tokens["minimum_rows"]
    clusters, fewest = read_clusterings(snakemake.input.prompts).documents, FEWEST_TO_SELECT
    for table, path in zip(tables, snakemake.output, strict=True):
        labels = label_table(table, [params.taxonomy], params.threshold)
        shares = distribution(
            labels, vocabulary.labels, [params.taxonomy], fewest, clusters, n_resamples=10, seed=params.seed
        )
        write_json(path, {"selected": shown_tokens(shares, taxonomy=params.taxonomy, **params.tokens)})
