"""Figures of cut edges: every head's profile with its verdict, and one head's costs by rows and edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from polyhead.ablation.edge_costs import Fill
from polyhead.ablation.verdict import BOUNDS, JOINT, does, evidence, together
from polyhead.attention.atlas_figure import with_places
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS, CLASSES
from polyhead.model.head import Head
from polyhead.model.vocabulary import ALL
from polyhead.style import (
    FAINT,
    INK,
    PAPER,
    REST,
    THIS,
    WIDTH,
    empty_figure,
    headline,
    percent,
    round_percent,
    signed,
    whiskers,
)

SHADES = sns.color_palette("flare", 40)
"""Fewer than the 50 from which matplotlib turns a colour bar into a raster image."""
LARGEST_COST = 0.5
"""Nats from which on costs have the same colour."""
MOST_HEADS = 32
"""Heads of the figure that has a line for each: more would be smaller than can be read on one page."""
LEAST_DRAWN = 0.001
AREAS = (12.0, 260.0)
"""Areas of dots, in points, of no row and of all rows."""
SIZES = (0.01, 0.1, 0.5, 1.0)
DONE, IDLE = THIS, REST
"""A behaviour that a head does, and one that it does not."""
VERDICT_X = len(CLASS_BEHAVIOURS) - 0.35
CELL, TALLEST_MAP = 0.25, 3.6
"""Inches of a head's place in the map of all heads, where there is room, and of all layers together."""
MOST_TICKS = 8
UNNAMED, NO_CLASS = "other", "no class"
"""Edges that have no name, and rows that no class of edges dominates."""


def profile_figure(profile: pd.DataFrame, verdicts: pd.DataFrame, chosen: Sequence[str]) -> Figure:
    """Draw heads × behaviours: size says how many rows, colour what cutting the edges costs; verdict beside.

    A dark rim marks a behaviour that the head does, by the verdict's bounds. Heads in bold are the study's.
    Of a large model the heads that do most are drawn, and the study's own.
    """
    heads = heads_drawn(verdicts, chosen)
    lines = profile[profile["head"].isin(heads) & (profile["share"] >= LEAST_DRAWN)]
    lines = lines.assign(y=lines["head"].map({head: place for place, head in enumerate(heads)}))
    lines["x"] = lines["edges"].map({name: place for place, name in enumerate(CLASS_BEHAVIOURS)})
    figure, axes = plt.subplots(figsize=(WIDTH, 2.0 + 0.22 * max(3, len(heads))))
    costs = Normalize(0, LARGEST_COST)
    draw_dots(axes, lines, costs)
    for place, head in enumerate(heads):
        text = in_words(verdicts[verdicts["head"] == head].iloc[0])
        weight = "bold" if head in chosen else "normal"
        axes.text(VERDICT_X, place, text, va="center", fontsize=7.5, fontweight=weight)
    _axes_of_heads(axes, heads, chosen)
    _cost_bar(figure, costs, axes, "cost of cutting these edges on the rows that they dominate (nats)")
    figure.legend(
        handles=legend_handles(),
        loc="outside lower left",
        ncols=len(SIZES) + 2,
        columnspacing=1.0,
        handletextpad=0.4,
    )
    headline(figure, verdicts_in_short(verdicts))
    return figure


def map_figure(profile: pd.DataFrame, verdicts: pd.DataFrame, chosen: Sequence[str]) -> Figure:
    """Draw all heads of a model of any size as maps of layers × heads: one a behaviour, and one of verdicts.

    Size and colour of a dot are those of `profile_figure`. Rims and the last map, of how many behaviours a
    head does (`?`: undecided), go by intervals that hold for all heads together. The study's are framed.
    """
    places = with_places(verdicts)
    shape = int(places["layer"].max()) + 1, int(places["index"].max()) + 1
    maps = [*CLASS_BEHAVIOURS, "how many"]
    wide, high = (WIDTH - 0.8) / len(maps) / shape[1], min(CELL, TALLEST_MAP / shape[0])
    figure, grid = plt.subplots(
        1, len(maps), figsize=(WIDTH, 1.75 + high * shape[0]), sharex=True, sharey=True
    )
    lines = with_places(profile[profile["share"] >= LEAST_DRAWN]).rename(columns={"index": "x", "layer": "y"})
    widest = (72 * min(CELL, wide, high)) ** 2
    areas = widest * AREAS[0] / AREAS[1], widest
    costs = Normalize(0, LARGEST_COST)
    for axes, name in zip(grid, maps, strict=True):
        draw_dots(axes, lines[lines["edges"] == name], costs, areas, joint=True)
        _axes_of_map(axes, name, shape, chosen)
    _how_many(grid[-1], places, min(8.0, 0.8 * 72 * min(wide, high)))
    grid[0].set(xlabel="head", ylabel="layer")
    _cost_bar(figure, costs, list(grid), "cost of cutting these edges on the rows that they dominate (nats)")
    figure.legend(handles=legend_handles(areas), loc="outside lower left", ncols=6, handletextpad=0.4)
    headline(figure, verdicts_in_short(verdicts, JOINT))
    return figure


