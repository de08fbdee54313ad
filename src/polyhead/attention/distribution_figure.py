"""Figure: stacked shares of labels, for all rows and for single destination tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from polyhead.style import (
    FAINT,
    OTHER,
    PAPER,
    THIN,
    UNKNOWN,
    WIDTH,
    colour,
    fold,
    fold_rare,
    in_our_fonts,
    ink_on,
    ordered,
    percent,
    round_percent,
    tip,
    whiskers,
)

SMALLEST_LABELLED = 0.07
"""Share of a bar from which on a slice has room for its number."""
LONGEST_LEGEND = 9
BAR = 0.72


def distribution_figure(table: pd.DataFrame, tokens: Sequence[str], taxonomy: str) -> Figure:
    """Draw one bar per destination token; the whisker at the end of a large slice is its 95 % interval.

    Args:
        table: a head's distribution.
        tokens: the destination tokens to show, `all` first.
        taxonomy: the labels to show.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 1.0 + 0.28 * len(tokens)))
    chosen = table[(table["taxonomy"] == taxonomy) & table["token_label"].isin(tokens)]
    shares, patches = folded(chosen, ["token_label"], LONGEST_LEGEND)
    shares = shares.assign(x=0.0, y=shares["token_label"].map(tokens.index), name=shares["token_label"])
    stack(axes, shares, 1.0, SMALLEST_LABELLED)
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


def stack(axes: Axes, shares: pd.DataFrame, width: float, smallest: float) -> None:
    """Draw stacked bars: each slice says its share where a reader points, one from `smallest` on always.

    Args:
        axes: what to draw on.
        shares: label, share, tip, and of each bar its `name` and the place `x`, `y` at which it begins.
        width: length of a bar of all rows.
        smallest: share from which on a slice has room for its number.
    """
    rank = {label: place for place, label in enumerate(ordered(shares["label"]))}
    shares = shares.sort_values("label", key=lambda labels: labels.map(rank), kind="stable")
    start = shares["x"] + width * (shares.groupby(["x", "y"])["share"].cumsum() - shares["share"])
    shares = shares.assign(start=start)[shares["share"] > 0]
    for label, slices in shares.groupby("label", sort=False, observed=True):
        tone, numbers = colour(str(label)), [percent(x) if x >= smallest else "" for x in slices["share"]]
        lengths = width * slices["share"]
        look: dict[str, Any] = {"color": tone, "edgecolor": PAPER, "linewidth": 0.6, "clip_on": False}
        bars = axes.barh(slices["y"], lengths, BAR, slices["start"], **look)
        axes.bar_label(bars, numbers, label_type="center", color=ink_on(tone), fontsize=8)
        for bar, name, what in zip(bars, slices["name"], slices["tip"], strict=True):
            tip(bar, f"{name}: {what}")
    if "share_low" in shares:
        _whiskers(axes, shares)


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
