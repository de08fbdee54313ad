"""Draw example rows of each shown destination token. In: labels, prompts, model. Out: examples.json, SVGs."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.examples import draw_rows, example
    from polyhead.files import read_json, read_parquet, write_json, write_text
    from polyhead.models import open_model
    from polyhead.prompts import read_prompts

    use_threads(snakemake.threads)
    params = snakemake.params
    model, vocabulary = open_model(Path(snakemake.input.model[0]).parent)
    prompts = read_prompts(snakemake.input.prompts)
    labels = read_parquet(snakemake.input.labels).to_pandas()
    head = tuple(map(int, snakemake.wildcards.head.split(".")))
    tokens = [vocabulary.labels.index(name) for name in read_json(snakemake.input.shown)["shown"][1:]]
    records = []
    for token in tokens:
        for _, row in draw_rows(labels, token, params.per_token, params.seed).iterrows():
            record, svg = example(model, vocabulary, head, prompts, row, params.before, params.taxonomies)
            name = f"{len(records):02d}.svg"
            write_text(f"{snakemake.output.pictures}/{name}", svg)
            records.append({**record, "svg": f"examples/{name}"})
    write_json(snakemake.output.examples, records)
