"""What is in `unknown`: the mixes that explain a part of it, and the sources that stand out in the rest."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyhead.distribution_figure import stacked_bars
from polyhead.style import COLOURS, FAINT, INK, percent
from polyhead.tokens import SPECIAL

LEGEND = 9
SMALLEST_SHARE = 0.03
LARGEST_PAIRS = 14


def unknown_figure(mixes: pd.DataFrame, sources: pd.DataFrame, tokens: Sequence[str]) -> Figure:
    """Draw post-unknown rows by extended label, and the sources with the highest lift in what is left."""
    tokens = [token for token in tokens if token in set(mixes["token_label"])]
    if not tokens:
        return _nothing("no row is unknown")
    pairs = standing_out(sources, tokens)
    heights = [0.42 * len(tokens) + 0.5, 0.24 * max(len(pairs), 1) + 0.5]
    figure, (upper, lower) = plt.subplots(
        2, figsize=(7.4, sum(heights) + 0.9), height_ratios=heights, layout="constrained"
    )
    handles = stacked_bars(upper, mixes, tokens, LEGEND)
    upper.set(xlabel="share of the rows that `post` leaves unknown", ylabel="destination token")
    if len(pairs):
        _dumbbells(lower, pairs)
    else:
        _say(lower, "no source stands out in what is left")
    figure.legend(handles=handles, loc="outside upper left", ncols=4, handlelength=1.1, fontsize=8)
    return figure


def _nothing(why: str) -> Figure:
    figure, axes = plt.subplots(figsize=(7.4, 0.8))
    _say(axes, why)
    return figure


def _say(axes: Axes, text: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT)


def standing_out(sources: pd.DataFrame, tokens: Sequence[str]) -> pd.DataFrame:
    """Return the pairs (destination, source) with the highest lift, of sources with a notable share.

    BOS and EOS are left out: attention to them is a behaviour already.
    """
    notable = sources[sources["token_label"].isin(tokens) & (sources["share"] >= SMALLEST_SHARE)]
    notable = notable[~notable["source_label"].isin([SPECIAL["bos"], SPECIAL["eos"]])]
    order = {token: place for place, token in enumerate(tokens)}
    best = notable.nlargest(LARGEST_PAIRS, "lift")
    return best.sort_values(
        ["token_label", "lift"], key=lambda c: c.map(order) if c.name == "token_label" else -c
    )


def _dumbbells(axes: Axes, pairs: pd.DataFrame) -> None:
    places = range(len(pairs))
    axes.hlines(places, pairs["expected_share"], pairs["share"], color=FAINT, lw=1)
    axes.scatter(pairs["expected_share"], places, s=18, facecolor="white", edgecolor=FAINT, zorder=3)
    axes.scatter(pairs["share"], places, s=22, color=COLOURS["previous"], zorder=3)
    for place, (share, lift) in enumerate(zip(pairs["share"], pairs["lift"], strict=True)):
        axes.annotate(
            f"{percent(share)}, lift {lift:.{lift < 10:d}f}",
            (share, place),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=INK,
        )
    names = [f"{d} → {s}" for d, s in zip(pairs["token_label"], pairs["source_label"], strict=True)]
    axes.set_yticks(places, names, fontfamily="DejaVu Sans Mono", fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.18, y=0.08)
    axes.xaxis.set_major_formatter(
        lambda share, _: f"{share:.3%}".rstrip("%").rstrip("0").rstrip(".") + "\u202f%"
    )
    axes.set_xlabel(
        "rows unknown to both: share with its largest weight on the source (filled), share in reach (open)"
    )
    axes.set_ylabel("destination → source")
