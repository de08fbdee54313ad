"""Draw shares against threshold and window. In: sensitivity.csv. Out: an SVG."""

from _script import logged

with logged(snakemake):
    import pandas as pd

    from polyhead.attention.sensitivity_figure import sensitivity_figure
    from polyhead.style import save_svg, style

    table = pd.read_csv(snakemake.input.sensitivity)
    with style():
        figure = sensitivity_figure(table, snakemake.params.window, snakemake.params.threshold)
        save_svg(figure, snakemake.output.figure)
