"""Figures of section 2. Every function takes tables and returns a figure, or an SVG document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from polyhead.attention.atlas_figure import with_places
from polyhead.attention.token_text import TokenBox, token_picture
from polyhead.model.head import Head
from polyhead.model.vocabulary import ALL
from polyhead.prompts.templates import ROLE_NAMES, Task, role_of
from polyhead.style import (
    COLOURS,
    FAINT,
    INK,
    PAPER,
    REST,
    ROLES,
    SOFT,
    THIS,
    UNKNOWN,
    WIDTH,
    colour,
    empty_figure,
    headline,
    label_ends,
    percent,
    round_percent,
    signed,
    whiskers,
)

METHODS: dict[str, tuple[str, str, Any]] = {
    "bos": ("all attention on BOS", COLOURS["previous"], ""),
    "zero": ("no attention", COLOURS["previous+induction"], (4, 1.5)),
    "mean": ("mean of the prompts' rows", COLOURS["current"], (5, 1.2, 1, 1.2)),
    "resample": ("another text's row", COLOURS["duplicate"], (1, 1)),
}
DROP_SHADES = 41
"""Fewer than the 50 from which matplotlib turns a colour bar into a raster image."""
MONOSPACE = "DejaVu Sans Mono"
MOST_LABELS = 12
LEAST_ROWS = 30
SHARES = {"share": ("of the rows", SOFT), "of_total": ("of the whole change", COLOURS["previous"])}
LEAST_LINES = 5
"""Lines for which a task's controls have room: three names of two lines each."""
SMALLEST_DROP = 0.02
"""From which on a cell says its number, and a head matters to a task."""
LEAST_MOVE = 0.05
"""Percentage points that are printed as something."""


def task_svg(task: Task, labels: Sequence[str]) -> str:
    """Draw the first prompt of a task, coloured as the post colours its tasks, with the answer."""
    boxes = []
    for position, token in enumerate([*task.tokens[0], task.answers[0]][1:], 1):
        role = role_of(task, position)
        fill = ROLES[role] if role else PAPER
        breaks = "⏎" in labels[token] or position == task.tokens.shape[1]
        hover = f"{position}: {labels[token]}" + (f" ({ROLE_NAMES[role]})" if role else "")
        boxes.append(TokenBox(labels[token], fill, 0.75, hover=hover, breaks=breaks))
    used = [role for role in ROLE_NAMES if role != "slot" or task.slots]
    for role in used:
        boxes += [TokenBox(f"\u00a0{ROLE_NAMES[role]}\u00a0", ROLES[role], 0.75), TokenBox(" ")]
    return token_picture(boxes, columns=84, description=f"One prompt of the task {task.title}")


def positions_figure(positions: pd.DataFrame) -> Figure:
    """Draw the drop of the answer's mean probability by ablated position, in percentage points.

    The band is the interval of the drop, prompt by prompt: how much the prompts' own probabilities differ
    does not widen it. The study's own method is drawn strongest.

    Args:
        positions: lines of one task from `ablation_positions.csv`.
    """
    tokens = positions.drop_duplicates("position")
    points = positions.assign(
        name=positions["method"].map(lambda method: METHODS[method][0]),
        **{side: 100 * positions[side] for side in ("drop", "drop_low", "drop_high")},
    )
    own = points["name"].iloc[0]
    tones = {name: tone for name, tone, _ in METHODS.values()}
    figure, axes = plt.subplots(figsize=(max(WIDTH, 2.4 + 0.14 * len(tokens)), 2.15))
    axes.axhline(0, color=FAINT, lw=0.8)
    for name, line in points.groupby("name", sort=False):
        low, high = line["drop_low"], line["drop_high"]
        axes.fill_between(line["position"], low, high, color=tones[name], alpha=0.18, lw=0)
    lines = {"x": "position", "y": "drop", "hue": "name", "style": "name", "errorbar": None}
    dashes = {name: dash for name, _, dash in METHODS.values()}
    sns.lineplot(
        points,
        **lines,
        palette=tones,
        dashes=dashes,
        size="name",
        sizes={name: 2.2 if name == own else 1.3 for name in tones},
        legend=False,
        ax=axes,
    )
    sns.scatterplot(
        points[points["name"] == own], x="position", y="drop", color=tones[own], s=16, linewidth=0, ax=axes
    )
    _token_axis(axes, tokens)
    _name_places(axes, tokens)
    axes.set(ylabel="drop of\nprobability (pp)", xlabel="ablated position")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    headline(figure, drop_in_short(points[points["name"] == own]))
    ends = points.groupby("name", sort=False)["drop"].last().to_dict()
    label_ends(axes, ends, float(tokens["position"].max()))
    return figure


