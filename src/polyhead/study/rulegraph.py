"""Figure of the workflow: rules as boxes in columns; an arrow means that a rule reads what another wrote.

It runs from left to right: boxes are wider than high, and most rules stand beside each other.
"""

from __future__ import annotations

import re
from itertools import accumulate
from textwrap import fill
from typing import TYPE_CHECKING

import networkx as nx

from polyhead.style import FAINT, INK, PAPER, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NODE = re.compile(r'^\s*(\d+)\[label\s*=\s*"([^"]*)"', re.MULTILINE)
EDGE = re.compile(r"^\s*(\d+)\s*->\s*(\d+)", re.MULTILINE)
TARGET = "all"
LINE, LETTER, PAD = (
    0.11,
    0.028,
    0.06,
)  # inches of a line, of half a letter, and around a text
GAP = 0.3  # inches between the boxes of two layers
LETTERS = 11  # of a box's line; a longer word has a line of its own
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
    places = nx.multipartite_layout(routed, subset_key=layers, align="vertical", scale=one_apart)
    across, slot = _columns(half_widths(routed)), slot_height(routed)
    return {name: (across[routed.nodes[name]["layer"]], -slot * float(y)) for name, (_, y) in places.items()}


def slot_height(routed: nx.DiGraph) -> float:
    """Return the inches from one box of a layer to the next, which the highest box needs."""
    return LINE * max(_words(name).count("\n") + 1 for name in routed) + 2 * PAD + 0.02


def half_widths(routed: nx.DiGraph) -> dict[int, float]:
    """Return the inches from the middle of each layer to the sides of its widest box."""
    halves = dict[int, float]()
    for name, layer in routed.nodes(data="layer"):
        halves[layer] = max(halves.get(layer, 0.0), _half_width(name))
    return halves


def _columns(halves: dict[int, float]) -> dict[int, float]:
    """Return where the middle of each layer is, in inches."""
    layers = sorted(halves)
    ends = accumulate(2 * halves[layer] + GAP for layer in layers)
    return {layer: end - GAP - halves[layer] for layer, end in zip(layers, ends, strict=True)}


def rulegraph_figure(graph: nx.DiGraph) -> Figure:
    """Draw the rules of a workflow."""
    import matplotlib.pyplot as plt

    routed = with_waypoints(graph)
    places, halves = place(routed), half_widths(routed)
    right = max(x + halves[routed.nodes[name]["layer"]] for name, (x, _) in places.items())
    down = [y for _, y in places.values()]
    bottom, top = min(down) - slot_height(routed) / 2, max(down) + slot_height(routed) / 2
    with style():
        figure, axes = plt.subplots(figsize=(right + 2 * PAD, top - bottom))
        _arrows(axes, routed, places, halves)
        for name in graph:
            box = {"boxstyle": "round,pad=0.35", "facecolor": PAPER, "edgecolor": FAINT, "linewidth": 0.8}
            axes.text(*places[name], _words(name), ha="center", va="center", color=INK, fontsize=7, bbox=box)
    axes.set(xlim=(-PAD, right + PAD), ylim=(bottom, top))
    axes.axis("off")
    return figure


def _arrows(axes: Axes, routed: nx.DiGraph, places: Places, halves: dict[int, float]) -> None:
    """Draw the arrows, from side to side of boxes; past the boxes of a layer they run level."""
    for one, other in routed.edges:
        (x, y), (u, v) = places[one], places[other]
        from_half, to_half = (
            halves[routed.nodes[name]["layer"]] if _is_waypoint(name) else _half_width(name)
            for name in (one, other)
        )
        arrow = {"arrowstyle": "-" if _is_waypoint(other) else "-|>", "color": FAINT, "linewidth": 0.8}
        arrow |= {"shrinkA": 0, "shrinkB": 0, "mutation_scale": 7}
        axes.annotate("", (u - to_half, v), (x + from_half, y), arrowprops=arrow, zorder=0)
    for name in filter(_is_waypoint, routed):
        (x, y), half = places[name], halves[routed.nodes[name]["layer"]]
        axes.hlines(y, x - half, x + half, color=FAINT, linewidth=0.8, zorder=0)


def _is_waypoint(name: str) -> bool:
    return "@" in name


def _words(name: str) -> str:
    """Return a rule's name on lines that are no wider than a box."""
    return fill(name.replace("_", " "), LETTERS, break_long_words=False)


def _half_width(name: str) -> float:
    """Return the inches from the middle of a rule's box to its left or right side; a waypoint has no box."""
    return 0.0 if _is_waypoint(name) else PAD + LETTER * max(map(len, _words(name).split("\n")))
