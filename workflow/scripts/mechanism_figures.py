"""Draw how a head does it. In: scores, needs. Out: two figures."""

from stage import stage

from polyhead.files import read_csv
from polyhead.mechanism.figures import needs_figure, scores_figure
from polyhead.style import save_svg, style


@stage
def main(input, output):
    scores, needs = read_csv(input.scores), read_csv(input.needs)
    with style():
        save_svg(needs_figure(needs), output.needs)
        save_svg(scores_figure(scores, needs), output.scores)
