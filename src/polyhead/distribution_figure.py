"""Figure 1: stacked shares of behaviours, for all rows and for single destination tokens."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from polyhead.style import FAINT, INK, PAPER, colour, fold_rare, ordered, percent

SMALLEST_LABELLED = 0.055
LONGEST_LEGEND = 9


def distribution_figure(
    table: pd.DataFrame, tokens: Sequence[str], taxonomy: str, what: str = "destination token"
) -> Figure:
    """Draw one bar per destination token; whiskers at a large segment's end are its share's 95 % interval.

    Any grouping with the columns of distribution.csv can be drawn; `what` says what `token_label` holds then.
    """
    figure, axes = plt.subplots(figsize=(7.4, 0.9 + 0.42 * len(tokens)))
    handles = stacked_bars(axes, table[table["taxonomy"] == taxonomy], tokens, LONGEST_LEGEND)
    axes.set(xlabel="share of rows", ylabel=what)
    figure.legend(handles=handles, loc="outside upper left", ncols=4, handlelength=1.1, fontsize=8)
    return figure


def stacked_bars(axes: Axes, table: pd.DataFrame, tokens: Sequence[str], most: int) -> list[Patch]:
    """Draw one bar per token: shares of at most `most` behaviours, whiskers where there are intervals.

    Returns what a legend needs.
    """
    chosen = fold_rare(table[table["token_label"].isin(tokens)], ["token_label"], most)
    behaviours = ordered(chosen["behaviour"])
    left = np.zeros(len(tokens))
    for name in behaviours:
        part = chosen[chosen["behaviour"] == name].set_index("token_label").reindex(tokens)
        left = _segments(axes, part, left, name)
    _finish(axes, chosen, tokens)
    return [Patch(color=colour(name), label=name) for name in behaviours]


def _segments(axes: Axes, part: pd.DataFrame, left: np.ndarray, name: str) -> np.ndarray:
    share = part["share"].fillna(0.0).to_numpy()
    places = np.arange(len(share))
    axes.barh(places, share, left=left, color=colour(name), height=0.72, edgecolor=PAPER, lw=0.6)
    ends = left + share
    if "ci_low" in part:
        _whiskers(axes, part, share, ends)
    ink = PAPER if sum(bytes.fromhex(colour(name)[1:])) < 380 else INK
    for place in np.flatnonzero(share >= SMALLEST_LABELLED):
        axes.text(
            left[place] + share[place] / 2,
            place,
            percent(share[place]),
            ha="center",
            va="center",
            color=ink,
            fontsize=8,
        )
    return ends


def _whiskers(axes: Axes, part: pd.DataFrame, share: np.ndarray, ends: np.ndarray) -> None:
    low, high = (part[side].to_numpy() for side in ("ci_low", "ci_high"))
    seen = ~np.isnan(low) & (share >= SMALLEST_LABELLED) & (ends < 0.999)
    widths = [(share - low)[seen].clip(0), (high - share)[seen].clip(0)]
    places = np.flatnonzero(seen) + 0.3
    axes.errorbar(ends[seen], places, xerr=widths, fmt="none", ecolor=INK, elinewidth=0.8)


def _finish(axes: Axes, chosen: pd.DataFrame, tokens: Sequence[str]) -> None:
    counts = chosen.groupby("token_label", observed=True)["rows"].sum()
    axes.set_yticks(range(len(tokens)), list(tokens), fontfamily="DejaVu Sans Mono")
    axes.get_yticklabels()[0].set_fontfamily("DejaVu Sans")
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: percent(share))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for place, name in enumerate(tokens):
        axes.text(
            1.01, place, f"{counts[name]:,}".replace(",", "\u2009"), va="center", fontsize=7.5, color=FAINT
        )
    axes.text(1.01, -0.75, "rows", va="center", fontsize=7.5, color=FAINT)
