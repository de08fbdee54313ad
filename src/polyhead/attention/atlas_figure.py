"""Figure of the atlas: for every head of the model a bar of label shares."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from polyhead.attention.distribution_figure import BAR, folded, stack
from polyhead.model.head import Head
from polyhead.style import THIS, WIDTH

LABELS, COLUMNS = 8, 4
"""Labels with a colour of their own, and columns of the legend, at most."""
HIGHEST, FEW_LAYERS = 8.0, 8
"""Inches that fit on a page; layers up to which there is a map for each taxonomy."""
LENGTH = 0.9
"""How much of a head's cell a bar of all rows fills."""
MOST_NAMES = 16
"""Numbers of layers, and of heads, that fit at the sides."""
NUMBER = 0.75
"""Inches of a slice that has room for its number."""


def atlas_figure(table: pd.DataFrame, chosen: Sequence[tuple[int, int]]) -> Figure:
    """Draw a map of layers and heads for each taxonomy, with a bar of label shares in every cell.

    A deep model has one map, for the first taxonomy.

    Args:
        table: the atlas.
        chosen: the study's heads, which are framed.
    """
    table = with_places(table)
    taxonomies = list(table["taxonomy"].unique())
    layers = table["layer"].max() + 1
    if layers > FEW_LAYERS:
        taxonomies = taxonomies[:1]
    maps = len(taxonomies)
    figure = plt.figure(figsize=(WIDTH, min(HIGHEST, maps * (1.1 + 0.2 * layers))))
    for part, taxonomy in zip(figure.subfigures(maps, squeeze=False).flat, taxonomies, strict=True):
        shares, patches = folded(table[table["taxonomy"] == taxonomy], ["layer", "index"], LABELS)
        axes = part.subplots()
        _map(axes, shares)
        for layer, index in chosen:
            place = index - (1 - LENGTH) / 2, layer - 0.5
            axes.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor=THIS, lw=1.4, clip_on=False))
        longest = max(len(str(patch.get_label())) for patch in patches)
        ncols = max(1, min(COLUMNS, int(WIDTH / (0.45 + 0.066 * longest))))
        part.legend(handles=patches, loc="outside lower left", ncols=ncols, handlelength=1.0)
        axes.set_title(f"labels: {taxonomy}")
    return figure


def _map(axes: Axes, shares: pd.DataFrame) -> None:
    """Draw the bar of every head at its place: layers from top to bottom, heads from left to right."""
    names = [f"{layer}.{index}" for layer, index in zip(shares["layer"], shares["index"], strict=True)]
    shares = shares.assign(name=names, x=shares["index"].astype(float), y=shares["layer"])
    layers, heads = shares["layer"].max() + 1, shares["index"].max() + 1
    stack(
        axes,
        shares.drop(columns=["share_low", "share_high"], errors="ignore"),
        LENGTH,
        NUMBER * heads / WIDTH,
    )
    axes.set(xlim=(-0.1, heads), ylim=(layers - 0.5 + (1 - BAR) / 2, -0.6), xlabel="head", ylabel="layer")
    numbers = range(0, heads, -(-heads // MOST_NAMES))
    axes.set_xticks([index + LENGTH / 2 for index in numbers], map(str, numbers))
    axes.set_yticks(range(0, layers, -(-layers // MOST_NAMES)))
    axes.tick_params(length=0, labelsize=7.5)
    axes.spines[:].set_visible(False)


def with_places(table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns `layer` and `index` to a table whose column `head` is `"<layer>.<index>"`."""
    heads = table["head"].map(Head.parse)
    return table.assign(layer=[head.layer for head in heads], index=[head.number for head in heads])
