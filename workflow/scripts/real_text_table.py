"""Average effects by label. In: effects, labels, prompts. Out: real_text.csv, its figures."""

from _script import logged

with logged(snakemake):
    from polyhead.ablation.figures import real_text_figure
    from polyhead.ablation.real_text import effects_by_label
    from polyhead.attention.labelled_rows import label_chunks, labels_until
    from polyhead.files import read_parquet, write_csv
    from polyhead.prompts.clusters import read_clusterings
    from polyhead.style import save_svg, style

    params = snakemake.params
    effects = read_parquet(snakemake.input.effects).to_pandas()
    last = effects["prompt"].max() if len(effects) else -1
    labels = labels_until(label_chunks(snakemake.input.labels), last)
    clusters = read_clusterings(snakemake.input.prompts)
    table = effects_by_label(effects, labels, params.taxonomies, clusters, params.n_resamples, params.seed)
    write_csv(snakemake.output.table, table)
    with style():
        for taxonomy, path in zip(params.taxonomies, snakemake.output.figures, strict=True):
            save_svg(real_text_figure(table, taxonomy), path)
