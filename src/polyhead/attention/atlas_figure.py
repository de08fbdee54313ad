"""Figure of the atlas: for every head of the model a bar of label shares, and their entropy."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from polyhead.attention.distribution_figure import BAR, legend_patches, stack
from polyhead.model.head import Head
from polyhead.style import (
    FAINT,
    THIS,
    UNKNOWN,
    WIDTH,
    colour,
    columns_for,
    fold_rare,
    fold_thin,
    headline,
    ordered,
    tip,
)

LEGEND, COLUMNS = 8, 4
MOST_LAYERS = 4
"""Layers beside each other."""
SMALLEST_LABELLED = 0.3
"""Share of a narrow bar that has room for its number."""
HIGHEST = 8.0
"""Inches that fit on a page; a model whose heads need more gets a map of small bars."""
CELL, FILLED, MOST_NUMBERS = ["layer", "index"], 0.86, 16
"""What names a cell of the map, how much of its width a bar can fill, and numbers at its sides."""


def atlas_figure(table: pd.DataFrame, chosen: Sequence[tuple[int, int]]) -> Figure:
    """Draw a panel per taxonomy and layer, with a bar per head; the study's own heads are marked."""
    table = with_places(table)
    taxonomies = list(table["taxonomy"].unique())
    layers, heads = table["layer"].max() + 1, table["index"].max() + 1
    lines = -(-layers // MOST_LAYERS)
    height = len(taxonomies) * (0.75 + lines * (0.35 + 0.17 * heads)) + 0.3
    if height > HIGHEST:
        return small_bars_figure(table, chosen)
    figure = plt.figure(figsize=(WIDTH, height))
    headline(figure, atlas_in_short(table))
    parts = figure.subfigures(len(taxonomies), squeeze=False)[:, 0]
    for part, taxonomy in zip(parts, taxonomies, strict=True):
        _panels(part, table[table["taxonomy"] == taxonomy], chosen)
        part.suptitle(f"labels: {taxonomy}", x=0.01, ha="left", fontsize=9)
    return figure


def small_bars_figure(table: pd.DataFrame, chosen: Sequence[tuple[int, int]]) -> Figure:
    """Draw a map of layers × heads per taxonomy, with a bar of label shares in every cell."""
    taxonomies = list(table["taxonomy"].unique())
    figure = plt.figure(figsize=(WIDTH, min(HIGHEST, 2.2 + 0.14 * (table["layer"].max() + 1))))
    headline(figure, atlas_in_short(table))
    parts = figure.subfigures(1, len(taxonomies), squeeze=False)[0]
    for part, taxonomy in zip(parts, taxonomies, strict=True):
        _map(part, table[table["taxonomy"] == taxonomy], chosen, WIDTH / len(taxonomies))
        part.suptitle(f"labels: {taxonomy}", x=0.02, ha="left", fontsize=9)
    return figure


def _map(part: SubFigure, table: pd.DataFrame, chosen: Sequence[tuple[int, int]], width: float) -> None:
    """Draw one taxonomy: a cell per head."""
    axes = part.subplots()
    thin = fold_thin(table, CELL)
    shares = fold_rare(thin, CELL, LEGEND)
    labels = ordered(shares["label"])
    _cells(axes, shares, labels)
    for layer, index in chosen:
        frame = Rectangle((index, layer - 0.5), 1, 1, fill=False, edgecolor=THIS, lw=1.4, clip_on=False)
        axes.add_patch(frame)
    layers, heads = table["layer"].max() + 1, table["index"].max() + 1
    axes.set(xlim=(-0.1, heads), ylim=(layers - 0.4, -0.6), xlabel="head", ylabel="layer")
    step = -(-heads // MOST_NUMBERS)
    axes.set_xticks([index + FILLED / 2 for index in range(0, heads, step)], map(str, range(0, heads, step)))
    axes.set_yticks(range(0, layers, -(-layers // MOST_NUMBERS)))
    axes.tick_params(length=0, labelsize=7.5)
    axes.spines[:].set_visible(False)
    patches = legend_patches(labels, only_thin=len(shares) == len(thin))
    columns = columns_for([str(patch.get_label()) for patch in patches], width, COLUMNS)
    part.legend(handles=patches, loc="outside lower left", ncols=columns, handlelength=1.0)


def _cells(axes: Axes, shares: pd.DataFrame, labels: Sequence[str]) -> None:
    """Draw the bar of every head in its cell, from the first label to the last."""
    shares = shares.assign(rank=shares["label"].map(labels.index)).sort_values("rank")
    before = shares.groupby(CELL)["share"].cumsum() - shares["share"]
    shares = shares.assign(start=shares["index"] + FILLED * before)
    for label, slices in shares[shares["share"] > 0].groupby("label", sort=False):
        widths, tone = FILLED * slices["share"], colour(str(label))
        bars = axes.barh(slices["layer"], widths, left=slices["start"], height=BAR, color=tone)
        for bar, one in zip(bars, slices.itertuples(), strict=True):
            tip(bar, f"{one.layer}.{one.index}: {one.tip}")


def atlas_in_short(table: pd.DataFrame) -> str:
    """Say in how many heads most rows have no label, by taxonomy."""
    said = []
    for taxonomy, part in table.groupby("taxonomy", sort=False):
        most = (part["label"].eq(UNKNOWN) & part["share"].gt(0.5)).sum()
        said.append(f"{most} of {part['head'].nunique()} heads ({taxonomy})")
    return f"More than half of the rows are unknown in {', in '.join(said)}"


def with_places(table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns `layer` and `index` to a table whose column `head` is `"<layer>.<index>"`."""
    heads = table["head"].map(Head.parse)
    return table.assign(layer=[head.layer for head in heads], index=[head.number for head in heads])


def _panels(part: SubFigure, table: pd.DataFrame, chosen: Sequence[tuple[int, int]]) -> None:
    """Draw one taxonomy: a panel per layer."""
    thin = fold_thin(table, ["layer", "head"])
    shares = fold_rare(thin, ["layer", "head"], LEGEND)
    labels = ordered(shares["label"])
    layers = table["layer"].max() + 1
    lines, columns = -(-layers // MOST_LAYERS), min(layers, MOST_LAYERS)
    grid = part.subplots(lines, columns, squeeze=False, sharex=True)
    for layer, axes in enumerate(grid.flat):
        if layer < layers:
            _layer(axes, shares[shares["layer"] == layer], labels)
            _entropies(axes, table[table["layer"] == layer], chosen)
        else:
            axes.set_visible(False)
    patches = legend_patches(labels, only_thin=len(shares) == len(thin))
    part.legend(handles=patches, loc="outside lower left", ncols=COLUMNS, handlelength=1.0)


def _layer(axes: Axes, shares: pd.DataFrame, labels: Sequence[str]) -> None:
    heads = sorted(shares["head"].unique(), key=Head.parse)
    shares = shares.assign(head=pd.Categorical(shares["head"], heads, ordered=True))
    stack(axes, shares, "head", labels, SMALLEST_LABELLED)
    axes.set(xlim=(0, 1), ylim=(len(heads) - 0.5, -0.5), xlabel="", ylabel="")
    axes.set_xticks([])
    axes.set_yticks(range(len(heads)), heads, fontsize=7.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _entropies(axes: Axes, table: pd.DataFrame, chosen: Sequence[tuple[int, int]]) -> None:
    """Write the entropy beside each bar, and mark the study's heads by the look of their name."""
    entropies = table.groupby("head")["entropy"].max()
    for label in axes.get_yticklabels():
        head = Head.parse(label.get_text())
        if (head.layer, head.number) in [tuple(one) for one in chosen]:
            label.set(color=THIS, fontweight="bold")
        text = f"{entropies[label.get_text()]:.2f}"
        axes.text(1.02, label.get_position()[1], text, va="center", fontsize=6.5, color=FAINT)
    axes.set_title("bits", loc="right", fontsize=6.5, color=FAINT, pad=1)
