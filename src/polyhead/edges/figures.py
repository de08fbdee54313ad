"""Figures of edges: what every head of the model does, and the classes of one head's edges in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from polyhead.edges.classes import CLASS_BEHAVIOURS, CLASSES, NO_CLASS
from polyhead.edges.verdict import LEAST_COST
from polyhead.model.head import Head
from polyhead.model.vocabulary import ALL
from polyhead.style import (
    FAINT,
    INK,
    PAPER,
    REST,
    THIS,
    WIDTH,
    headline,
    percent,
    round_percent,
    signed,
    whiskers,
)

SHADES = ListedColormap(sns.color_palette("flare", 40))
"""Fewer than the 50 from which matplotlib turns a colour bar into a raster image."""
COSTS = Normalize(0, 0.5)
"""Nats; larger costs have the colour of the largest."""
MOST_HEADS = 32
"""Heads of the figure: more would be smaller than can be read on one page."""
LEAST_DRAWN = 0.001
AREAS = (12.0, 260.0)
"""Areas of dots, in points, of no row and of all rows."""
SIZES = (0.01, 0.1, 0.5, 1.0)
DRAWN = ("sink", *CLASS_BEHAVIOURS)
WORDS = {"one": "one behaviour"}


def heads_figure(edges: pd.DataFrame, verdicts: pd.DataFrame, studied: Sequence[str]) -> Figure:
    """Draw heads × behaviours: size is the share of rows, colour the cost of cutting these edges there.

    A dark rim marks a behaviour that the head does; its verdict is written beside it. Of a large model the
    heads that do most are drawn, and the study's own, which are in bold.
    """
    heads = heads_drawn(verdicts, studied)
    lines = edges[edges["head"].isin(heads) & edges["edges"].isin(DRAWN) & (edges["share"] >= LEAST_DRAWN)]
    lines = lines.assign(x=lines["edges"].map(DRAWN.index), y=lines["head"].map(heads.index))
    figure, axes = plt.subplots(figsize=(WIDTH, 2.0 + 0.22 * max(3, len(heads))))
    draw_dots(axes, lines)
    for place, line in enumerate(verdicts.set_index("head").loc[heads].itertuples()):
        weight = "bold" if line.Index in studied else "normal"
        axes.text(len(DRAWN) - 0.35, place, in_words(line), va="center", fontsize=7.5, fontweight=weight)
    _axes_of_heads(axes, heads, studied)
    look: dict[str, Any] = {"location": "bottom", "shrink": 0.55, "aspect": 40, "extend": "max"}
    said = "cost of cutting these edges on the rows that they dominate (nats)"
    figure.colorbar(ScalarMappable(COSTS, SHADES), ax=axes, label=said, **look)
    figure.legend(handles=legend_handles(), loc="outside lower left", ncols=6, handletextpad=0.4)
    counts = verdicts["verdict"].value_counts()
    said = ", ".join(f"{count} {WORDS.get(name, name)}" for name, count in counts.items())
    headline(figure, f"Of {len(verdicts)} heads: {said}")
    return figure


def heads_drawn(verdicts: pd.DataFrame, studied: Sequence[str]) -> list[str]:
    """Return all heads, or the study's own and those of the most behaviours, in the model's order."""
    done = verdicts["behaviours"].map(lambda names: len(names.split("+")) if names else 0)
    rank = done.where(~verdicts["head"].isin(list(studied)), np.inf)
    kept = rank.sort_values(ascending=False, kind="stable").index[:MOST_HEADS]
    return verdicts.loc[sorted(kept), "head"].tolist()


def in_words(line: Any) -> str:
    """Write a head's verdict, a line of `verdicts.csv`, in a few words."""
    name = WORDS.get(line.verdict, line.verdict)
    return f"{name} ({spaced(line.behaviours)})" if line.behaviours else name


def spaced(name: str) -> str:
    """Write the name of a class, or of several, for a reader."""
    return name.replace("_", " ").replace("+", ", ")


def draw_dots(axes: Axes, lines: pd.DataFrame) -> None:
    """Draw a dot for every head and class; empty where the rows are too few for a cost."""
    done, cost = lines["does"] == "yes", lines["cost"].to_numpy(float)
    inside = np.where(np.isnan(cost)[:, None], to_rgba(PAPER), SHADES(COSTS(np.nan_to_num(cost))))
    rims: dict[str, Any] = {"edgecolors": np.where(done, INK, FAINT), "linewidths": np.where(done, 1.3, 0.5)}
    axes.scatter(lines["x"], lines["y"], np.interp(lines["share"], (0, 1), AREAS), inside, **rims)


