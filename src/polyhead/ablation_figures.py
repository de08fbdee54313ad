"""Figures of section 2. Every function takes tables and returns a figure, or an SVG document."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyhead.style import FAINT, INK, PAPER, ROLES, colour
from polyhead.templates import Task
from polyhead.token_picture import TokenBox, token_picture

KINDS = {
    "bos": ("all attention on BOS", "#0a4a86", "-"),
    "zero": ("no attention", "#b0407c", "--"),
    "mean": ("mean of the prompts' rows", "#2f8f5b", "-."),
    "resample": ("another prompt's row", "#8a6d00", ":"),
}
ROLE_NAMES = {
    "destination": "destination",
    "attended": "should be attended to",
    "answer": "answer",
    "slot": "differs between prompts",
}
LEGEND_WIDTH = 6.4  # inches that three columns of the legend take
DROP_SHADES = 41
"""Fewer than the 50 from which matplotlib turns a colour bar into a raster image."""
MONOSPACE = "DejaVu Sans Mono"
MOST_LABELS = 12
LEAST_ROWS = 30
THIS, OTHERS = "#c2410c", "#9aa3ad"


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


def role_of(task: Task, position: int) -> str:
    """Return what a position of a task is: destination, attended, answer, slot or nothing."""
    places = {task.destination: "destination", task.attended: "attended", task.tokens.shape[1]: "answer"}
    return places.get(position, "slot" if position in task.slots else "")


def positions_figure(positions: pd.DataFrame, runs: pd.DataFrame) -> Figure:
    """Draw the answer's mean probability by ablated position, with the clean run for reference.

    The band is the interval of the change from the clean run, prompt by prompt: how much the prompts' own
    probabilities differ does not widen it.

    Args:
        positions: lines of one task from `ablation_positions.csv`.
        runs: lines of the same task from `ablation.csv`.
    """
    tokens = positions.drop_duplicates("position")
    count = len(tokens)
    figure, axes = plt.subplots(figsize=(min(max(LEGEND_WIDTH, 1.1 + 0.24 * count), 14), 3.3))
    clean = float(runs.loc[runs["run"] == "clean", "mean_probability"].iloc[0])
    axes.axhline(clean, color=FAINT, lw=1, ls=(0, (4, 3)), label="clean run")
    for kind, line in positions.groupby("kind", sort=False):
        name, tone, dashes = KINDS[kind]
        low, high = clean - line["drop_high"], clean - line["drop_low"]
        axes.fill_between(line["position"], low, high, color=tone, alpha=0.18, lw=0)
        marker = "o" if kind == positions["kind"].iloc[0] else None
        axes.plot(
            line["position"], line["mean_probability"], dashes, color=tone, marker=marker, ms=3, label=name
        )
    for name in ("attended", "destination"):
        for position in tokens.loc[tokens["role"] == name, "position"]:
            axes.axvspan(
                position - 0.5, position + 0.5, color=ROLES[name], alpha=0.3, lw=0, label=ROLE_NAMES[name]
            )
    _token_axis(axes, tokens)
    top = max(clean, clean - positions["drop_low"].min())
    axes.set(
        ylim=(0, min(1.0, top * 1.12)), ylabel="mean probability\nof the answer", xlabel="ablated position"
    )
    figure.legend(loc="outside upper left", ncols=3 if count < 30 else 6, handlelength=1.6, columnspacing=1.2)
    return figure


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
    axes.grid(axis="y", color=FAINT, alpha=0.2, lw=0.6)


def real_text_figure(table: pd.DataFrame, taxonomies: Sequence[str]) -> Figure:
    """Draw the mean effect of each label on real text, and the labels' shares of rows and of the effect.

    Labels with fewer than 30 rows, and those after the 12 most frequent, are left to the table.
    """
    groups = [table[(table["taxonomy"] == name) & (table["rows"] >= LEAST_ROWS)] for name in taxonomies]
    groups = [group.head(MOST_LABELS + 1) for group in groups]
    heights = [len(group) + 1.2 for group in groups]
    figure, grid = plt.subplots(
        len(groups),
        2,
        figsize=(7.4, 0.5 + 0.27 * sum(heights)),
        height_ratios=heights,
        width_ratios=[1.25, 1],
        squeeze=False,
        sharex="col",
    )
    for (left, right), group, name in zip(grid, groups, taxonomies, strict=True):
        _effect_dots(left, group)
        _share_bars(right, group)
        left.set_title(f"labels: {name}")
    grid[-1][0].set_xlabel("change in the next token's\nlog probability (nats per row)")
    grid[-1][1].set_xlabel("share")
    grid[-1][1].xaxis.set_major_formatter(lambda share, _: f"{share:.0%}".replace("%", " %"))
    handles, names = grid[0][1].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=2)
    return figure


def _effect_dots(axes: Axes, group: pd.DataFrame) -> None:
    axes.axvline(0, color=FAINT, lw=0.8)
    for place, row in enumerate(group.itertuples()):
        tone = INK if row.label == "all" else FAINT if row.label == "unknown" else colour(row.label)
        axes.plot([row.low, row.high], [place] * 2, color=tone, lw=1.6, solid_capstyle="butt")
        axes.plot(row.mean, place, "D" if row.label == "all" else "o", color=tone, ms=5)
    axes.set_yticks(range(len(group)), ["all rows" if name == "all" else name for name in group["label"]])
    axes.set_ylim(len(group) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, alpha=0.2, lw=0.6)


def _share_bars(axes: Axes, group: pd.DataFrame) -> None:
    inner = group[group["label"] != "all"]
    places = np.flatnonzero(group["label"] != "all")
    axes.axvline(0, color=FAINT, lw=0.8)
    axes.barh(places - 0.18, inner["share"], height=0.34, color="#c3c9d1", label="of the rows")
    axes.barh(places + 0.18, inner["of_total"], height=0.34, color="#0a4a86", label="of the whole change")
    axes.set_ylim(len(group) - 0.4, -0.6)
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
    layer = int(head.split(".")[0])
    figure, grid = plt.subplots(
        len(tasks),
        2,
        figsize=(7.4, 0.6 + 1.75 * len(tasks)),
        width_ratios=[1.6, 1],
        squeeze=False,
        sharex="col",
    )
    for (left, right), task in zip(grid, tasks, strict=True):
        same_layer = heads[(heads["task"] == task) & (heads["layer"] == layer)]
        _layer_drops(left, same_layer, _control(controls, task, "edge", "drop"), head)
        _attention_bars(right, controls[controls["task"] == task])
        left.set_title(task.replace("_", " "))
    grid[-1][0].set_xlabel("drop in the answer's probability at the destination")
    grid[-1][1].set_xlabel(f"at the destination, head {head}")
    return figure


def _control(controls: pd.DataFrame, task: str, control: str, quantity: str) -> pd.Series:
    chosen = controls[["task", "control", "quantity"]].eq([task, control, quantity]).all(axis=1)
    return controls[chosen].iloc[0]


def _layer_drops(axes: Axes, heads: pd.DataFrame, edge: pd.Series, head: str) -> None:
    axes.axvline(0, color=FAINT, lw=0.8)
    for place, row in enumerate(heads.itertuples()):
        tone = THIS if row.head == head else OTHERS
        axes.plot([row.drop_low, row.drop_high], [place] * 2, color=tone, lw=1.8, solid_capstyle="butt")
        axes.plot(row.drop, place, "o", color=tone, ms=5)
    last = len(heads)
    axes.plot([edge["low"], edge["high"]], [last] * 2, color=THIS, lw=1.8, solid_capstyle="butt")
    axes.plot(edge["value"], last, "o", markeredgecolor=THIS, markerfacecolor=PAPER, ms=5)
    axes.set_yticks(range(last + 1), [*heads["head"], f"{head}, edge alone"], fontsize=7.5)
    axes.set_ylim(last + 0.6, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, alpha=0.2, lw=0.6)


def _attention_bars(axes: Axes, controls: pd.DataFrame) -> None:
    names = {
        ("attention", "mean"): "weight on the\nattended token",
        ("behaviour", "mean"): "mass on the\nexpected behaviour",
        ("behaviour", "share"): "prompts with the\nexpected label",
    }
    found = controls.set_index(["control", "quantity"])
    for place, key in enumerate(names):
        row = found.loc[key]
        axes.barh(place, row["value"], height=0.55, color="#9db7d5")
        axes.plot([row["low"], row["high"]], [place] * 2, color=INK, lw=1)
    axes.set_yticks(range(len(names)), names.values(), fontsize=7.5)
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6))
    axes.tick_params(axis="y", length=0)


def tasks_by_heads_figure(table: pd.DataFrame, chosen: Sequence[str]) -> Figure:
    """Draw a layers × heads map of drops for every task; the study's heads are outlined."""
    tasks = list(dict.fromkeys(table["task"]))
    layers, heads = table["layer"].max() + 1, table["index"].max() + 1
    wide, high = 0.34 * heads + 0.55, 0.32 * layers + 0.85
    columns = min(len(tasks), max(1, int(7 / wide)))
    rows = math.ceil(len(tasks) / columns)
    size = wide * columns + 0.7, high * rows + 0.2
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey=True)
    limit = max(0.05, table["drop"].abs().max())
    for axes, task in zip(grid.flat, tasks, strict=False):
        drops = table[table["task"] == task].pivot(index="layer", columns="index", values="drop")
        mesh = axes.pcolormesh(
            drops.to_numpy(),
            cmap=plt.get_cmap("PuOr_r", DROP_SHADES),
            vmin=-limit,
            vmax=limit,
            edgecolor=PAPER,
            linewidth=0.8,
        )
        _head_cells(axes, drops, limit, chosen)
        axes.set(title=task.replace("_", " "), xlabel="head", ylabel="layer")
    for axes in list(grid.flat)[len(tasks) :]:
        axes.set_visible(False)
    bar = figure.colorbar(mesh, ax=grid, shrink=0.85, pad=0.015, aspect=14)
    bar.set_label("drop in probability")
    bar.outline.set_visible(False)
    return figure


def _head_cells(axes: Axes, drops: pd.DataFrame, limit: float, chosen: Sequence[str]) -> None:
    for (layer, head), drop in drops.stack().items():
        if abs(drop) >= 0.02:
            text = f"{drop:.2f}".replace("0.", ".", 1).replace("-", "−")
            ink = PAPER if abs(drop) > 0.62 * limit else INK
            axes.text(head + 0.5, layer + 0.5, text, ha="center", va="center", fontsize=6.5, color=ink)
        if f"{layer}.{head}" in chosen:
            axes.add_patch(
                plt.Rectangle((head, layer), 1, 1, fill=False, edgecolor=INK, lw=1.6, clip_on=False)
            )
    axes.set_xticks(np.arange(drops.shape[1]) + 0.5, drops.columns, fontsize=7.5)
    axes.set_yticks(np.arange(drops.shape[0]) + 0.5, drops.index, fontsize=7.5)
    axes.set_ylim(drops.shape[0], 0)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
