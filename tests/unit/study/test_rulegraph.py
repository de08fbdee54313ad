"""The picture of the rules: what it leaves out, and that it stays readable as the workflow grows."""

import os
import subprocess
import sys
from itertools import combinations

import matplotlib.pyplot as plt
import networkx as nx
import pytest

from polyhead.study.rulegraph import place, read_dot, rulegraph_figure, with_waypoints
from polyhead.style import WIDTH

DOT = """digraph snakemake_dag {
    0[label = "all", color = "0.3"];
    1[label = "report", color = "0.1"];
    2[label = "rows", color = "0.2"];
    3[label = "sample", color = "0.2"];
    1 -> 0
    2 -> 1
    3 -> 2
    3 -> 1
}"""


def test_the_target_and_arrows_that_others_imply_are_left_out():
    assert set(read_dot(DOT).edges) == {("rows", "report"), ("sample", "rows")}


@pytest.fixture(scope="module")
def forty_rules():
    """Stages of several rules each, as in the workflow: a table, its figure, all gathered at the end."""
    graph = nx.DiGraph([("sample", "rows"), ("rows", "classify"), ("provenance", "numbers")])
    for number in range(6):
        source = ("sample", "rows", "classify")[number % 3]
        stage = f"distribution_of_stage_{number}"
        nx.add_path(graph, [source, stage, f"{stage}_figure", "provenance"])
        nx.add_path(graph, [stage, f"{stage}_table", "provenance"])
    for number in range(17):
        nx.add_path(graph, ["classify", f"examples_{number}", "numbers"])
    assert len(graph) == 40
    return nx.transitive_reduction(graph)


def test_arrows_lead_from_one_layer_to_the_next_and_reach_what_they_reached(forty_rules):
    routed = with_waypoints(forty_rules)
    layer = nx.get_node_attributes(routed, "layer")
    assert {layer[b] - layer[a] for a, b in routed.edges} == {1}
    for rule in forty_rules:
        reached = {name for name in nx.descendants(routed, rule) if "@" not in name}
        assert reached == nx.descendants(forty_rules, rule)


def test_the_layers_stand_one_beside_the_other(forty_rules):
    routed = with_waypoints(forty_rules)
    places = place(routed)
    assert all(places[a][0] < places[b][0] for a, b in routed.edges)


def test_no_two_boxes_of_forty_rules_overlap_and_none_is_cut_off(forty_rules):
    figure = rulegraph_figure(forty_rules)
    figure.canvas.draw()
    boxes = [text.get_bbox_patch().get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    assert len(boxes) == 40
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(figure.bbox.contains(*corner) for box in boxes for corner in (box.min, box.max))
    plt.close(figure)


def test_the_picture_of_as_many_rules_as_the_workflow_has_is_not_made_small_on_a_page(forty_rules):
    figure = rulegraph_figure(forty_rules)
    assert figure.get_figwidth() < 1.2 * WIDTH
    plt.close(figure)


def test_the_same_rules_give_the_same_picture_in_every_process(forty_rules):
    code = (
        "import sys, networkx as nx; from polyhead.study.rulegraph import place, with_waypoints\n"
        "graph = nx.DiGraph(line.split() for line in sys.stdin); "
        "print(sorted(place(with_waypoints(graph)).items()))"
    )
    lines = "\n".join(f"{one} {other}" for one, other in forty_rules.edges)
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=lines,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
