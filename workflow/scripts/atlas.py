"""Label the rows of every head. In: prompts, model. Out: atlas.csv."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.attention.atlas import atlas
    from polyhead.attention.labels import Definitions
    from polyhead.files import write_csv
    from polyhead.model.head import all_heads
    from polyhead.model.opening import open_model, to_device
    from polyhead.prompts.sampling import read_prompts

    use_threads(snakemake.threads)
    params = snakemake.params
    model, vocabulary = open_model(Path(snakemake.input.model[0]).parent)
    heads = all_heads(model.n_layers, model.n_heads)
    table = atlas(
        to_device(model, params.device, params.dtype),
        vocabulary,
        heads,
        read_prompts(snakemake.input.prompts, 0, params.prompts),
        Definitions(params.window, params.threshold, params.taxonomies),
    )
    write_csv(snakemake.output.atlas, table)
