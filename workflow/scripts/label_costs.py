"""What rows of each label are worth. In: labels, mean outputs, prompts, model. Out: per head two tables."""

from _script import logged, use_threads

with logged(snakemake):
    from pathlib import Path

    import numpy as np

    from polyhead.ablation.edge_survey import open_with_text
    from polyhead.ablation.label_costs import Intervals, label_costs
    from polyhead.ablation.patching import error_context
    from polyhead.attention.labelled_rows import label_chunks, labels_until
    from polyhead.files import read_json, write_csv
    from polyhead.model.head import Head

    use_threads(snakemake.threads)
    given, params, out = snakemake.input, snakemake.params, snakemake.output
    directory, heads = Path(given.model[0]).parent, [Head.parse(name) for name in params.heads]
    model, text = open_with_text(directory, given.prompts, params.prompts, params.window, params.device)
    last = len(text.prompts) - 1
    labels = [labels_until(label_chunks(path), last) for path in given.labels]
    means = [np.array(read_json(path), np.float32) for path in given.means]
    intervals = Intervals(int(text.clusters.documents.max()) + 1, params.n_resamples, params.seed)
    with error_context(f"model {directory}, labels on real text"):
        tables = label_costs(
            model,
            text,
            dict(zip(heads, labels, strict=True)),
            dict(zip(heads, means, strict=True)),
            params.taxonomies,
            intervals,
            lambda done: print(f"{done} of {len(text.prompts)} prompts"),
        )
    for place, head in enumerate(heads):
        resting, unknown = tables[head]
        write_csv(out.resting[place], resting)
        write_csv(out.unknown[place], unknown)
