"""Figures of how a head does it: what its rows need, and which components its scores come from."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from polyhead.attention.labels import UNKNOWN
from polyhead.edges.classes import CLASS_BEHAVIOURS
from polyhead.mechanism.kinds import EDGES, NO_CLASS, UNNAMED
from polyhead.model.components import BIAS
from polyhead.model.vocabulary import ALL
from polyhead.style import PAPER, WIDTH, empty_figure, headline, percent, signed

MOST_INPUTS = 14
LEAST_CHANGE = 0.1
"""An input is shown where it changes the number of rows of some kind by this share of them, surely."""
MOST_COMPONENTS = 5
MOST_PANELS = 4
OTHERS = "others"
SHADES = sns.color_palette("vlag", 41)


def needs_figure(needs: pd.DataFrame) -> Figure:
    """Draw kinds of rows × inputs of the head: how many rows are lost, or gained, when one is replaced."""
    table = needs[needs["side"] != "value"]
    table = table.assign(
        input=table["component"] + " " + table["side"],
        change=-table["lost"],
        kind=[kind_name(*names) for names in zip(table["taxonomy"], table["label"], strict=True)],
    )
    inputs = shown_inputs(table)
    if not inputs:
        return empty_figure("replacing a single input changes no kind of rows for certain")
    matrix = table.pivot(index="kind", columns="input", values="change")
    kinds = table["kind"].unique()
    clean = table.drop_duplicates("kind").set_index("kind")["share_clean"]
    matrix = matrix.reindex(index=kinds, columns=inputs)
    size = (max(5.4, 2.7 + 0.36 * len(inputs)), 1.7 + 0.25 * len(kinds))
    figure, axes = plt.subplots(figsize=size)
    sns.heatmap(
        matrix.clip(-1, 1),
        ax=axes,
        cmap=plt.matplotlib.colors.ListedColormap(SHADES),
        vmin=-1,
        vmax=1,
        annot=matrix.map(signed_percent),
        fmt="",
        annot_kws={"fontsize": 7},
        linewidths=1,
        linecolor=PAPER,
        cbar_kws={
            "label": "rows gained or lost",
            "shrink": 0.8,
            "ticks": [-1.0, 0.0, 1.0],
            "format": shade_name,
        },
    )
    axes.set_yticks(
        np.arange(len(kinds)) + 0.5, [f"{kind} ({percent(clean[kind])})" for kind in kinds], rotation=0
    )
    axes.set_xticks(np.arange(len(inputs)) + 0.5, inputs, rotation=40, ha="right")
    axes.set(xlabel="input of the head that is replaced by its mean", ylabel="rows")
    axes.tick_params(length=0)
    surely = table.assign(sure=table["joint_high"] < 0).pivot(index="kind", columns="input", values="sure")
    sure = matrix.where(surely.reindex_like(matrix).eq(True))
    headline(figure, needs_in_short(sure, [kind_name(*names) for names in named_kinds(table)]))
    return figure


def needs_in_short(matrix: pd.DataFrame, named: list[str]) -> str:
    """Say which named kind of rows surely loses most, and by which input."""
    losses = matrix.reindex(named).stack().dropna()
    if losses.empty or losses.min() >= 0:
        return "No single input surely takes rows of a named kind away"
    kind, name = losses.idxmin()
    kind = kind.removesuffix(" edges dominate")
    return f"Without its input {name}, the head loses {percent(-losses.min())} of its {kind} rows"


def named_kinds(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the kinds of rows that are named for their sources; by class of edges, where there are such."""
    kinds = table.loc[~table["label"].isin(UNNAMED) & (table["label"] != UNKNOWN), ["taxonomy", "label"]]
    kinds = kinds[kinds["taxonomy"] == EDGES] if (kinds["taxonomy"] == EDGES).any() else kinds
    return list(kinds.drop_duplicates().itertuples(index=False, name=None))


def shade_name(change: float, _: object = None) -> str:
    """Return the name of a shade at the ends and in the middle of the scale."""
    return {-1: "all lost", 0: "0", 1: "doubled"}[round(change)]


def kind_name(taxonomy: str, label: str) -> str:
    """Return the name of a kind of rows for a reader: a label, or the class that dominates."""
    if taxonomy != EDGES:
        return label
    return "no class dominates" if label == NO_CLASS else f"{label} edges dominate"


