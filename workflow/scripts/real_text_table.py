"""Average effects by label. In: real_text.parquet, labels.parquet. Out: real_text.csv, its figure."""

from _script import logged

with logged(snakemake):
    import pandas as pd

    from polyhead.ablation_figures import real_text_figure
    from polyhead.effects import effects_by_label
    from polyhead.files import write_csv
    from polyhead.style import save_svg, style

    params = snakemake.params
    effects, labels = pd.read_parquet(snakemake.input.effects), pd.read_parquet(snakemake.input.labels)
    table = effects_by_label(effects, labels, params.taxonomies, params.draws, params.seed)
    write_csv(snakemake.output.table, table)
    with style():
        save_svg(real_text_figure(table, params.taxonomies), snakemake.output.figure)
