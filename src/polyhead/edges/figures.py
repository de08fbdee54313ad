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
from matplotlib.patches import Rectangle

from polyhead.edges.classes import CLASS_BEHAVIOURS, CLASSES, NO_CLASS
from polyhead.edges.verdict import LEAST_COST, LEAST_DOMINATED
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
MOST_HEADS = 32
"""Heads that are listed one below the other; more are drawn as a map of layers and heads."""
AREAS, OF_MAP = (12.0, 260.0), (2.0, 36.0)
"""Areas of dots, in points, of no row and of all rows: in a list of heads, and in a map."""
COSTS = {AREAS: Normalize(0, 0.5), OF_MAP: Normalize(0, 0.2)}
"""Nats; larger costs have the colour of the largest. One head of very many is worth less than one of few."""
SIZES = (0.01, 0.1, 0.5, 1.0)
DRAWN = ("sink", *CLASS_BEHAVIOURS)
WORDS = {"one": "one behaviour"}
VERDICTS = {"none": PAPER, "undecided": "#d5d9de", "one": "#e8a06a", "polysemantic": THIS}


def heads_figure(edges: pd.DataFrame, verdicts: pd.DataFrame, studied: Sequence[str]) -> Figure:
    """Draw heads × behaviours: size is the share of rows, colour the cost of cutting these edges there.

    A dark rim marks a behaviour that the head does; its verdict is beside it. The heads of a large model are
    maps of layers × heads, one for each behaviour. The study's own heads stand out.
    """
    lines = edges[edges["edges"].isin(DRAWN) & (edges["share"] >= LEAST_DOMINATED)]
    if len(verdicts) <= MOST_HEADS:
        draw, areas, height = _list, AREAS, 0.22 * max(3, len(verdicts))
    else:
        draw, areas, height = _map, OF_MAP, 0.16 * Head.parse(verdicts["head"].iloc[-1]).layer
    figure, axes = plt.subplots(figsize=(WIDTH, 2.0 + height))
    draw(axes, lines, verdicts, studied)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.spines[["left", "bottom"]].set_visible(False)
    look: dict[str, Any] = {"location": "bottom", "shrink": 0.55, "aspect": 40, "extend": "max"}
    said = "cost of cutting these edges on the rows that they dominate (nats)"
    figure.colorbar(ScalarMappable(COSTS[areas], SHADES), ax=axes, label=said, **look)
    look = {"ncols": 6, "handletextpad": 0.4, "columnspacing": 1.2, "handlelength": 1.2}
    figure.legend(handles=legend_handles(areas), loc="outside lower left", **look)
    counts = verdicts["verdict"].value_counts()
    said = ", ".join(f"{count} {WORDS.get(name, name)}" for name, count in counts.items())
    headline(figure, f"Of {len(verdicts)} heads: {said}")
    return figure


def _list(axes: Axes, lines: pd.DataFrame, verdicts: pd.DataFrame, studied: Sequence[str]) -> None:
    """Draw heads one below the other, with their verdicts in words."""
    heads = verdicts["head"].tolist()
    x, y = lines["edges"].map(DRAWN.index), lines["head"].map(heads.index)
    draw_dots(axes, lines.assign(x=x, y=y), AREAS)
    for place, line in enumerate(verdicts.set_index("head").itertuples()):
        weight = "bold" if line.Index in studied else "normal"
        axes.text(len(DRAWN) - 0.35, place, in_words(line), va="center", fontsize=7.5, fontweight=weight)
    axes.set_xticks(range(len(DRAWN)), map(spaced, DRAWN))
    axes.set_yticks(range(len(heads)), heads)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in studied else "normal")
    axes.set(xlim=(-0.6, len(DRAWN) + 3.2), ylim=(len(heads) - 0.4, -0.6), ylabel="head")
    for last in np.flatnonzero(np.diff([Head.parse(head).layer for head in heads])):
        axes.axhline(last + 0.5, color=FAINT, lw=0.4)


