"""Figure of the `unknown` rows: their extended labels, and the sources that stand out in those without."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from polyhead.attention.distribution_figure import stacked_bars
from polyhead.model.vocabulary import SPECIAL
from polyhead.style import (
    COLOURS,
    FAINT,
    INK,
    PAPER,
    UNKNOWN,
    WIDTH,
    columns_for,
    empty_figure,
    headline,
    percent,
    say,
)

LEGEND = 9
NAMES = 1.6
"""Inches beside the axes that the names of tokens and pairs may take."""
SMALLEST_SHARE = 0.03
LARGEST_PAIRS = 14


def unknown_figure(mixes: pd.DataFrame, sources: pd.DataFrame, tokens: Sequence[str]) -> Figure:
    """Draw the rows unknown to `post` by extended label, and the highest lifts in rows unknown to both."""
    tokens = [token for token in tokens if token in set(mixes["token_label"])]
    if not tokens:
        return empty_figure("no row is unknown")
    pairs = standing_out(sources, tokens)
    heights = [0.3 * len(tokens) + 0.5, 0.2 * max(len(pairs), 1) + 0.5]
    figure, (upper, lower) = plt.subplots(2, figsize=(WIDTH, sum(heights) + 1.3), height_ratios=heights)
    handles = stacked_bars(upper, mixes, tokens, LEGEND)
    upper.set(xlabel="share of the rows that post leaves unknown", ylabel="destination token")
    if len(pairs):
        _dumbbells(lower, pairs)
    else:
        say(lower, "no source stands out in what is left")
    upper.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.55 / heights[0]),
        ncols=columns_for([str(patch.get_label()) for patch in handles], WIDTH - NAMES, 4),
        handlelength=1.1,
    )
    headline(figure, unknown_in_short(mixes[mixes["token_label"] == tokens[0]]))
    return figure


def unknown_in_short(mixes: pd.DataFrame) -> str:
    """Say what the finer labels make of the rows of one bar."""
    shares = mixes.set_index("label")["share"]
    left = shares.get(UNKNOWN, 0.0)
    named = shares.drop(UNKNOWN, errors="ignore")
    said = f"Mixes of behaviours name {percent(1 - left)} of the rows that post leaves unknown"
    return said if named.empty else f"{said}, most often {named.idxmax()}"


def standing_out(sources: pd.DataFrame, tokens: Sequence[str]) -> pd.DataFrame:
    """Return the pairs (destination, source) with the highest lift; sources with a small share are left out.

    BOS and EOS are left out too: attention to them already is a behaviour.
    """
    notable = sources[sources["token_label"].isin(tokens) & (sources["share"] >= SMALLEST_SHARE)]
    notable = notable[~notable["source_label"].isin([SPECIAL["bos"], SPECIAL["eos"]])]
    order = {token: place for place, token in enumerate(tokens)}
    best = notable.nlargest(LARGEST_PAIRS, "lift")
    return best.sort_values(
        ["token_label", "lift"], key=lambda c: c.map(order) if c.name == "token_label" else -c
    )


def _dumbbells(axes: Axes, pairs: pd.DataFrame) -> None:
    pairs = pairs.assign(place=range(len(pairs)))
    places, dots = pairs["place"], {"y": "place", "s": 26, "zorder": 3, "ax": axes}
    axes.hlines(places, pairs["expected_share"], pairs["share"], color=FAINT, lw=1.2)
    sns.scatterplot(pairs, x="expected_share", **dots, color=PAPER, edgecolor=FAINT, linewidth=1)
    sns.scatterplot(pairs, x="share", **dots, color=COLOURS["previous"], linewidth=0)
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
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(
        lambda share, _: f"{share:.3%}".rstrip("%").rstrip("0").rstrip(".") + "\u202f%"
    )
    axes.set_xlabel(
        "of the rows unknown to both: share with its largest weight on the source (filled),\n"
        "share that has the source in reach (open)"
    )
    axes.set_ylabel("destination → source")
