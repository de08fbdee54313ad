"""Sample rows for the explorer and compute their attention. In: labels, prompts, model. Out: JSON."""

from _script import logged, use_threads

with logged(snakemake):
    from functools import partial
    from pathlib import Path

    from polyhead.chunks import label_chunks
    from polyhead.explorer import explorer_rows
    from polyhead.files import read_json, write_json
    from polyhead.models import open_model
    from polyhead.prompts import pick_prompts

    use_threads(snakemake.threads)
    params = snakemake.params
    model, vocabulary = open_model(Path(snakemake.input.model[0]).parent)
    labels = label_chunks(snakemake.input.labels)
    pick = partial(pick_prompts, snakemake.input.prompts)
    head = tuple(map(int, params.head.split(".")))
    shown = read_json(snakemake.input.shown)["shown"]
    study = (params.context, labels, shown, params.taxonomies, params.seed)
    rows = explorer_rows(model, vocabulary, head, pick, *study)
    write_json(snakemake.output.rows, rows)