def drop_in_short(line: pd.DataFrame) -> str:
    """Say what ablating the destination costs, in percentage points, and the most it does elsewhere."""
    there = line["role"] == "destination"
    at, rest = line[there].iloc[0], _elsewhere(line.loc[~there, "drop"])
    if at["drop_low"] <= 0 <= at["drop_high"]:
        return f"Ablating the destination does not surely change the answer's probability; {rest}"
    moves = "costs" if at["drop"] > 0 else "gains"
    return f"Ablating the destination {moves} the answer {abs(at['drop']):.1f} pp; {rest}"


def _elsewhere(drops: pd.Series) -> str:
    """Name the largest drop, and the largest gain where it is larger than that."""
    most, gain = drops.max(), -drops.min()
    cost = f"at most {most:.1f} pp elsewhere" if most >= LEAST_MOVE else "nothing elsewhere"
    return f"{cost}, where it gains up to {gain:.1f}" if gain >= LEAST_MOVE and gain > most else cost


def _name_places(axes: Axes, tokens: pd.DataFrame) -> None:
    """Shade the destination and the token it should attend to, and name them above."""
    for role, side in (("attended", "right"), ("destination", "left")):
        for position in tokens.loc[tokens["role"] == role, "position"]:
            axes.axvspan(position - 0.5, position + 0.5, color=ROLES[role], alpha=0.3, lw=0)
            right = side == "right"
            axes.annotate(
                ROLE_NAMES[role],
                (position + (0.5 if right else -0.5), 1.0),
                (-3 if right else 3, 3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha=side,
                fontsize=8,
                color=INK,
            )


def _token_axis(axes: Axes, tokens: pd.DataFrame) -> None:
    size = 8.5 if len(tokens) <= 60 else 6.5
    axes.set_xticks(
        tokens["position"], tokens["token_label"], rotation=90, fontfamily=MONOSPACE, fontsize=size
    )
    for text, name in zip(axes.get_xticklabels(), tokens["role"], strict=True):
        if name in ("destination", "attended"):
            text.set_fontweight("bold")
    axes.set_xlim(tokens["position"].min() - 0.6, tokens["position"].max() + 0.6)
    axes.tick_params(axis="x", length=2)
    axes.grid(axis="y")


def real_text_figure(table: pd.DataFrame, taxonomy: str) -> Figure:
    """Draw the mean effect of each label on real text, and the labels' shares of rows and of the effect.

    Labels with fewer than 30 rows, and those after the 12 most frequent, are left to the table.
    """
    group = table[(table["taxonomy"] == taxonomy) & (table["rows"] >= LEAST_ROWS)]
    group = group.head(MOST_LABELS + 1).reset_index(drop=True)
    if group.empty:
        return empty_figure(f"no label has {LEAST_ROWS} rows")
    size = WIDTH, 1.3 + 0.22 * len(group)
    apart = ConstrainedLayoutEngine(wspace=0.08)  # else numbers at the ends of the two axes touch
    figure, (left, right) = plt.subplots(1, 2, figsize=size, width_ratios=[1.25, 1], layout=apart)
    _effect_dots(left, group)
    _share_bars(right, group)
    left.xaxis.set_major_locator(MaxNLocator(4))
    left.set_xlabel("change in the next token's log probability (nats per row)")
    right.set_xlabel("share")
    right.xaxis.set_major_formatter(lambda share, _: round_percent(share))
    handles = [Patch(color=tone, label=name) for name, tone in SHARES.values()]
    figure.legend(handles=handles, loc="outside lower right", ncols=2)
    headline(figure, real_text_in_short(group))
    return figure


def real_text_in_short(group: pd.DataFrame) -> str:
    """Say what the head's rows do to the next token on average, and which label brings most of it."""
    every, named = group[group["label"] == ALL], group[group["label"] != ALL]
    moved = every["mean"].iloc[0] if len(every) else named["mean"].mean()
    said = f"Ablating a row changes the next token's log probability by {moved:+.3f} nats on average"
    if len(named) and named["of_total"].notna().any():
        most = named.loc[named["of_total"].idxmax()]
        said += f"; {percent(most['of_total'])} of it comes from {most['label']} rows"
    return said.replace("-", "−")


def _effect_dots(axes: Axes, group: pd.DataFrame) -> None:
    tones = {name: INK if name == ALL else colour(name) for name in group["label"]}
    tones |= {UNKNOWN: FAINT} if UNKNOWN in tones else {}
    axes.axvline(0, color=FAINT, lw=0.8)
    whiskers(axes, group["low"], group["high"], group.index, list(tones.values()))
    dots = group.assign(place=group.index)
    sns.scatterplot(
        dots,
        x="mean",
        y="place",
        hue="label",
        palette=tones,
        style=dots["label"] == ALL,
        markers={True: "D", False: "o"},
        s=32,
        linewidth=0,
        zorder=3,
        legend=False,
        ax=axes,
    )
    axes.set_yticks(range(len(group)), ["all rows" if name == ALL else name for name in group["label"]])
    axes.set(ylim=(len(group) - 0.4, -0.6), ylabel="")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def _share_bars(axes: Axes, group: pd.DataFrame) -> None:
    inner = group[group["label"] != ALL].reset_index(names="place")
    long = inner.melt("place", [*SHARES], "of", "value")
    axes.axvline(0, color=FAINT, lw=0.8)
    sns.barplot(
        long,
        x="value",
        y="place",
        hue="of",
        orient="y",
        native_scale=True,
        palette={name: tone for name, (_, tone) in SHARES.items()},
        saturation=1,
        width=0.7,
        legend=False,
        ax=axes,
    )
    axes.set(ylim=(len(group) - 0.4, -0.6), ylabel="")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def controls_figure(controls: pd.DataFrame, heads: pd.DataFrame, head: str) -> Figure:
    """Draw one row per task: drops of all heads of the layer beside the edge alone; where the head attends.

    Args:
        controls: `controls.csv` of the head.
        heads: `tasks_by_heads.csv`.
        head: the study's head, `<layer>.<head>`.
    """
    tasks = list(dict.fromkeys(controls["task"]))
    layer = Head.parse(head).layer
    layers = [heads[(heads["task"] == task) & heads["head"].str.startswith(f"{layer}.")] for task in tasks]
    lines = max(LEAST_LINES, 1 + max(map(len, layers)))
    figure, grid = plt.subplots(
        len(tasks),
        2,
        figsize=(WIDTH, 0.9 + (0.4 + 0.165 * lines) * len(tasks)),
        width_ratios=[1.6, 1],
        squeeze=False,
        sharex="col",
    )
    for (left, right), task, same_layer in zip(grid, tasks, layers, strict=True):
        _layer_drops(left, same_layer, _control(controls, task, "edge", "drop"), head)
        _attention_bars(right, controls[controls["task"] == task])
        left.set_title(task.replace("_", " "))
    grid[-1][0].xaxis.set_major_formatter(lambda drop, _: signed(100 * drop, 0))
    grid[-1][0].set_xlabel("drop in the answer's probability\nwhere the destination is ablated (pp)")
    grid[-1][1].xaxis.set_major_formatter(lambda share, _: round_percent(share))
    grid[-1][1].set_xlabel(f"at the destination, head {head}")
    headline(figure, controls_in_short(layers, head))
    return figure


def controls_in_short(layers: Sequence[pd.DataFrame], head: str) -> str:
    """Say for how many tasks the head is the one of its layer that matters most."""
    best = [same.loc[same["drop"].idxmax()] for same in layers]
    first = sum(line["head"] == head and line["drop"] >= SMALLEST_DROP for line in best)
    layer, tasks = Head.parse(head).layer, "1 task" if len(best) == 1 else f"{len(best)} tasks"
    if not first:
        return f"For none of {tasks} is {head} the head of layer {layer} that matters most"
    return f"For {first} of {tasks}, {head} is the head of layer {layer} that matters most"


def _control(controls: pd.DataFrame, task: str, control: str, quantity: str) -> pd.Series:
    chosen = controls[["task", "control", "quantity"]].eq([task, control, quantity]).all(axis=1)
    return controls[chosen].iloc[0]


def _layer_drops(axes: Axes, heads: pd.DataFrame, edge: pd.Series, head: str) -> None:
    alone = {"head": f"{head}, edge alone", "drop": edge["value"], "low": edge["low"], "high": edge["high"]}
    lines = pd.concat([heads[["head", "drop", "low", "high"]], pd.DataFrame([alone])], ignore_index=True)
    lines["place"] = lines.index
    tones = [THIS if name.startswith(head) else REST for name in lines["head"]]
    axes.axvline(0, color=FAINT, lw=0.8)
    whiskers(axes, lines["low"], lines["high"], lines.index, tones)
    sns.scatterplot(lines, x="drop", y="place", s=30, zorder=3, legend=False, ax=axes)
    fills = [*tones[:-1], PAPER]  # the edge alone is an empty dot
    axes.collections[-1].set(facecolor=fills, edgecolor=tones, linewidth=1.2)
    axes.set_yticks(lines.index, lines["head"], fontsize=7.5)
    axes.set(ylim=(len(lines) - 0.4, -0.6), ylabel="")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def _attention_bars(axes: Axes, controls: pd.DataFrame) -> None:
    names = {
        ("attention", "mean"): "weight on the\nattended token",
        ("behaviour", "mean"): "mass on the\nexpected behaviour",
        ("behaviour", "share"): "prompts with the\nexpected label",
    }
    rows = controls.set_index(["control", "quantity"]).loc[[*names]].reset_index()
    rows["name"] = [*names.values()]
    sns.barplot(rows, x="value", y="name", color=SOFT, saturation=1, width=0.55, ax=axes)
    whiskers(axes, rows["low"], rows["high"], rows.index)
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6), xlabel="", ylabel="")
    axes.tick_params(axis="y", length=0, labelsize=7.5)