def _axes_of_map(axes: Axes, name: str, shape: tuple[int, int], chosen: Sequence[str]) -> None:
    layers, heads = (range(0, size, 1 + (size - 1) // MOST_TICKS) for size in shape)
    axes.set(title=name, xlabel="", ylabel="", xticks=heads, yticks=layers)
    axes.set(xlim=(-0.6, shape[1] - 0.4), ylim=(shape[0] - 0.4, -0.6))
    axes.tick_params(length=0, labelsize=7.5)
    axes.spines[:].set_visible(False)
    axes.set_facecolor("none")
    axes.grid(alpha=0.15)
    axes.set_axisbelow(True)
    for head in map(Head.parse, chosen):
        corner = head.number - 0.5, head.layer - 0.5
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=THIS, lw=1.4, clip_on=False))


def _how_many(axes: Axes, verdicts: pd.DataFrame, size: float) -> None:
    """Write at each head's place how many behaviours it does."""
    axes.grid(visible=False)
    for line in verdicts.itertuples():
        done = [name for name in line.behaviours_joint.split("+") if name]
        many = line.verdict_joint == "polysemantic"
        text = "?" if line.verdict_joint == "undecided" else str(len(done))
        look: dict[str, Any] = {"color": THIS if many else FAINT, "fontweight": "bold" if many else "normal"}
        axes.text(line.index, line.layer, text, ha="center", va="center", fontsize=size, **look)


def verdicts_in_short(verdicts: pd.DataFrame, by: str = "") -> str:
    """Say how many heads of the model got which verdict, by intervals of their own or by joint ones."""
    counts = verdicts["verdict" + by].value_counts()
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"Of {len(verdicts)} heads: {said}"


def behaviours_figure(
    profile: pd.DataFrame, verdict: pd.Series, link: str = "", costs: pd.DataFrame | None = None
) -> Figure:
    """Draw what one head does: the rows that each behaviour, or rest, dominates, and what cutting it costs.

    A cost from too few rows or documents for an interval is an empty dot.

    Args:
        profile: lines of one head from `edge_profile.csv`.
        verdict: the head's line of `verdicts.csv`.
        link: where a bar or dot leads, followed by the class that dominates the rows shown there.
        costs: the head's `edge_costs.csv`, if there is one: it knows the rows that edges without a name
            dominate, and those that no class does.
    """
    lines = profile.set_index("edges").loc[list(CLASS_BEHAVIOURS)].reset_index()
    tones = {line.edges: DONE if does(line) == "yes" else IDLE for line in lines.itertuples()}
    unnamed = unnamed_rows(costs)
    rest = pd.DataFrame({"edges": ["rest"], "share": [lines["rest"].iloc[0]]})
    shares = pd.concat([lines[["edges", "share"]], rest, unnamed[["edges", "share"]]], ignore_index=True)
    tones |= dict.fromkeys(["rest", *unnamed["edges"]], IDLE)
    lines = pd.concat([lines, unnamed], ignore_index=True)
    lines.index = pd.Index([shares["edges"].tolist().index(name) for name in lines["edges"]])
    texts = ["no rows" if pd.isna(share) else percent(share) for share in shares["share"]]
    shares["share"] = shares["share"].fillna(0.0)  # seaborn draws no bar where there is no number
    size = WIDTH, 2.2 + 0.24 * len(unnamed)
    figure, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True)
    of_edges = {"y": "edges", "hue": "edges", "palette": tones, "legend": False}
    sns.barplot(shares, x="share", **of_edges, saturation=1, width=0.6, ax=left)
    seen = set(shares.loc[shares["share"] > 0, "edges"]) - {NO_CLASS} if link else set()
    links = {name: f"{link}{name}" if name in seen else None for name in shares["edges"]}
    beside: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
    for place, (line, bar) in enumerate(zip(shares.itertuples(), left.patches, strict=True)):
        bar.set_url(links[line.edges])
        left.annotate(texts[place], (line.share, place), url=links[line.edges], **beside)
    right.axvline(0, color=FAINT, lw=0.8)
    right.axvline(BOUNDS.cost, color=FAINT, lw=0.8, ls=(0, (3, 3)))
    whiskers(right, lines["low"], lines["high"], lines.index, [tones[name] for name in lines["edges"]])
    sns.scatterplot(lines, x="cost", **of_edges, s=40, linewidth=1.2, zorder=3, ax=right)
    known = lines.dropna(subset="cost")
    inside = [PAPER if pd.isna(line.low) else tones[line.edges] for line in known.itertuples()]
    right.collections[-1].set(facecolor=inside, edgecolor=[tones[name] for name in known["edges"]])
    right.collections[-1].set_urls([links[name] for name in known["edges"]])
    left.set(xlim=(0, 1.05 * max(1e-3, *shares["share"]) + 0.08), title="rows that these edges dominate")
    right.set(title="cost of cutting them there (nats a row)")
    left.set_ylim(len(shares) - 0.4, -0.6)
    left.xaxis.set_major_formatter(lambda share, _: round_percent(share))
    right.annotate(
        "needed",
        (BOUNDS.cost, 1),
        (3, -8),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=7.5,
        color=FAINT,
    )
    for axes in (left, right):
        axes.set(xlabel="", ylabel="")
        axes.tick_params(axis="y", length=0)
    headline(figure, f"Head {verdict['head']}: {in_words(verdict)}")
    return figure


