"""Draw the distribution of behaviours. In: distribution.csv, figure_tokens.json. Out: an SVG."""

from _script import logged

with logged(snakemake):
    from polyhead.attention.distribution_figure import distribution_figure
    from polyhead.files import read_csv, read_json
    from polyhead.style import save_svg, style

    table = read_csv(snakemake.input.distribution)
    shown = read_json(snakemake.input.figure_tokens)["shown"]
    with style():
        save_svg(distribution_figure(table, shown, snakemake.wildcards.taxonomy), snakemake.output.figure)
