"""Figures of what heads attend to: shares of labels by token, by head, and by threshold and window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from polyhead.model.head import Head
from polyhead.style import (
    FAINT,
    OTHER,
    PAPER,
    THIN,
    THIS,
    UNKNOWN,
    WIDTH,
    colour,
    fold,
    fold_rare,
    in_our_fonts,
    ink_on,
    label_ends,
    ordered,
    percent,
    round_percent,
    tip,
    whiskers,
)

SMALLEST_LABELLED = 0.07
"""Share of a bar from which on a slice has room for its number."""
MOST_LABELS, MOST_IN_ATLAS, MOST_LINES = 9, 8, 7
"""Labels with a colour of their own: in a distribution, in the atlas, and in a panel of lines."""
BAR = 0.72
HIGHEST, FEW_LAYERS = 8.0, 8
"""Inches that fit on a page; layers up to which the atlas has a map for each taxonomy."""
LENGTH, NUMBER = 0.9, 0.75
"""Part of a head's cell that a bar of all rows fills; inches of a slice that has room for its number."""
MOST_NAMES = 16
"""Numbers of layers, and of heads, that fit at the sides."""
AXES = {"threshold": "threshold τ", "previous_window": "window K"}


def distribution_figure(table: pd.DataFrame, tokens: Sequence[str], taxonomy: str) -> Figure:
    """Draw a head's distribution: one bar per destination token, `all` first.

    The whisker at the end of a large slice is its 95 % interval.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 1.0 + 0.28 * len(tokens)))
    chosen = table[(table["taxonomy"] == taxonomy) & table["token_label"].isin(tokens)]
    shares, patches = folded(chosen, ["token_label"], MOST_LABELS)
    shares = shares.assign(x=0.0, y=shares["token_label"].map(tokens.index), name=shares["token_label"])
    _whiskers(axes, stack(axes, shares, 1.0, SMALLEST_LABELLED))
    _name_bars(axes, chosen.groupby("token_label")["rows"].sum(), tokens)
    figure.legend(handles=patches, loc="outside lower left", ncols=4, handlelength=1.1)
    return figure


def folded(table: pd.DataFrame, by: Sequence[str], most: int) -> tuple[pd.DataFrame, list[Patch]]:
    """Add up the labels that hold little, and the rarest; return the shares and patches for a legend.

    The new column `tip` says what each line holds, so that a reader can ask what is in the rest.
    """
    table = table.assign(tip=[f"{line.label}: {line.share:.1%}" for line in table.itertuples()])
    thin = fold(table, table["share"].lt(THIN) & table["label"].ne(UNKNOWN), by)
    shares = fold_rare(thin, by, most)
    rest = f"other (under {round_percent(THIN)} each)" if len(shares) == len(thin) else "other, rarer labels"
    names = ordered(shares["label"])
    return shares, [Patch(color=colour(name), label=rest if name == OTHER else name) for name in names]


def stack(axes: Axes, shares: pd.DataFrame, width: float, smallest: float) -> pd.DataFrame:
    """Draw stacked bars, in which slices have their number from the share `smallest` on; return the slices.

    `shares`: label, share, tip, and of each bar its `name` and the place `x`, `y` at which it begins.
    `width`: length of a bar of all rows. The new column `start` is where a slice begins.
    """
    rank = {label: place for place, label in enumerate(ordered(shares["label"]))}
    shares = shares.sort_values("label", key=lambda labels: labels.map(rank), kind="stable")
    start = shares["x"] + width * (shares.groupby(["x", "y"])["share"].cumsum() - shares["share"])
    shares = shares.assign(start=start)[shares["share"] > 0]
    for label, slices in shares.groupby("label", sort=False, observed=True):
        tone, numbers = colour(str(label)), [percent(x) if x >= smallest else "" for x in slices["share"]]
        lengths = width * slices["share"]
        look: dict[str, Any] = {"color": tone, "ec": PAPER, "lw": 0.6, "clip_on": False}
        bars = axes.barh(slices["y"], lengths, BAR, slices["start"], **look)
        axes.bar_label(bars, numbers, label_type="center", color=ink_on(tone), fontsize=8)
        for bar, name, what in zip(bars, slices["name"], slices["tip"], strict=True):
            tip(bar, f"{name}: {what}")
    return shares


def _whiskers(axes: Axes, shares: pd.DataFrame) -> None:
    """Draw the interval of a slice's share at its end, low in the bar, where no number stands."""
    end = shares["start"] + shares["share"]
    lines = shares[shares["share_low"].notna() & (shares["share"] >= SMALLEST_LABELLED) & (end < 0.999)]
    step = lines.groupby("y").cumcount() % 2  # neighbours may overlap
    low, high = lines["start"] + lines["share_low"], lines["start"] + lines["share_high"]
    whiskers(axes, low, high, lines["y"] + 0.2 + 0.1 * step)