def unnamed_rows(costs: pd.DataFrame | None) -> pd.DataFrame:
    """Return share and cost of the rows that edges without a name dominate, and the share of no class's."""
    columns = ["edges", "share", "cost", "low", "high"]
    if costs is None or costs.empty:
        return pd.DataFrame(columns=columns)
    own = costs[(costs["method"] == Fill.MEAN) & (costs["edges"] == costs["rows_dominated_by"])]
    other = own[own["edges"] == UNNAMED]
    left = 1 - own.loc[own["edges"] != ALL, "share"].sum()
    none = pd.DataFrame({"edges": [NO_CLASS], "share": [max(0.0, left)]})
    return pd.concat([other[columns], none], ignore_index=True).reindex(columns=columns)


def heads_drawn(verdicts: pd.DataFrame, chosen: Sequence[str]) -> list[str]:
    """Return all heads, or the study's own and those of the most behaviours, in the model's order."""
    done = verdicts["behaviours"].fillna("").str.split("+").map(lambda names: len([n for n in names if n]))
    rank = done.where(~verdicts["head"].isin(list(chosen)), np.inf)
    kept = rank.sort_values(ascending=False, kind="stable").index[:MOST_HEADS]
    return verdicts.loc[sorted(kept), "head"].tolist()


def _cost_bar(figure: Figure, costs: Normalize, axes: Axes | list[Axes], label: str) -> None:
    shades = ScalarMappable(costs, plt.matplotlib.colors.ListedColormap(SHADES))
    bar = figure.colorbar(
        shades, ax=axes, location="bottom", shrink=0.55, aspect=40, extend="max", label=label
    )
    bar.outline.set_visible(False)


def draw_dots(
    axes: Axes,
    lines: pd.DataFrame,
    costs: Normalize,
    areas: tuple[float, float] = AREAS,
    joint: bool = False,
) -> None:
    """Draw a dot for every head and behaviour; empty where the rows are too few for a cost.

    What a head does, by its own or by joint intervals, has a dark rim.
    """
    palette = plt.matplotlib.colors.ListedColormap(SHADES)
    common = {"x": "x", "y": "y", "size": "share", "size_norm": (0, 1), "sizes": areas, "legend": False}
    for known, part in lines.groupby(lines["cost"].notna()):
        judged = [evidence(together(line) if joint else line) for _, line in part.iterrows()]
        rims = [INK if does(line) == "yes" else FAINT for line in judged]
        widths = [1.3 if rim == INK else 0.5 for rim in rims]
        before = len(axes.collections)
        sns.scatterplot(part, ax=axes, color=PAPER, **common)
        dots = axes.collections[before]
        if known:
            dots.set_facecolor(palette(costs(part["cost"].to_numpy())))
        dots.set(edgecolor=rims, linewidth=widths)


