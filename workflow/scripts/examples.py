"""Draw example rows of each shown destination token. In: labels, prompts, model. Out: examples.json, SVGs."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    from polyhead.attention.examples import draw_rows, example
    from polyhead.attention.labelled_rows import label_chunks
    from polyhead.files import read_json, write_json, write_text
    from polyhead.model.head import Head
    from polyhead.model.opening import open_model
    from polyhead.prompts.sampling import pick_prompts

    use_threads(snakemake.threads)
    params = snakemake.params
    model, vocabulary = open_model(Path(snakemake.input.model[0]).parent)
    head = Head.parse(snakemake.wildcards.head)
    tokens = [vocabulary.labels.index(name) for name in read_json(snakemake.input.figure_tokens)["shown"][1:]]
    rows = draw_rows(label_chunks(snakemake.input.labels), tokens, params.per_token, params.seed)
    prompts = pick_prompts(snakemake.input.prompts, rows["prompt"])
    records, pictures = [], Path(snakemake.output.pictures)
    pictures.mkdir(parents=True, exist_ok=True)  # there may be nothing to draw
    for (_, row), of_prompt in zip(rows.iterrows(), prompts, strict=True):
        record, svg = example(model, vocabulary, head, of_prompt, row, params.before, params.taxonomies)
        name = f"{len(records):02d}.svg"
        write_text(pictures / name, svg)
        records.append({**record, "svg": f"examples/{name}"})
    write_json(snakemake.output.examples, records)