def shown_inputs(table: pd.DataFrame) -> list[str]:
    """Return the inputs that surely change some named kind enough, in the order of the table."""
    named = table[~table["label"].isin(UNNAMED)]
    sure = (named["joint_low"] > 0) | (named["joint_high"] < 0)
    strong = named[sure & (named["change"].abs() >= LEAST_CHANGE)]
    strongest = strong.groupby("input")["change"].agg(lambda some: some.abs().max())
    kept = set(strongest.nlargest(MOST_INPUTS).index)
    return [name for name in table["input"].unique() if name in kept]


def signed_percent(change: float) -> str:
    """Return a change in percent with its sign; what has more than doubled as a multiple."""
    if np.isnan(change):
        return ""
    if change > 1:
        return f"×{1 + change:.1f}"
    text = f"{round(100 * change):+d}".replace("-", "−")
    return "0" if text in ("+0", "−0") else text


def scores_figure(scores: pd.DataFrame) -> Figure:
    """Draw query components × key components for the most common named kinds of rows, on one scale."""
    panels = shown_kinds(scores)
    if not panels:
        return empty_figure("no kind of rows is named for its sources")
    matrices = [folded(scores[(scores["taxonomy"] == t) & (scores["label"] == name)]) for t, name in panels]
    largest = max(float(matrix.abs().to_numpy().max()) for matrix in matrices)
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(WIDTH * (1 + columns) / 3, 0.4 + 2.4 * lines), squeeze=False
    )
    for axes, matrix, names in zip(grid.flat, matrices, panels, strict=False):
        sns.heatmap(
            matrix,
            ax=axes,
            cmap=plt.matplotlib.colors.ListedColormap(SHADES),
            vmin=-largest,
            vmax=largest,
            annot=(matrix.round(1) + 0.0).map(signed, digits=1),
            fmt="",
            annot_kws={"fontsize": 7},
            linewidths=1,
            linecolor=PAPER,
            cbar=False,
        )
        axes.set(
            title=f"{kind_name(*names)}: sum {matrix.to_numpy().sum():.1f}", xlabel="key", ylabel="query"
        )
        axes.tick_params(length=0, rotation=0)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    headline(figure, scores_in_short(matrices, panels))
    return figure


def scores_in_short(matrices: list[pd.DataFrame], panels: list[tuple[str, str]]) -> str:
    """Say which pair of components adds most to the scores of the most common behaviour."""
    names = [kind for _, kind in panels]
    place = next((names.index(kind) for kind in names if kind in CLASS_BEHAVIOURS), 0)
    parts = matrices[place].drop(index=OTHERS, columns=OTHERS, errors="ignore").stack()
    query, key = parts.idxmax()
    whole = signed(matrices[place].to_numpy().sum(), 1)
    said = f"query {query} with key {key} adds most: {signed(parts.max(), 1)} of {whole}"
    return f"In the scores of {kind_name(*panels[place]).removesuffix(' dominate')}, {said}"


def shown_kinds(scores: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the kinds of rows that are shown, the most common first; by class of edges, where it can be."""
    kinds = scores.drop_duplicates(["taxonomy", "label"])
    kinds = kinds[~kinds["label"].isin(UNNAMED) & (kinds["label"] != UNKNOWN)]
    kinds = kinds.sort_values("rows", ascending=False, kind="stable")
    kinds = kinds[kinds["taxonomy"] == EDGES] if (kinds["taxonomy"] == EDGES).any() else kinds
    return list(kinds[["taxonomy", "label"]].itertuples(index=False, name=None))[:MOST_PANELS]


def folded(scores: pd.DataFrame) -> pd.DataFrame:
    """Return contributions with the few components that matter named on either side, the others summed."""
    matrix = scores.pivot(index="query", columns="key", values="contribution").drop(index=ALL, columns=ALL)
    sides = []
    for names in (matrix.abs().max(axis=1), matrix.abs().max(axis=0)):
        kept = {*names.drop(BIAS).nlargest(MOST_COMPONENTS).index, BIAS}
        order = [name for name in scores["query"].unique() if name in kept]
        sides.append([*order, OTHERS])
    matrix = matrix.groupby(lambda name: name if name in sides[0] else OTHERS).sum()
    matrix = matrix.T.groupby(lambda name: name if name in sides[1] else OTHERS).sum().T
    return matrix.reindex(index=sides[0], columns=sides[1])
