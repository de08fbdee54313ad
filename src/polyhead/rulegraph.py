"""A picture of the workflow: its rules as boxes in layers, an arrow wherever one reads what another wrote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import networkx as nx

from polyhead.style import FAINT, INK, PAPER, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NODE = re.compile(r'^\s*(\d+)\[label\s*=\s*"([^"]*)"', re.MULTILINE)
EDGE = re.compile(r"^\s*(\d+)\s*->\s*(\d+)", re.MULTILINE)
TARGET = "all"
WIDTH, LAYER_HEIGHT = 7.2, 0.62
SWEEPS = 8
Places = dict[str, tuple[float, float]]


def read_dot(dot: str) -> nx.DiGraph:
    """Read what `snakemake --rulegraph` prints, without the target and without arrows that others imply."""
    names = dict(NODE.findall(dot))
    graph = nx.DiGraph()
    graph.add_nodes_from(name for name in names.values() if name != TARGET)
    graph.add_edges_from((names[a], names[b]) for a, b in EDGE.findall(dot) if names[b] != TARGET)
    return nx.transitive_reduction(graph)


def place(graph: nx.DiGraph) -> Places:
    """Give every rule a place: its layer from the top, and in it near the rules that it reads from."""
    layers = [sorted(layer) for layer in nx.topological_generations(graph)]
    across = {name: _spread(i, len(layer)) for layer in layers for i, name in enumerate(layer)}
    for sweep in range(SWEEPS):
        neighbours = graph.predecessors if sweep % 2 == 0 else graph.successors
        for layer in layers:
            wanted = {name: _mean([across[n] for n in neighbours(name)], across[name]) for name in layer}
            layer.sort(key=lambda name, wanted=wanted: wanted[name])
            across |= {name: _spread(i, len(layer)) for i, name in enumerate(layer)}
    return {name: (across[name], -float(depth)) for depth, layer in enumerate(layers) for name in layer}


def _spread(index: int, count: int) -> float:
    return (index + 0.5) / count


def _mean(values: list[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def rulegraph_figure(graph: nx.DiGraph) -> Figure:
    """Draw the rules of a workflow."""
    import matplotlib.pyplot as plt

    places = place(graph)
    depth = 1 - min(y for _, y in places.values())
    with style():
        figure, axes = plt.subplots(figsize=(WIDTH, LAYER_HEIGHT * depth))
        for one, other in graph.edges:
            _arrow(axes, places[one], places[other])
        for name, (x, y) in places.items():
            box = {"boxstyle": "round,pad=0.4", "facecolor": PAPER, "edgecolor": FAINT, "linewidth": 0.8}
            axes.text(x, y, name.replace("_", " "), ha="center", va="center", color=INK, fontsize=8, bbox=box)
    axes.set(xlim=(0, 1), ylim=(0.5 - depth, 0.5))
    axes.axis("off")
    return figure


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    (x, y), (u, v) = start, end
    arrow = {"arrowstyle": "-|>", "color": FAINT, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=(u, v + 0.26), xytext=(x, y - 0.24), arrowprops=arrow, zorder=0)
