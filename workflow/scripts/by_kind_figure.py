"""Draw the shares by kind of source. In: by_kind.csv. Out: an SVG."""

from _script import logged

with logged(snakemake):
    import pandas as pd

    from polyhead.distribution_figure import distribution_figure
    from polyhead.style import save_svg, style

    table = pd.read_csv(snakemake.input.by_kind, keep_default_na=False).rename(
        columns={"kind": "token_label"}
    )
    kinds = list(table["token_label"].drop_duplicates())
    with style():
        figure = distribution_figure(table, kinds, snakemake.wildcards.taxonomy, "kind of source")
        save_svg(figure, snakemake.output.figure)
