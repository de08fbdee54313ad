"""Draw the benchmark of section 1. In: attention.csv. Out: an SVG."""

from _script import logged

with logged(snakemake):
    import pandas as pd

    from polyhead.benchmarks.attention_figure import benchmark_figure
    from polyhead.style import save_svg, style

    with style():
        save_svg(benchmark_figure(pd.read_csv(snakemake.input.table)), snakemake.output.figure)
