"""Count the rows whose label changes in bfloat16. In: prompts, model. Out: precision.csv."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.attention.labels import Definitions
    from polyhead.attention.precision import label_differences
    from polyhead.files import write_csv
    from polyhead.model.head import Head
    from polyhead.model.opening import open_model
    from polyhead.prompts.sampling import read_prompts

    use_threads(snakemake.threads)
    params = snakemake.params
    model, vocabulary = open_model(Path(snakemake.input.model[0]).parent)
    heads = [Head.parse(head) for head in params.heads]
    prompts = read_prompts(snakemake.input.prompts, 0, params.prompts)
    definitions = Definitions(params.window, params.threshold, params.taxonomies)
    table = label_differences(model, vocabulary, heads, prompts, definitions, params.device, "bfloat16")
    write_csv(snakemake.output.precision, table)