def tasks_by_heads_figure(table: pd.DataFrame, chosen: Sequence[str]) -> Figure:
    """Draw a layers × heads map of drops for every task; the study's heads are outlined."""
    tasks = list(dict.fromkeys(table["task"]))
    table = with_places(table)
    layers, heads = table["layer"].max() + 1, table["index"].max() + 1
    wide, high = 0.36 * heads + 0.5, 0.32 * layers + 0.85
    columns = min(len(tasks), max(1, int(7 / wide)))
    rows = math.ceil(len(tasks) / columns)
    size = max(4.2, wide * columns + 0.9), high * rows + 0.6
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True)
    limit = max(0.05, table["drop"].abs().max())
    shades = sns.color_palette("PuOr_r", DROP_SHADES)
    for axes, task in zip(grid.flat, tasks, strict=False):
        drops = table[table["task"] == task].pivot(index="layer", columns="index", values="drop")
        sns.heatmap(
            drops,
            cmap=ListedColormap(shades),
            vmin=-limit,
            vmax=limit,
            annot=drops.map(drop_text),
            fmt="",
            annot_kws={"fontsize": 6.5},
            linewidths=0.8,
            linecolor=PAPER,
            cbar=False,
            ax=axes,
        )
        _outline(axes, drops, chosen)
        axes.set(title=task.replace("_", " "), xlabel="", ylabel="")
    for axes in list(grid.flat)[len(tasks) :]:
        axes.set_visible(False)
    figure.supxlabel("head", fontsize=9)
    figure.supylabel("layer", fontsize=9)
    bar = figure.colorbar(grid.flat[0].collections[0], ax=grid, shrink=0.85, pad=0.015, aspect=24)
    bar.ax.yaxis.set_major_formatter(lambda drop, _: signed(100 * drop, 0))
    bar.set_label("drop in probability (pp)")
    bar.outline.set_visible(False)
    headline(figure, heads_in_short(table))
    return figure


def heads_in_short(table: pd.DataFrame) -> str:
    """Say which head matters most for how many tasks."""
    best = table.loc[table.groupby("task")["drop"].idxmax()]
    counts = best.loc[best["drop"] >= SMALLEST_DROP, "head"].value_counts()
    if counts.empty:
        return "No single head matters to any task"
    tasks = "1 task" if len(best) == 1 else f"{len(best)} tasks"
    if len(best) > 1 and counts.max() == 1:
        return f"No head matters most for more than one of {tasks}"
    return f"Head {counts.idxmax()} matters most for {counts.max()} of {tasks}"


def drop_text(drop: float) -> str:
    """Return a drop in percentage points for a cell; what is next to nothing is left out."""
    return signed(100 * drop, 0) if abs(drop) >= SMALLEST_DROP else ""


def _outline(axes: Axes, drops: pd.DataFrame, chosen: Sequence[str]) -> None:
    for layer in range(len(drops)):
        for head in range(drops.shape[1]):
            if f"{layer}.{head}" in chosen:
                frame = Rectangle((head, layer), 1, 1, fill=False, edgecolor=THIS, lw=2, clip_on=False)
                axes.add_patch(frame)
    axes.tick_params(length=0, labelsize=7.5, rotation=0)
