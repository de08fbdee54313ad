"""Figures of the tasks. Each takes tables and returns a figure that can be read at the width of a phone."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from polyhead.model.head import Head
from polyhead.prompts.templates import ROLE_NAMES, Task, role_of
from polyhead.style import FAINT, INK, ROLES, THIS, WIDTH, headline, heatmap, in_our_fonts, label_ends, signed

METHODS = {
    "bos": ("BOS", "-"),
    "zero": ("zero", (0, (4, 1.5))),
    "mean": ("mean", (0, (5, 1.2, 1, 1.2))),
    "resample": ("resample", (0, (1, 1))),
}
"""A method's name at the end of its line, and the line's dashes."""
MONOSPACE = "DejaVu Sans Mono"
NARROW, PER_TOKEN = 4.6, 0.115
"""Inches: of a figure at least, and of a token on the axis."""
LEFT, RIGHT, PLOT, MARGIN = 0.7, 0.75, 1.1, 0.08
"""Inches left and right of the plot, its height, and the space around all."""
CHARACTER, LINE, SMALL = 5.42, 14.0, 4.82
"""Points of a character and of a line of the prompt, and of a character on the axis."""
OPACITY = 0.75
MOST_HEADS = 40
"""Heads that are listed one below the other; more are drawn as maps of layers and heads."""
MOST_NAMED, LEAST_NAMED = 40, 0.01
"""Columns of a map that leave room for numbers, and the smallest drop that has one there."""
BLANK = "#f3f4f6"
UNIT = "percentage points, blank where the 95 % interval holds 0"
LEAST_RANGE = 5.0
"""Percentage points that an axis reaches to at least, so that a small drop looks small."""
LEAST_DROP = 0.005
"""Smallest drop that is not printed as 0 percentage points."""

Placed = tuple[str, str, float, int]
"""A token's text and role, and its line and column in the picture."""