def _name_bars(axes: Axes, rows: pd.Series, tokens: Sequence[str]) -> None:
    """Write the token on the left of every bar, and its number of rows on the right."""
    axes.set_yticks(range(len(tokens)), [*map(in_our_fonts, tokens)], fontfamily="DejaVu Sans Mono")
    axes.get_yticklabels()[0].set_fontfamily("DejaVu Sans")
    axes.set(xlim=(0, 1), ylim=(len(tokens) - 0.5, -0.5), xlabel="share of rows", ylabel="destination token")
    axes.xaxis.set_major_formatter(lambda share, _: round_percent(share))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    counts = [(-0.72, "rows"), *((y, f"{rows[name]:,}") for y, name in enumerate(tokens))]
    for y, count in counts:
        axes.text(1.01, y, count.replace(",", "\u2009"), va="center", fontsize=7.5, color=FAINT)


def atlas_figure(table: pd.DataFrame, chosen: Sequence[tuple[int, int]]) -> Figure:
    """Draw the atlas: a map of layers and heads, with a bar of label shares in every cell.

    There is one for each taxonomy; of a deep model one, for the first. The `chosen` heads are framed.
    """
    layers = 1 + max(Head.parse(head).layer for head in table["head"].unique())
    maps = [*table.groupby("taxonomy", sort=False)][: None if layers <= FEW_LAYERS else 1]
    figure = plt.figure(figsize=(WIDTH, min(HIGHEST, len(maps) * (1.1 + 0.2 * layers))))
    parts = figure.subfigures(len(maps), squeeze=False).flat
    for part, (taxonomy, of_heads) in zip(parts, maps, strict=True):
        shares, patches = folded(of_heads, ["head"], MOST_IN_ATLAS)
        axes = part.subplots()
        _map(axes, shares)
        for layer, index in chosen:
            place = index - (1 - LENGTH) / 2, layer - 0.5
            axes.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor=THIS, lw=1.4, clip_on=False))
        longest = max(len(str(patch.get_label())) for patch in patches)
        ncols = max(1, min(4, int(WIDTH / (0.45 + 0.066 * longest))))
        part.legend(handles=patches, loc="outside lower left", ncols=ncols, handlelength=1.0)
        axes.set_title(f"labels: {taxonomy}")
    return figure


def _map(axes: Axes, shares: pd.DataFrame) -> None:
    """Draw the bar of every head at its place: layers from top to bottom, heads from left to right."""
    places = pd.DataFrame([*map(Head.parse, shares["head"])], shares.index, ["y", "x"])
    layers, heads = places.max() + 1
    stack(axes, shares.join(places).rename(columns={"head": "name"}), LENGTH, NUMBER * heads / WIDTH)
    axes.set(xlim=(-0.1, heads), ylim=(layers - 0.5 + (1 - BAR) / 2, -0.6), xlabel="head", ylabel="layer")
    numbers = range(0, heads, -(-heads // MOST_NAMES))
    axes.set_xticks([index + LENGTH / 2 for index in numbers], map(str, numbers))
    axes.set_yticks(range(0, layers, -(-layers // MOST_NAMES)))
    axes.tick_params(length=0, labelsize=7.5)
    axes.spines[:].set_visible(False)


def sensitivity_figure(table: pd.DataFrame, window: int, threshold: float) -> Figure:
    """Draw the post's labels against K at the study's τ, and those of each taxonomy against τ at its K."""
    own = {"threshold": threshold, "previous_window": window}
    nearest = table["threshold"].iloc[(table["threshold"] - threshold).abs().argmin()]
    at = {"threshold": table["previous_window"] == window, "previous_window": table["threshold"] == nearest}
    wanted = [("post", "previous_window"), ("post", "threshold"), ("extended", "threshold")]
    panels = [(table[at[along] & (table["taxonomy"] == name)], name, along) for name, along in wanted]
    panels = [panel for panel in panels if len(panel[0])]
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 2.9), sharey=True, squeeze=False)
    axes[0, 0].yaxis.set_major_formatter(lambda share, _: round_percent(share))
    for place, (_, name, along) in zip(axes[0], panels, strict=True):
        place.set(title=name, ylim=(0, 1), xlabel=AXES[along], ylabel="share of rows")
        place.axvline(own[along], color=FAINT, lw=0.8, ls=(0, (3, 3)), zorder=0)
    for place, (part, _, along) in zip(axes[0], panels, strict=True):
        _lines(place, part, along)
    return figure


def _lines(axes: Axes, part: pd.DataFrame, along: str) -> None:
    """Draw a line per label; labels that are thin everywhere, and the rarest, are added up."""
    rare = part.groupby("label")["share"].transform("max") < THIN
    part = part.assign(label=part["label"].where(~rare, OTHER))
    part = part.groupby(["label", along], as_index=False)[["rows", "share"]].sum()
    part = fold_rare(part, [along], MOST_LINES)
    names = ordered(part["label"])
    tones = {name: FAINT if name == UNKNOWN else colour(name) for name in names}
    lines = {"hue": "label", "hue_order": names, "palette": tones, "style": "label", "style_order": names}
    look = {"dashes": False, "markers": True, "markersize": 4, "markeredgewidth": 0, "linewidth": 1.6}
    sns.lineplot(part, x=along, y="share", **lines, **look, errorbar=None, legend=False, ax=axes)
    if along == "threshold":  # the panel of windows has the same lines as the one beside it
        last = part[part[along] == part[along].max()]
        label_ends(axes, last.set_index("label")["share"].to_dict(), float(last[along].max()))
    else:
        axes.set_xticks(sorted(set(part[along])))
