"""Draw the distribution of behaviours. In: distribution.csv, shown.json. Out: an SVG."""

from _script import logged

with logged(snakemake):
    import pandas as pd

    from polyhead.distribution_figure import distribution_figure
    from polyhead.files import read_json
    from polyhead.style import save_svg, style

    table = pd.read_csv(snakemake.input.distribution, keep_default_na=False)
    shown = read_json(snakemake.input.shown)["shown"]
    with style():
        save_svg(distribution_figure(table, shown, snakemake.wildcards.taxonomy), snakemake.output.figure)
