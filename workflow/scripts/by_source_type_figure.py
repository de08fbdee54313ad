"""Draw the shares by type of source. In: by_source_type.csv. Out: an SVG."""

from _script import logged

with logged(snakemake):
    from polyhead.attention.distribution_figure import distribution_figure
    from polyhead.files import read_csv
    from polyhead.style import save_svg, style

    table = read_csv(snakemake.input.by_source_type).rename(columns={"source_type": "token_label"})
    source_types = list(table["token_label"].drop_duplicates())
    with style():
        figure = distribution_figure(table, source_types, snakemake.wildcards.taxonomy, "type of source")
        save_svg(figure, snakemake.output.figure)
