"""Draw the atlas of all heads. In: atlas.csv. Out: an SVG."""

from _script import logged

with logged(snakemake):
    import pandas as pd

    from polyhead.atlas_figure import atlas_figure
    from polyhead.style import save_svg, style

    heads = [tuple(map(int, head.split("."))) for head in snakemake.params.heads]
    with style():
        figure = atlas_figure(pd.read_csv(snakemake.input.atlas, keep_default_na=False), heads)
        save_svg(figure, snakemake.output.figure)
