"""Draw what heads do. In: edges.csv, verdicts.csv. Out: a figure of all heads, and one of each head."""

from stage import stage

from polyhead.edges.figures import edges_figure, heads_figure
from polyhead.files import read_csv
from polyhead.style import save_svg, style


@stage
def main(input, output, heads):
    edges, verdicts = read_csv(input.edges), read_csv(input.verdicts)
    studied = [str(head) for head in heads]
    with style():
        save_svg(heads_figure(edges, verdicts, studied), output.heads)
        for head, path in zip(studied, output.figures, strict=True):
            link = f"explorer.html#head={head}&class=" if head == studied[0] else ""
            own, verdict = edges[edges["head"] == head], verdicts[verdicts["head"] == head].iloc[0]
            save_svg(edges_figure(own, verdict, link), path)
