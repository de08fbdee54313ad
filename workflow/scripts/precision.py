"""Count the rows whose label changes in bfloat16. In: prompts, model. Out: precision.csv."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.files import write_csv
    from polyhead.models import open_model
    from polyhead.precision import label_differences
    from polyhead.prompts import read_prompts

    use_threads(snakemake.threads)
    params = snakemake.params
    model, vocabulary = open_model(Path(snakemake.input.model[0]).parent)
    heads = [tuple(map(int, head.split("."))) for head in params.heads]
    prompts = read_prompts(snakemake.input.prompts, 0, params.prompts)
    study = (params.window, params.threshold, params.taxonomies)
    table = label_differences(model, vocabulary, heads, prompts, *study, params.device, "bfloat16")
    write_csv(snakemake.output.precision, table)