def task_figure(task: Task, labels: Sequence[str], positions: pd.DataFrame) -> Figure:
    """Draw a task as the post does: its first prompt, coloured by role, above the drop by ablated position.

    The line of the first method is the strongest; bands are intervals of the drops, paired by prompt.
    `positions` is `ablation_positions.csv`, of all tasks.
    """
    drops = positions[positions["task"] == task.name]
    tokens = drops.drop_duplicates("position")
    tokens = tokens.assign(token_label=tokens["token_label"].map(in_our_fonts))
    width = max(NARROW, LEFT + RIGHT + PER_TOKEN * len(tokens))
    placed = [*place_tokens(task, labels, int((72 * (width - 2 * MARGIN)) // CHARACTER))]
    figure = plt.figure(figsize=(width, 1), layout="none")
    headline(figure, f"{task.title}: drop by ablated position")
    above = MARGIN + (figure.get_suptitle().count("\n") + 1) * LINE / 72
    prompt = (placed[-1][2] + 1.5) * LINE / 72
    below = 0.32 + tokens["token_label"].str.len().max() * SMALL / 72
    height = above + prompt + 2 * MARGIN + PLOT + below
    figure.set_figheight(height)
    figure.texts[-1].set(y=1 - MARGIN / height, va="top")
    box = MARGIN / width, 1 - (above + prompt) / height, 1 - 2 * MARGIN / width, prompt / height
    _draw_prompt(figure.add_axes(box), placed)
    box = LEFT / width, below / height, 1 - (LEFT + RIGHT) / width, PLOT / height
    _draw_drops(figure.add_axes(box), drops, tokens)
    return figure


def place_tokens(task: Task, labels: Sequence[str], columns: int) -> Iterator[Placed]:
    """Yield the first prompt's tokens and its answer, laid out as code, then a key of the colours."""
    tokens = [*task.tokens[0, 1:], task.answers[0]]
    line, column = 0.0, 0 if labels[tokens[0]].startswith("⏎") else 1  # code starts to the right of each ⏎
    for position, token in enumerate(tokens, 1):
        text = re.sub(r"\[·×(\d+)\]", lambda found: "·" * int(found[1]), in_our_fonts(labels[token]))
        if position > 1 and (text.startswith("⏎") or column + len(text) > columns):
            line, column = line + 1, 0
        yield text, role_of(task, position), line, column
        column += len(text)
        if "⏎" in text.lstrip("⏎"):
            line, column = line + 1, 1
    line, column = line + 1.5, 0
    for role in [role for role in ROLE_NAMES if role != "slot" or task.slots]:
        yield f" {ROLE_NAMES[role]} ", role, line, column
        column += len(ROLE_NAMES[role]) + 3


def _draw_prompt(axes: Axes, placed: Sequence[Placed]) -> None:
    """Draw tokens, in points from the upper left corner."""
    box = axes.get_window_extent()
    axes.set(xlim=(0, box.width * 72 / axes.figure.dpi), ylim=(box.height * 72 / axes.figure.dpi, 0))
    axes.set_axis_off()
    for text, role, line, column in placed:
        x, y = column * CHARACTER, line * LINE
        if role:
            place = (x, y + 1), len(text) * CHARACTER, LINE - 2
            axes.add_patch(Rectangle(*place, facecolor=ROLES[role], alpha=OPACITY, linewidth=0))
        shift = len(text) - len(text.lstrip())
        axes.text(x + shift * CHARACTER, y + 10.2, text.strip(), family=MONOSPACE, fontsize=9)


def _draw_drops(axes: Axes, drops: pd.DataFrame, tokens: pd.DataFrame) -> None:
    """Draw the drop of the answer's probability by position, a line for each method, over the tokens."""
    axes.axhline(0, color=FAINT, lw=0.8)
    lines = dict([*drops.groupby("method", sort=False)])
    for number, (method, line) in enumerate(lines.items()):
        look: dict[str, Any] = {"color": FAINT, "lw": 1.1}
        look |= {} if number else {"color": INK, "lw": 1.6, "marker": "o", "ms": 3}
        place, low, high = line["position"], 100 * line["drop_low"], 100 * line["drop_high"]
        axes.fill_between(place, low, high, color=look["color"], alpha=0.18, lw=0)
        axes.plot(place, 100 * line["drop"], linestyle=METHODS[method][1], zorder=3 - number, **look)
    _name_tokens(axes, tokens)
    axes.set_ylabel("drop of the answer's\nprobability (pp)", fontsize=8)
    axes.set_xlabel("ablated position, tokens of one prompt", fontsize=8)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y")
    lowest, highest = axes.get_ylim()
    axes.set_ylim(min(lowest, -LEAST_RANGE / 5), max(highest, LEAST_RANGE))
    ends = {METHODS[method][0]: 100 * line["drop"].iloc[-1] for method, line in lines.items()}
    label_ends(axes, ends, float(tokens["position"].max()))


def _name_tokens(axes: Axes, tokens: pd.DataFrame) -> None:
    """Write the tokens below the axis, each on the colour of its role."""
    axes.set_xlim(tokens["position"].min() - 0.6, tokens["position"].max() + 0.6)
    axes.set_xticks(tokens["position"], tokens["token_label"], rotation=90, family=MONOSPACE, fontsize=8)
    for text, role in zip(axes.get_xticklabels(), tokens["role"], strict=True):
        if role:
            text.set_bbox({"facecolor": ROLES[role], "alpha": OPACITY, "pad": 0.8, "linewidth": 0})
    axes.tick_params(axis="x", length=2, pad=3)


def tasks_by_heads_figure(table: pd.DataFrame, chosen: Sequence[object]) -> Figure:
    """Draw `tasks_by_heads.csv`: the drop of the answer's probability, blank where its interval holds 0.

    Of many heads a map of layers × heads for each task. The `chosen` heads stand out.
    """
    heads, tasks = table["head"].unique(), table["task"].unique()
    order = {"index": heads, "columns": tasks}
    wide = table.pivot(index="head", columns="task")
    drops, low, high = (wide[name].reindex(**order) for name in ("drop", "drop_low", "drop_high"))
    seen = ((low > 0) | (high < 0)) & (drops.abs() >= LEAST_DROP)
    names = [textwrap.fill(task.replace("_", " "), 11) for task in tasks]
    draw = _drops_listed if len(heads) <= MOST_HEADS else _drops_mapped
    figure, axes = draw(drops, seen, names, [*map(str, chosen)])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, rotation=0, labelsize=8)
    headline(figure, "Drop of each task's answer when one head is ablated at the destination")
    return figure


def _drops_listed(
    drops: pd.DataFrame, seen: pd.DataFrame, names: Sequence[str], chosen: Sequence[str]
) -> tuple[Figure, Axes]:
    """Draw a line for every head and a column for every task."""
    figure, axes = plt.subplots(figsize=(max(NARROW, 0.7 + 0.68 * len(names)), 1.4 + 0.2 * len(drops)))
    heatmap(axes, drops, (100 * drops).map(signed, digits=0), _largest(drops), ~seen)
    axes.set_xticks(axes.get_xticks(), names)
    axes.set_yticks([k + 0.5 for k in range(len(drops))], drops.index)
    axes.set_ylabel("head", fontsize=8)
    axes.set_xlabel(UNIT, fontsize=8)
    for text in axes.get_yticklabels():
        if text.get_text() in chosen:
            text.set(color=THIS, fontweight="bold")
    return figure, axes


def _drops_mapped(
    drops: pd.DataFrame, seen: pd.DataFrame, names: Sequence[str], chosen: Sequence[str]
) -> tuple[Figure, Axes]:
    """Draw a map of layers × heads for every task, one beside the other."""
    heads = pd.MultiIndex.from_tuples(map(Head.parse, drops.index))
    layers, width = (1 + heads.get_level_values(level).max() for level in (0, 1))
    places = [(task, head) for task in drops for head in range(width + 1)][:-1]  # a gap behind each map
    maps, shown = (side.set_axis(heads).unstack().reindex(columns=places) for side in (drops, seen))
    figure, axes = plt.subplots(figsize=(WIDTH, 1.5 + 0.18 * layers))
    named = (maps.abs() >= LEAST_NAMED) & (len(places) <= MOST_NAMED)
    points = (100 * maps).map(signed, digits=0).where(named, "")
    heatmap(axes, maps, points, _largest(drops), ~shown.eq(True))
    begins = [number * (width + 1) for number in range(len(names))]
    for begin in begins:
        axes.add_patch(Rectangle((begin, 0), width, layers, facecolor=BLANK, zorder=0))
    for begin, (layer, head) in ((begin, Head.parse(name)) for begin in begins for name in chosen):
        axes.add_patch(Rectangle((begin + head, layer), 1, 1, fill=False, edgecolor=THIS, lw=1.2))
    axes.set_xticks([begin + width / 2 for begin in begins], names)
    ticks = range(0, layers, -(-layers // 10))
    axes.set_yticks([layer + 0.5 for layer in ticks], map(str, ticks))
    axes.set_ylabel("layer", fontsize=8)
    said = f"heads 0 to {width - 1} from left to right in each map"
    axes.set_xlabel(f"{said}\n{UNIT}; darkest: {signed(100 * _largest(drops), 0)}", fontsize=8)
    return figure, axes


def _largest(drops: pd.DataFrame) -> float:
    return max(0.05, drops.abs().max(axis=None))
