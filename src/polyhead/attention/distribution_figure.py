"""Figure 1: stacked shares of behaviours, for all rows and for single destination tokens."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from polyhead.style import (
    FAINT,
    OTHER,
    PAPER,
    THIN,
    WIDTH,
    colour,
    fold_rare,
    fold_thin,
    headline,
    ink_on,
    ordered,
    percent,
    round_percent,
    tip,
    whiskers,
)

SMALLEST_LABELLED = 0.07
LONGEST_LEGEND = 9
BAR = 0.72


def distribution_figure(
    table: pd.DataFrame, tokens: Sequence[str], taxonomy: str, what: str = "destination token"
) -> Figure:
    """Draw one bar per destination token; the whisker at the end of a large segment is its 95 % interval.

    Rows grouped by something else can be drawn too; `what` then names the content of `token_label`.
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 1.2 + 0.28 * len(tokens)))
    part = table[table["taxonomy"] == taxonomy]
    handles = stacked_bars(axes, part, tokens, LONGEST_LEGEND)
    axes.set(xlabel="share of rows", ylabel=what)
    figure.legend(handles=handles, loc="outside lower left", ncols=4, handlelength=1.1)
    headline(figure, in_short(part, tokens))
    return figure


def in_short(table: pd.DataFrame, tokens: Sequence[str]) -> str:
    """Say which label holds most of the first bar, and which bar with an interval differs most from it."""
    shares = table.pivot_table(index="token_label", columns="label", values="share", observed=True)
    shares = shares.reindex(tokens).fillna(0.0)
    sure = set(table.loc[table["low"].notna(), "token_label"]) if "low" in table else set(tokens)
    first, others = shares.iloc[0], shares.iloc[1:][[token in sure for token in tokens[1:]]]
    most = first.idxmax()
    said = f"{most} is {percent(first[most])} of {'all rows' if tokens[0] == 'all' else tokens[0]}"
    if others.empty:
        return said
    apart = others - first
    bar = apart.abs().sum(axis=1).idxmax()
    label = apart.loc[bar].idxmax()
    return f"{said}; {bar} differs most: {label} is {percent(shares.loc[bar, label])} there"


def stacked_bars(axes: Axes, table: pd.DataFrame, tokens: Sequence[str], most: int) -> list[Patch]:
    """Draw one bar per token: shares of at most `most` labels, whiskers where there are intervals.

    Labels that hold little of a bar are added up. Returns the patches for a legend.
    """
    chosen = table[table["token_label"].isin(tokens)]
    thin = fold_thin(chosen, ["token_label"])
    chosen = fold_rare(thin, ["token_label"], most)
    chosen = chosen.assign(token_label=pd.Categorical(chosen["token_label"], tokens, ordered=True))
    labels = ordered(chosen["label"])
    stack(axes, chosen, "token_label", labels)
    _whiskers(axes, chosen, labels)
    _finish(axes, chosen, tokens)
    return legend_patches(labels, only_thin=len(chosen) == len(thin))


def stack(
    axes: Axes, table: pd.DataFrame, along: str, labels: Sequence[str], smallest: float = SMALLEST_LABELLED
) -> None:
    """Draw shares of `labels` as stacked bars, one for each value of the categorical column `along`.

    A slice from `smallest` on says its share; every slice says it where a reader points.
    """
    drawn, labels = len(axes.containers), [name for name in labels if name in set(table["label"])]
    sns.histplot(
        table,
        y=along,
        weights="share",
        hue="label",
        hue_order=labels[::-1],
        palette={name: colour(name) for name in labels},
        multiple="stack",
        discrete=True,
        shrink=BAR,
        edgecolor=PAPER,
        linewidth=0.6,
        alpha=1,
        legend=False,
        ax=axes,
    )
    slices = table.set_index(["label", along])
    places = dict(enumerate(table[along].cat.categories))
    # seaborn stacks its groups from the last to the first
    for bars, name in zip(axes.containers[drawn:], labels, strict=True):
        for rectangle in bars:
            _label(axes, rectangle, name, slices, places, smallest)


def _label(
    axes: Axes,
    rectangle: Rectangle,
    name: str,
    slices: pd.DataFrame,
    places: dict[int, str],
    smallest: float,
) -> None:
    share, bar = rectangle.get_width(), places[round(rectangle.get_y() + rectangle.get_height() / 2)]
    if share <= 0:
        rectangle.remove()
        return
    tip(rectangle, f"{bar}: {slices.loc[(name, bar), 'tip']}")
    if share >= smallest:
        x, y = rectangle.get_center()
        ink = ink_on(colour(name))
        axes.text(x, y, percent(share), ha="center", va="center", color=ink, fontsize=8)


def _whiskers(axes: Axes, chosen: pd.DataFrame, labels: Sequence[str]) -> None:
    """Draw the interval of a slice's share at its end, low in the bar, where no number stands."""
    if "low" not in chosen:
        return
    rank = {name: place for place, name in enumerate(labels)}
    lines = chosen.assign(rank=chosen["label"].map(rank)).sort_values("rank")
    lines["end"] = lines.groupby("token_label", observed=True)["share"].cumsum()
    lines = lines[lines["low"].notna() & (lines["share"] >= SMALLEST_LABELLED) & (lines["end"] < 0.999)]
    start = lines["end"] - lines["share"]
    step = lines.groupby("token_label", observed=True).cumcount() % 2  # neighbours may overlap
    places = lines["token_label"].cat.codes + 0.2 + 0.1 * step
    whiskers(axes, start + lines["low"], start + lines["high"], places)


def legend_patches(labels: Sequence[str], only_thin: bool = True) -> list[Patch]:
    """Return a patch for every label; the one for the rest says what the rest is."""
    names = {OTHER: f"other (under {round_percent(THIN)} each)" if only_thin else "other, rarer labels"}
    return [Patch(color=colour(name), label=names.get(name, name)) for name in labels]


def _finish(axes: Axes, chosen: pd.DataFrame, tokens: Sequence[str]) -> None:
    counts = chosen.groupby("token_label", observed=True)["rows"].sum()
    axes.set_yticks(range(len(tokens)), list(tokens), fontfamily="DejaVu Sans Mono")
    axes.get_yticklabels()[0].set_fontfamily("DejaVu Sans")
    axes.set(xlim=(0, 1), ylim=(len(tokens) - 0.5, -0.5))
    axes.xaxis.set_major_formatter(lambda share, _: round_percent(share))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for place, name in enumerate(tokens):
        count = f"{counts[name]:,}".replace(",", "\u2009")
        axes.text(1.01, place, count, va="center", fontsize=7.5, color=FAINT)
    axes.text(1.01, -0.72, "rows", va="center", fontsize=7.5, color=FAINT)