def _axes_of_heads(axes: Axes, heads: Sequence[str], chosen: Sequence[str]) -> None:
    axes.set_xticks(range(len(CLASS_BEHAVIOURS)), CLASS_BEHAVIOURS)
    axes.set_yticks(range(len(heads)), heads)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in chosen else "normal")
    axes.set(
        xlim=(-0.6, len(CLASS_BEHAVIOURS) + 3.2), ylim=(len(heads) - 0.4, -0.6), xlabel="", ylabel="head"
    )
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.spines[["left", "bottom"]].set_visible(False)
    for place in np.flatnonzero(np.diff([Head.parse(head).layer for head in heads])):
        axes.axhline(place + 0.5, color=FAINT, lw=0.4)


def legend_handles(areas: tuple[float, float] = AREAS) -> list[Line2D]:
    """Return dots of known shares, and one of a behaviour that a head does."""
    shape: dict[str, Any] = {"ls": "", "marker": "o", "markeredgecolor": FAINT, "markeredgewidth": 0.5}
    sizes = [
        Line2D(
            [],
            [],
            **shape,
            markerfacecolor=PAPER,
            markersize=np.interp(share, (0, 1), areas) ** 0.5,
            label=round_percent(share),
        )
        for share in SIZES
    ]
    first = Line2D([], [], ls="", label="share of the head's rows:")
    done: dict[str, Any] = {
        "markeredgecolor": INK,
        "markeredgewidth": 1.3,
        "markerfacecolor": SHADES[12],
        "markersize": 9,
    }
    return [first, *sizes, Line2D([], [], **shape | done, label="the head does it")]


def in_words(line: pd.Series) -> str:
    """Write a head's verdict in a few words."""
    behaviours = line["behaviours"] if isinstance(line["behaviours"], str) else ""
    undecided = line["undecided"] if isinstance(line["undecided"], str) else ""
    text = f"{line['verdict']}: {behaviours}" if behaviours else str(line["verdict"])
    if line["verdict"] == "undecided":
        known = f"{behaviours}, " if behaviours else ""
        text = f"undecided: {known}perhaps {undecided.replace('+', ', ')}"
    text += ", rests" if line["with_rest"] else ""
    return text + (", mostly unexplained" if line["mostly_unexplained"] else "")


def costs_figure(costs: pd.DataFrame) -> Figure:
    """Draw one head's costs by the rows that a class dominates and the edges that are cut, method `mean`.

    The number is in nats; cells without an interval, for too few rows or documents, are left empty.
    """
    part = costs[costs["method"] == Fill.MEAN]
    kinds = [name for name in (ALL, *CLASSES) if name in set(part["rows_dominated_by"])]
    order = [ALL, *CLASSES]
    table = part.assign(cost=part["cost"].where(part["low"].notna()).astype(float))
    matrix = table.pivot(index="rows_dominated_by", columns="edges", values="cost").reindex(
        kinds, columns=order
    )
    matrix = matrix.round(2) + 0.0  # no negative zeros
    if matrix.isna().all(axis=None):
        return empty_figure("no kind of rows has enough rows and documents for the interval of a cost")
    shares = part.drop_duplicates("rows_dominated_by").set_index("rows_dominated_by")["share"]
    figure, axes = plt.subplots(figsize=(WIDTH, 1.9 + 0.34 * len(kinds)))
    sns.heatmap(
        matrix,
        ax=axes,
        cmap=plt.matplotlib.colors.ListedColormap(sns.color_palette("vlag", 41)),
        vmin=-LARGEST_COST,
        vmax=LARGEST_COST,
        annot=matrix.map(lambda cost: "" if pd.isna(cost) else signed(cost, 2)),
        fmt="",
        annot_kws={"fontsize": 8},
        linewidths=1,
        linecolor=PAPER,
        cbar_kws={"label": "cost (nats)", "shrink": 0.8},
    )
    names = [f"{name if name != ALL else 'all rows'} ({percent(shares[name])})" for name in kinds]
    axes.set_yticks(np.arange(len(kinds)) + 0.5, names, rotation=0)
    axes.set_xticks(np.arange(len(order)) + 0.5, ["whole row", *CLASSES], rotation=30, ha="right")
    axes.set(xlabel="edges that are cut", ylabel="rows dominated by")
    axes.tick_params(length=0)
    headline(figure, costs_in_short(matrix))
    return figure


def costs_in_short(matrix: pd.DataFrame) -> str:
    """Say on which rows the cut of a single class of edges costs most."""
    single = matrix.drop(index=ALL, columns=ALL, errors="ignore").stack().dropna()
    if single.empty:
        return "No behaviour has enough rows and documents for the interval of a cost"
    rows, edges = single.idxmax()
    there = "the rows that they dominate" if rows == edges else f"rows that {rows} dominates"
    return f"Cutting {edges} edges on {there} costs most: {single.max():.2f} nats a row"
