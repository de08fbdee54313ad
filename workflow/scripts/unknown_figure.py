"""Draw what is in unknown. In: the two tables, shown.json. Out: an SVG."""

from _script import logged

with logged(snakemake):
    import pandas as pd

    from polyhead.files import read_json
    from polyhead.style import save_svg, style
    from polyhead.unknown_figure import unknown_figure

    mixes, sources = (
        pd.read_csv(path, keep_default_na=False) for path in (snakemake.input.mixes, snakemake.input.sources)
    )
    shown = read_json(snakemake.input.shown)["shown"]
    with style():
        save_svg(unknown_figure(mixes, sources, shown), snakemake.output.figure)