def _axes_of_heads(axes: Axes, heads: Sequence[str], studied: Sequence[str]) -> None:
    axes.set_xticks(range(len(DRAWN)), map(spaced, DRAWN))
    axes.set_yticks(range(len(heads)), heads)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in studied else "normal")
    axes.set(xlim=(-0.6, len(DRAWN) + 3.2), ylim=(len(heads) - 0.4, -0.6), xlabel="", ylabel="head")
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.spines[["left", "bottom"]].set_visible(False)
    for place in np.flatnonzero(np.diff([Head.parse(head).layer for head in heads])):
        axes.axhline(place + 0.5, color=FAINT, lw=0.4)


def legend_handles() -> list[Line2D]:
    """Return dots of known shares, and one of a behaviour that a head does."""
    shape: dict[str, Any] = {"ls": "", "marker": "o", "markeredgecolor": FAINT, "markerfacecolor": PAPER}
    dots = [
        Line2D([], [], **shape, markersize=np.interp(share, (0, 1), AREAS) ** 0.5, label=round_percent(share))
        for share in SIZES
    ]
    done = {"markeredgecolor": INK, "markerfacecolor": SHADES(12), "markersize": 9}
    title = Line2D([], [], ls="", label="share of the head's rows:")
    return [title, *dots, Line2D([], [], **shape | done, label="the head does it")]


def edges_figure(edges: pd.DataFrame, verdict: pd.Series, link: str = "") -> Figure:
    """Draw one head's classes: the rows that each dominates, and what cutting its edges costs there.

    A cost without an interval is an empty dot.

    Args:
        edges: all lines of a studied head from `edges.csv`.
        verdict: the head's line of `verdicts.csv`.
        link: where a bar or dot leads, followed by its class.
    """
    by_class = edges.set_index("edges")
    lines = by_class.loc[list(CLASSES)].reset_index()
    left_over = pd.DataFrame({"edges": [NO_CLASS], "share": [1 - lines["share"].sum()]})
    lines = pd.concat([lines, left_over], ignore_index=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.6), sharey=True)
    _share_bars(left, lines, link)
    _cost_dots(right, lines, link)
    figure.legend(loc="outside lower left", ncols=2)
    left.set_ylim(len(lines) - 0.4, -0.6)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
    whole = by_class.loc[ALL, "cost"]
    cost = "" if pd.isna(whole) else f"; its whole row is worth {signed(whole, 3)} nats"
    headline(figure, f"Head {verdict['head']}: {in_words(verdict)}{cost}")
    return figure


def _tones(lines: pd.DataFrame) -> list[str]:
    return [THIS if answer == "yes" else REST for answer in lines["does"]]


def _links(lines: pd.DataFrame, link: str) -> list[str | None]:
    seen = (lines["share"] > 0) & (lines["edges"] != NO_CLASS) & bool(link)
    return [f"{link}{name}" if linked else None for name, linked in zip(lines["edges"], seen, strict=True)]


def _share_bars(axes: Axes, lines: pd.DataFrame, link: str) -> None:
    """Draw the share of rows that each class dominates, and marks at those of uniform attention."""
    shares = lines["share"].fillna(0.0).clip(0)
    bars = axes.barh(lines.index, shares, height=0.6, color=_tones(lines))
    look: dict[str, Any] = {
        "marker": "|",
        "s": 160,
        "color": INK,
        "zorder": 3,
        "label": "if attention were uniform",
    }
    axes.scatter(lines["uniform"], lines.index, **look)
    for bar, url in zip(bars, _links(lines, link), strict=True):
        bar.set_url(url)
    names = zip(map(spaced, lines["edges"]), map(percent, shares), strict=True)
    axes.set_yticks(lines.index, [f"{name} ({share})" for name, share in names])
    axes.set(title="rows that these edges dominate")
    axes.xaxis.set_major_formatter(lambda share, _: round_percent(share))


def _cost_dots(axes: Axes, lines: pd.DataFrame, link: str) -> None:
    """Draw the cost of each class with its interval, and the least one that a behaviour needs."""
    tones = _tones(lines)
    axes.axvline(0, color=FAINT, lw=0.8)
    axes.axvline(LEAST_COST, color=FAINT, lw=0.8, ls=(0, (3, 3)), label="least cost of what a head does")
    whiskers(axes, lines["cost_low"], lines["cost_high"], lines.index, tones)
    inside = np.where(lines["cost_low"].isna(), PAPER, tones)
    look: dict[str, Any] = {"s": 40, "color": inside, "edgecolors": tones, "linewidth": 1.2, "zorder": 3}
    axes.scatter(lines["cost"], lines.index, **look).set_urls(_links(lines, link))
    axes.set(title="cost of cutting them there (nats a row)")
