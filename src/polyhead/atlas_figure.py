"""The atlas as a picture: one cell per head, layers × heads, shares as a stacked bar, entropy below it."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from polyhead.style import FAINT, INK, colour, fold_rare, ordered

LEGEND, COLUMNS = 8, 4
WIDTH, THICKNESS = 0.9, 0.5


def atlas_figure(table: pd.DataFrame, chosen: Sequence[tuple[int, int]]) -> Figure:
    """Draw one grid per taxonomy; the study's own heads are outlined."""
    taxonomies = list(table["taxonomy"].unique())
    layers, heads = int(table["layer"].max()) + 1, int(table["head"].max()) + 1
    height = len(taxonomies) * (0.95 + 0.42 * layers)
    figure, panels = plt.subplots(
        len(taxonomies), figsize=(max(7.4, 0.62 * heads), height), squeeze=False, layout="constrained"
    )
    for axes, taxonomy in zip(panels[:, 0], taxonomies, strict=True):
        part = fold_rare(table[table["taxonomy"] == taxonomy], ["layer", "head"], LEGEND)
        _grid(axes, part)
        _outline(axes, chosen)
        _heading(axes, taxonomy, ordered(part["behaviour"]))
    panels[-1, 0].set_xlabel("head")
    return figure


def _grid(axes: Axes, part: pd.DataFrame) -> None:
    behaviours = ordered(part["behaviour"])
    rank = {name: place for place, name in enumerate(behaviours)}
    for (layer, head), of_head in part.groupby(["layer", "head"]):
        left = head - WIDTH / 2
        for _, line in of_head.sort_values("behaviour", key=lambda names: names.map(rank)).iterrows():
            axes.barh(layer, line["share"] * WIDTH, THICKNESS, left, color=colour(line["behaviour"]))
            left += line["share"] * WIDTH
        entropy = of_head["entropy"].max()
        axes.text(head, layer + 0.33, f"{entropy:.2f}", ha="center", va="top", fontsize=6.5, color=FAINT)
    layers, heads = part["layer"].max() + 1, part["head"].max() + 1
    axes.set(xlim=(-0.55, heads - 0.45), ylim=(layers - 0.4, -0.4), ylabel="layer")
    axes.set_xticks(range(heads))
    axes.set_yticks(range(layers))
    axes.tick_params(length=0)
    axes.spines[["left", "bottom"]].set_visible(False)


def _heading(axes: Axes, taxonomy: str, behaviours: Sequence[str]) -> None:
    lines = -(-len(behaviours) // COLUMNS)
    axes.set_title(f"taxonomy {taxonomy}: share of rows; below each bar, entropy in bits", pad=8 + 14 * lines)
    axes.legend(
        handles=[Patch(color=colour(name), label=name) for name in behaviours],
        loc="lower left",
        bbox_to_anchor=(-0.01, 0.98),
        ncols=COLUMNS,
        fontsize=8,
        handlelength=1.0,
    )


def _outline(axes: Axes, chosen: Sequence[tuple[int, int]]) -> None:
    for layer, head in chosen:
        corner = (head - WIDTH / 2 - 0.03, layer - THICKNESS / 2 - 0.06)
        size = WIDTH + 0.06, THICKNESS + 0.12
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=INK, lw=1.1))
