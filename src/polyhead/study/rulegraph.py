"""Figure of the workflow: rules as boxes in layers; an arrow means that a rule reads what another wrote."""

from __future__ import annotations

import re
from textwrap import fill
from typing import TYPE_CHECKING

import networkx as nx

from polyhead.style import FAINT, INK, PAPER, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NODE = re.compile(r'^\s*(\d+)\[label\s*=\s*"([^"]*)"', re.MULTILINE)
EDGE = re.compile(r"^\s*(\d+)\s*->\s*(\d+)", re.MULTILINE)
TARGET = "all"
SLOT, LAYER_HEIGHT = 0.92, 0.72  # inches from one box of a layer to the next, from one layer to the next
LINE, PAD = 0.06, 0.06  # inches that half a line of a box's text takes, and the space around it
COLUMNS = 13  # characters of a box's line
WIDTH = 7.2  # inches of a page; a picture of more boxes is wider
Places = dict[str, tuple[float, float]]


def read_dot(dot: str) -> nx.DiGraph:
    """Read the output of `snakemake --rulegraph`, without the target rule and without redundant arrows."""
    names = dict(NODE.findall(dot))
    graph = nx.DiGraph()
    graph.add_nodes_from(name for name in names.values() if name != TARGET)
    graph.add_edges_from((names[a], names[b]) for a, b in EDGE.findall(dot) if names[b] != TARGET)
    return nx.transitive_reduction(graph)


def with_waypoints(graph: nx.DiGraph) -> nx.DiGraph:
    """Return the graph with its layers as the attribute `layer`, and arrows only from one layer to the next.

    An arrow over several layers goes through a waypoint in each of them, so that it runs past their boxes;
    arrows to the same rule share their waypoints. Waypoints are named `<rule>@<layer>`.
    """
    layers = {name: depth for depth, names in enumerate(nx.topological_generations(graph)) for name in names}
    routed = nx.DiGraph()
    for name in sorted(graph):
        routed.add_node(name, layer=layers[name])
    for start, end in sorted(graph.edges):
        between = range(layers[start] + 1, layers[end])
        routed.add_nodes_from((f"{end}@{layer}", {"layer": layer}) for layer in between)
        nx.add_path(routed, [start, *(f"{end}@{layer}" for layer in between), end])
    return routed


def place(routed: nx.DiGraph) -> Places:
    """Give every rule and waypoint a place in inches, neighbours close to each other."""
    names, layers = list(routed), dict[int, list[str]]()
    numbered = nx.convert_node_labels_to_integers(routed)  # sets of names have another order in every process
    for name in (names[number] for number in nx.spectral_ordering(numbered, normalized=True, seed=0)):
        layers.setdefault(routed.nodes[name]["layer"], []).append(name)
    one_apart = (max(len(layers), *map(len, layers.values())) - 1) / 2
    places = nx.multipartite_layout(routed, subset_key=layers, align="horizontal", scale=one_apart)
    return {name: (SLOT * float(x), -LAYER_HEIGHT * float(y)) for name, (x, y) in places.items()}


def rulegraph_figure(graph: nx.DiGraph) -> Figure:
    """Draw the rules of a workflow."""
    import matplotlib.pyplot as plt

    routed = with_waypoints(graph)
    places = place(routed)
    across, down = (sorted(one[side] for one in places.values()) for side in (0, 1))
    left, right = across[0] - SLOT / 2, across[-1] + SLOT / 2
    bottom, top = down[0] - LAYER_HEIGHT / 2, down[-1] + LAYER_HEIGHT / 2
    with style():
        figure, axes = plt.subplots(figsize=(max(WIDTH, right - left), top - bottom))
        for one, other in routed.edges:
            (x, y), (u, v) = places[one], places[other]
            arrow = {"arrowstyle": "-|>" if other in graph else "-", "color": FAINT, "linewidth": 0.8}
            start, end = (x, y - _half_height(one)), (u, v + _half_height(other))
            axes.annotate("", end, start, arrowprops=arrow | {"shrinkA": 0, "shrinkB": 0}, zorder=0)
        for name in graph:
            box = {"boxstyle": "round,pad=0.35", "facecolor": PAPER, "edgecolor": FAINT, "linewidth": 0.8}
            axes.text(*places[name], _words(name), ha="center", va="center", color=INK, fontsize=7, bbox=box)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    return figure


def _words(name: str) -> str:
    """Return a rule's name on lines that are no wider than a box."""
    return fill(name.replace("_", " "), COLUMNS)


def _half_height(name: str) -> float:
    """Return the inches from the middle of a rule's box to its side above or below; a waypoint has no box."""
    return 0.0 if "@" in name else PAD + LINE * (1 + _words(name).count("\n"))
