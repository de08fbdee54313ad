"""Average effects by label. In: real_text.parquet, labels.parquet. Out: real_text.csv, its figure."""

from _script import logged

with logged(snakemake):
    from polyhead.ablation_figures import real_text_figure
    from polyhead.chunks import label_chunks, labels_until
    from polyhead.effects import effects_by_label
    from polyhead.files import read_parquet, write_csv
    from polyhead.style import save_svg, style

    params = snakemake.params
    effects = read_parquet(snakemake.input.effects).to_pandas()
    labels = labels_until(label_chunks(snakemake.input.labels), effects["prompt"].max())
    table = effects_by_label(effects, labels, params.taxonomies, params.draws, params.seed)
    write_csv(snakemake.output.table, table)
    with style():
        save_svg(real_text_figure(table, params.taxonomies), snakemake.output.figure)
