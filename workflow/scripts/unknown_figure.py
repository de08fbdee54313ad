"""Draw what is in unknown. In: the two tables, figure_tokens.json. Out: an SVG."""

from _script import logged

with logged(snakemake):
    from polyhead.attention.unknown_figure import unknown_figure
    from polyhead.files import read_csv, read_json
    from polyhead.style import save_svg, style

    mixes, sources = read_csv(snakemake.input.mixes), read_csv(snakemake.input.sources)
    shown = read_json(snakemake.input.figure_tokens)["shown"]
    with style():
        save_svg(unknown_figure(mixes, sources, shown), snakemake.output.figure)
