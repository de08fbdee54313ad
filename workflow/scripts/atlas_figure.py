"""Draw the atlas of all heads. In: atlas.csv. Out: an SVG."""

from _script import logged

with logged(snakemake):
    from polyhead.attention.atlas_figure import atlas_figure
    from polyhead.files import read_csv
    from polyhead.model.head import Head
    from polyhead.style import save_svg, style

    heads = [Head.parse(head) for head in snakemake.params.heads]
    table = read_csv(snakemake.input.atlas)
    with style():
        figure = atlas_figure(table, heads)
        save_svg(figure, snakemake.output.figure)
