"""Sample rows for the explorer and compute their attention. In: labels, prompts, model. Out: JSON."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.explorer import explorer_rows
    from polyhead.files import read_json, read_parquet, write_json
    from polyhead.models import open_model
    from polyhead.prompts import read_prompts

    use_threads(snakemake.threads)
    params = snakemake.params
    model, vocabulary = open_model(Path(snakemake.input.model[0]).parent)
    labels = read_parquet(snakemake.input.labels).to_pandas()
    prompts = read_prompts(snakemake.input.prompts)
    head = tuple(map(int, params.head.split(".")))
    shown = read_json(snakemake.input.shown)["shown"]
    rows = explorer_rows(model, vocabulary, head, prompts, labels, shown, params.taxonomies, params.seed)
    write_json(snakemake.output.rows, rows)
