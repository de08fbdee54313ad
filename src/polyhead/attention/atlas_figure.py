"""Figure of the atlas: for every head of the model a bar of label shares, and their entropy."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from polyhead.attention.distribution_figure import legend_patches, stack
from polyhead.model.head import Head
from polyhead.style import FAINT, THIS, UNKNOWN, WIDTH, fold_rare, fold_thin, headline, ordered

LEGEND, COLUMNS = 8, 4
MOST_LAYERS = 4
"""Layers beside each other."""
SMALLEST_LABELLED = 0.3
"""Share of a narrow bar that has room for its number."""


def atlas_figure(table: pd.DataFrame, chosen: Sequence[tuple[int, int]]) -> Figure:
    """Draw a panel per taxonomy and layer, with a bar per head; the study's own heads are marked."""
    table = with_places(table)
    taxonomies = list(table["taxonomy"].unique())
    layers, heads = table["layer"].max() + 1, table["index"].max() + 1
    lines = -(-layers // MOST_LAYERS)
    height = len(taxonomies) * (0.75 + lines * (0.35 + 0.17 * heads)) + 0.3
    figure = plt.figure(figsize=(WIDTH, height))
    headline(figure, atlas_in_short(table))
    parts = figure.subfigures(len(taxonomies), squeeze=False)[:, 0]
    for part, taxonomy in zip(parts, taxonomies, strict=True):
        _panels(part, table[table["taxonomy"] == taxonomy], chosen)
        part.suptitle(f"labels: {taxonomy}", x=0.01, ha="left", fontsize=9)
    return figure


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
