"""Figures of how a head does it: what its rows need, and which components its scores come from."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from polyhead.edges.classes import CLASS_BEHAVIOURS, NO_CLASS
from polyhead.edges.figures import spaced
from polyhead.model.components import BIAS
from polyhead.model.vocabulary import ALL
from polyhead.style import WIDTH, empty_figure, headline, heatmap, percent, signed

MOST_INPUTS = 14
LEAST_CHANGE = 0.1
"""An input is shown where it changes the number of rows of a behaviour by this share of them, surely."""
MOST_COMPONENTS = 5
MOST_PANELS = 4
OTHERS = "others"
NOTHING = "no edge class has such rows, or the scores of this model cannot be taken apart exactly"


def needs_figure(needs: pd.DataFrame) -> Figure:
    """Draw edge classes × inputs of the head: how many rows are lost, or gained, when one is replaced."""
    table = with_changes(needs)
    inputs = shown_inputs(table)
    if not inputs:
        return empty_figure(
            NOTHING if needs.empty else "replacing a single input surely changes no behaviour"
        )
    order = {"index": table["edges"].unique(), "columns": inputs}
    matrix = table.pivot(index="edges", columns="input", values="change").reindex(**order)
    sure = table.pivot(index="edges", columns="input", values="sure").reindex(**order).eq(True)
    clean = table.groupby("edges")["share_clean"].first()
    figure, axes = plt.subplots(figsize=(max(5.4, 2.7 + 0.36 * len(inputs)), 1.7 + 0.25 * len(matrix)))
    heatmap(axes, matrix.clip(-1, 1), matrix.map(signed_percent), 1.0)
    names = [f"{class_name(edges)} ({percent(clean[edges])})" for edges in matrix.index]
    axes.set_yticks(np.arange(len(names)) + 0.5, names, rotation=0)
    axes.set_xticks(np.arange(len(inputs)) + 0.5, inputs, rotation=40, ha="right")
    axes.set(xlabel="input of the head that is replaced by its mean", ylabel="rows lost or gained (%)")
    headline(figure, needs_in_short(matrix.where(sure)))
    return figure


def with_changes(needs: pd.DataFrame) -> pd.DataFrame:
    """Add input (`component side`), change (of the number of rows, as a share of them), and if it is sure."""
    clean, low, high = (needs[name].astype(float) for name in ("share_clean", "share_low", "share_high"))
    change = needs["share"].astype(float) / clean - 1
    named = needs["component"].astype(str) + " " + needs["side"]
    return needs.assign(input=named, change=change, sure=(high < clean) | (low > clean))


def shown_inputs(table: pd.DataFrame) -> list[str]:
    """Return the inputs that surely change some behaviour enough, in the order of the table."""
    strong = table[table["edges"].isin(CLASS_BEHAVIOURS) & table["sure"]]
    strongest = strong["change"].abs().groupby(strong["input"]).max()
    kept = set(strongest[strongest >= LEAST_CHANGE].nlargest(MOST_INPUTS).index)
    return [name for name in table["input"].unique() if name in kept]


def needs_in_short(sure: pd.DataFrame) -> str:
    """Say which behaviour surely loses most, and by which input."""
    losses = sure[sure.index.isin(CLASS_BEHAVIOURS)].stack().dropna()
    if losses.empty or losses.min() >= 0:
        return "No single input surely takes rows of a behaviour away"
    edges, name = losses.idxmin()
    component, side = name.rsplit(" ", 1)
    rows = f"{percent(-losses.min())} of its {spaced(edges)} rows"
    return f"Without {component} in its {side}, the head loses {rows}"


def class_name(edges: str) -> str:
    """Return the name of an edge class for a reader, as that of the rows it dominates."""
    return "no class dominates" if edges == NO_CLASS else f"{spaced(edges)} edges dominate"


def signed_percent(change: float) -> str:
    """Return a change in percent with its sign; what has more than doubled as a multiple."""
    if np.isnan(change):
        return ""
    if change > 1:
        return f"×{1 + change:.1f}"
    text = f"{round(100 * change):+d}".replace("-", "−")
    return "0" if text in ("+0", "−0") else text


def scores_figure(scores: pd.DataFrame, needs: pd.DataFrame) -> Figure:
    """Draw query components × key components for the most common behaviours, on one scale."""
    panels = shown_classes(scores, needs)
    if not panels:
        return empty_figure(NOTHING)
    matrices = [folded(scores[scores["edges"] == edges]) for edges in panels]
    largest = max(float(matrix.abs().to_numpy().max()) for matrix in matrices)
    columns, lines = min(2, len(panels)), -(-len(panels) // 2)
    size = (WIDTH * (1 + columns) / 3, 0.4 + 2.4 * lines)
    figure, grid = plt.subplots(lines, columns, figsize=size, squeeze=False)
    for axes, matrix, edges in zip(grid.flat, matrices, panels, strict=False):
        heatmap(axes, matrix, (matrix.round(1) + 0.0).map(signed, digits=1), largest)
        title = f"{class_name(edges)}: sum {matrix.to_numpy().sum():.1f}"
        axes.set(title=title, xlabel="key", ylabel="query")
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    headline(figure, scores_in_short(matrices[0], panels[0]))
    return figure


def shown_classes(scores: pd.DataFrame, needs: pd.DataFrame) -> list[str]:
    """Return the behaviours that are shown, the most common first."""
    clean = needs.groupby("edges")["share_clean"].first().astype(float)
    known = clean[clean.index.isin(CLASS_BEHAVIOURS) & clean.index.isin(scores["edges"])]
    return list(known.sort_values(ascending=False, kind="stable").index[:MOST_PANELS])


def scores_in_short(matrix: pd.DataFrame, edges: str) -> str:
    """Say which pair of components adds most to the scores of a behaviour."""
    parts = matrix.drop(index=OTHERS, columns=OTHERS, errors="ignore").stack()
    query, key = parts.idxmax()
    whole = signed(matrix.to_numpy().sum(), 1)
    said = f"query {query} with key {key} adds most: {signed(parts.max(), 1)} of {whole}"
    return f"In the scores of {spaced(edges)} edges, {said}"


def folded(scores: pd.DataFrame) -> pd.DataFrame:
    """Return contributions with the few components that matter named on either side, the others summed."""
    matrix = scores.pivot(index="query", columns="key", values="contribution").astype(float)
    matrix = matrix.drop(index=ALL, columns=ALL)
    sides = []
    for names in (matrix.abs().max(axis=1), matrix.abs().max(axis=0)):
        kept = {*names.drop(BIAS).nlargest(MOST_COMPONENTS).index, BIAS}
        order = [name for name in scores["query"].unique() if name in kept]
        sides.append([*order, OTHERS] if len(order) < len(names) else order)
    matrix = matrix.groupby(lambda name: name if name in sides[0] else OTHERS).sum()
    matrix = matrix.T.groupby(lambda name: name if name in sides[1] else OTHERS).sum().T
    return matrix.reindex(index=sides[0], columns=sides[1])
