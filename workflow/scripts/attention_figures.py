"""Draw what the heads attend to. In: distribution.csv, sensitivity.csv, atlas.csv. Out: SVGs."""

from itertools import product

from stage import stage

from polyhead.attention.figures import atlas_figure, distribution_figure, sensitivity_figure
from polyhead.files import read_csv, read_json
from polyhead.style import save_svg, style


@stage
def main(input, output, heads, taxonomies, window, threshold):
    shown = [read_json(path)["shown"] for path in input.figure_tokens]
    tables = zip(map(read_csv, input.distributions), shown, strict=True)
    with style():
        for ((table, tokens), taxonomy), path in zip(
            product(tables, taxonomies), output.distributions, strict=True
        ):
            save_svg(distribution_figure(table, tokens, taxonomy), path)
        for table, path in zip(map(read_csv, input.sensitivities), output.sensitivities, strict=True):
            save_svg(sensitivity_figure(table, window, threshold), path)
        for path in output.atlas:
            save_svg(atlas_figure(read_csv(input.atlas), heads), path)
