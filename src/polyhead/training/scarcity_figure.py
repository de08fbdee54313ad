"""Figure of the comparison: behaviours a head, by heads a layer, before what merged heads would do."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyhead.style import FAINT, INK, PALE, SOFT, WIDTH, headline

TITLES = {
    "yes": "Fewer heads each do more than merged heads would",
    "no": "Fewer heads each do no more than merged heads would",
    "undecided": "Whether fewer heads each do more than merged heads would is undecided",
}
PANELS = {
    "surely": ("undecided behaviours counted as not done", "behaviours", ("low", "high")),
    "perhaps": (
        "undecided behaviours counted as done",
        "behaviours_perhaps",
        ("perhaps_low", "perhaps_high"),
    ),
}
BAR = 0.56
APART = 0.1
"""Half the distance between models of two seeds."""
SMALL: dict[str, Any] = {"fontsize": 8}


def scarcity_figure(table: pd.DataFrame, merged: pd.DataFrame, answer: str) -> Figure:
    """Draw behaviours a head of every variant with its interval, before bars of merged heads' 95 %."""
    figure, panels = plt.subplots(1, 2, figsize=(WIDTH, 3.5), sharey=True)
    places = {heads: place for place, heads in enumerate(sorted(table["heads"].unique().tolist()))}
    for axes, (counting, (name, value, sides)) in zip(panels, PANELS.items(), strict=True):
        bars = ends(merged, counting)
        draw_bars(axes, bars, places)
        draw_models(axes, table, value, sides, places)
        axes.set_xticks([*places.values()], [*places])
        axes.set_xlim(-0.6, len(places) - 0.4)
        axes.set(title=name, xlabel="heads a layer")
        axes.tick_params(axis="x", length=0)
    panels[0].set_ylim(0)
    panels[0].set_ylabel("behaviours that a head does, on average")
    panels[1].set_ylabel("")
    _name_marks(panels[0], table, ends(merged, "surely"), places)
    headline(figure, TITLES[answer])
    return figure


def ends(merged: pd.DataFrame, counting: str) -> pd.DataFrame:
    """Return by number of heads where the bar of merged heads begins, and its two ends: united, added."""
    some = merged[(merged["counting"] == counting) & (merged["statistic"] == "behaviours")]
    sides = some.pivot(index="heads", columns="merging", values=["low", "high"])
    return pd.DataFrame(
        {
            "low": sides["low", "united"],
            "united": sides["high", "united"],
            "added": np.maximum(sides["high", "added"], sides["high", "united"]),
        }
    )


def draw_bars(axes: Axes, bars: pd.DataFrame, places: dict[int, int]) -> None:
    """Draw for every number of heads what merged heads do, and in a paler colour what they may do at most."""
    x = bars.index.map(places)
    style: dict[str, Any] = {"width": BAR, "edgecolor": FAINT, "linewidth": 0.6}
    axes.bar(x, bars["united"] - bars["low"], bottom=bars["low"], color=SOFT, **style)
    axes.bar(x, bars["added"] - bars["united"], bottom=bars["united"], color=PALE, **style)


def draw_models(
    axes: Axes, table: pd.DataFrame, value: str, sides: tuple[str, str], places: dict[int, int]
) -> None:
    """Draw a dot with its interval for every model, those of several seeds side by side."""
    order = table.groupby("heads").cumcount()
    size = table.groupby("heads")["heads"].transform("size")
    x = table["heads"].map(places) + APART * (2 * order - size + 1)
    axes.vlines(x, table[sides[0]], table[sides[1]], color=INK, linewidth=1.6)
    sns.scatterplot(x=x, y=table[value], color=INK, s=28, linewidth=0, zorder=3, ax=axes)


def _name_marks(axes: Axes, table: pd.DataFrame, bars: pd.DataFrame, places: dict[int, int]) -> None:
    """Say what the marks are: by lines to a bar from where bars are low, and above the last models."""
    heads = int(bars.index[min(1, len(bars) - 1)])
    low, united, added = bars.loc[heads]
    texts = {
        "merged, if costs add up": (united + added) / 2,
        "merged: what any head does": (low + united) / 2,
    }
    for line, (text, y) in enumerate(texts.items()):
        axes.annotate(
            text,
            (places[heads] + 0.9 * BAR / 2, y),
            (0.58, 0.95 - 0.09 * line),
            textcoords="axes fraction",
            va="center",
            arrowprops={"arrowstyle": "-", "color": FAINT, "lw": 0.6, "relpos": (0, 0.5)},
            **SMALL,
        )
    most = int(table["heads"].max())
    top = table.loc[table["heads"] == most, "high"].max()
    axes.annotate("the models", (places[most], top), (0, 4), textcoords="offset points", ha="center", **SMALL)
