"""Label the rows of every head. In: prompts, model. Out: atlas.csv."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.atlas import atlas
    from polyhead.files import write_csv
    from polyhead.models import open_model, read_shape
    from polyhead.precision import place
    from polyhead.prompts import read_prompts

    use_threads(snakemake.threads)
    params = snakemake.params
    folder = Path(snakemake.input.model[0]).parent
    model, vocabulary = open_model(folder)
    shape = read_shape(folder)
    heads = [(layer, head) for layer in range(shape.n_layers) for head in range(shape.n_heads)]
    table = atlas(
        place(model, params.device, params.dtype),
        vocabulary,
        heads,
        read_prompts(snakemake.input.prompts, 0, params.prompts),
        params.window,
        params.threshold,
        params.taxonomies,
    )
    write_csv(snakemake.output.atlas, table)