def _map(axes: Axes, lines: pd.DataFrame, verdicts: pd.DataFrame, studied: Sequence[str]) -> None:
    """Draw a map of layers × heads for each behaviour, and one of the verdicts."""
    heads = {name: Head.parse(name) for name in verdicts["head"]}
    layers, width = (1 + max(side) for side in zip(*heads.values(), strict=True))
    begins = np.arange(len(DRAWN) + 1) * (width + 2)
    numbers, rows = ([heads[name][k] for name in lines["head"]] for k in (1, 0))
    draw_dots(axes, lines.assign(x=begins[lines["edges"].map(DRAWN.index)] + numbers, y=rows), OF_MAP)
    rows, numbers = np.array([*heads.values()]).T
    look: dict[str, Any] = {"marker": "s", "s": OF_MAP[1] * 0.7, "edgecolors": FAINT, "linewidths": 0.3}
    axes.scatter(begins[-1] + numbers, rows, c=verdicts["verdict"].map(VERDICTS), **look)
    for begin, layer, number in ((begin, *heads[head]) for begin in begins for head in studied):
        place = begin + number - 0.7, layer - 0.45
        axes.add_patch(Rectangle(place, 1.4, 0.9, fill=False, edgecolor=THIS, lw=1))
    axes.set_xticks(begins + (width - 1) / 2, map(spaced, (*DRAWN, "verdict")))
    axes.set_yticks(range(0, layers, -(-layers // 10)))
    axes.set(xlim=(-1.5, begins[-1] + width + 0.5), ylim=(layers - 0.3, -0.9), ylabel="layer")
    axes.set_xlabel(f"heads 0 to {width - 1} from left to right in each map")


def in_words(line: Any) -> str:
    """Write a head's verdict, a line of `verdicts.csv`, in a few words."""
    name = WORDS.get(line.verdict, line.verdict)
    return f"{name} ({spaced(line.behaviours)})" if line.behaviours else name


def spaced(name: str) -> str:
    """Write the name of a class, or of several, for a reader."""
    return name.replace("_", " ").replace("+", ", ")


def draw_dots(axes: Axes, lines: pd.DataFrame, areas: tuple[float, float]) -> None:
    """Draw a dot for every head and class; empty where the rows are too few for a cost."""
    done, cost = lines["does"] == "yes", lines["cost"].to_numpy(float)
    inside = np.where(np.isnan(cost)[:, None], to_rgba(PAPER), SHADES(COSTS[areas](np.nan_to_num(cost))))
    rims: dict[str, Any] = {"edgecolors": np.where(done, INK, FAINT), "linewidths": np.where(done, 1.1, 0.4)}
    look = {"s": np.interp(lines["share"], (0, 1), areas), "c": inside, "clip_on": False}
    axes.scatter(lines["x"], lines["y"], **look, **rims)


def legend_handles(areas: tuple[float, float]) -> list[Line2D]:
    """Return dots of known shares, and one of a behaviour that a head does; of a map, colours of verdicts."""
    shape: dict[str, Any] = {"ls": "", "marker": "o", "markeredgecolor": FAINT, "markerfacecolor": PAPER}
    dots = [
        Line2D([], [], **shape, markersize=np.interp(share, (0, 1), areas) ** 0.5, label=round_percent(share))
        for share in SIZES
    ]
    done = {"markeredgecolor": INK, "markerfacecolor": SHADES(12), "markersize": 9}
    title = Line2D([], [], ls="", label="share of the head's rows:")
    handles = [title, *dots, Line2D([], [], **shape | done, label="the head does it")]
    if areas == AREAS:
        return handles
    square: dict[str, Any] = shape | {"marker": "s", "markersize": 6}
    squares = [
        Line2D([], [], **square | {"markerfacecolor": fill}, label=WORDS.get(name, name))
        for name, fill in VERDICTS.items()
    ]
    title, nothing = (Line2D([], [], ls="", label=said) for said in ("verdict:", ""))
    second = [title, *squares, nothing]
    return [each for column in zip(handles, second, strict=True) for each in column]


def edges_figure(edges: pd.DataFrame, verdict: pd.Series, link: str = "") -> Figure:
    """Draw one head's classes: the rows that each dominates, and what cutting its edges costs there.

    From its lines of `edges.csv` and of `verdicts.csv`. A cost without an interval is an empty dot. `link`:
    where a bar or dot leads, followed by its class.
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
    look: dict[str, Any] = {"marker": "|", "s": 160, "color": INK, "zorder": 3}
    axes.scatter(lines["uniform"], lines.index, label="if attention were uniform", **look)
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
