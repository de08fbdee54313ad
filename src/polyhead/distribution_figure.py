"""Figure 1: stacked shares of behaviours, for all rows and for single destination tokens."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyhead.style import FAINT, INK, PAPER, colour, fold_rare, ordered

SMALLEST_LABELLED = 0.055
LONGEST_LEGEND = 9


def distribution_figure(table: pd.DataFrame, tokens: Sequence[str], taxonomy: str) -> Figure:
    """Draw one bar per destination token; whiskers at a segment's end are its share's 95 % interval."""
    chosen = table[(table["taxonomy"] == taxonomy) & table["token_label"].isin(tokens)]
    chosen = fold_rare(chosen, ["token_label"], LONGEST_LEGEND)
    behaviours = ordered(chosen["behaviour"])
    figure, axes = plt.subplots(figsize=(7.4, 0.9 + 0.42 * len(tokens)))
    left = np.zeros(len(tokens))
    for name in behaviours:
        part = chosen[chosen["behaviour"] == name].set_index("token_label").reindex(tokens)
        left = _segments(axes, part, left, name)
    _finish(axes, chosen, tokens)
    figure.legend(loc="outside upper left", ncols=min(5, len(behaviours)), handlelength=1.1)
    return figure


def _segments(axes: Axes, part: pd.DataFrame, left: np.ndarray, name: str) -> np.ndarray:
    share = part["share"].fillna(0.0).to_numpy()
    places = np.arange(len(share))
    axes.barh(places, share, left=left, color=colour(name), height=0.72, label=name, edgecolor=PAPER, lw=0.6)
    ends = left + share
    low, high = (part[side].to_numpy() for side in ("ci_low", "ci_high"))
    seen = ~np.isnan(low) & (ends < 0.999)
    whiskers = [(share - low)[seen].clip(0), (high - share)[seen].clip(0)]
    axes.errorbar(ends[seen], places[seen] + 0.3, xerr=whiskers, fmt="none", ecolor=INK, elinewidth=0.8)
    ink = PAPER if sum(bytes.fromhex(colour(name)[1:])) < 380 else INK
    for place in np.flatnonzero(share >= SMALLEST_LABELLED):
        axes.text(
            left[place] + share[place] / 2,
            place,
            f"{share[place]:.0%}".replace("%", " %"),
            ha="center",
            va="center",
            color=ink,
            fontsize=8,
        )
    return ends


def _finish(axes: Axes, chosen: pd.DataFrame, tokens: Sequence[str]) -> None:
    counts = chosen.groupby("token_label", observed=True)["rows"].sum()
    axes.set_yticks(range(len(tokens)), list(tokens), fontfamily="DejaVu Sans Mono")
    axes.get_yticklabels()[0].set_fontfamily("DejaVu Sans")
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of rows", ylabel="destination token")
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}".replace("%", " %"))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for place, name in enumerate(tokens):
        axes.text(
            1.01, place, f"{counts[name]:,}".replace(",", "\u2009"), va="center", fontsize=7.5, color=FAINT
        )
    axes.text(1.01, -0.75, "rows", va="center", fontsize=7.5, color=FAINT)
