"""Shares of behaviours against the threshold and the window, the study's own values marked."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyhead.style import (
    FAINT,
    OTHER,
    THIN,
    UNKNOWN,
    WIDTH,
    colour,
    fold_rare,
    headline,
    label_ends,
    ordered,
    percent,
    round_percent,
)

LINES = 7


def sensitivity_figure(table: pd.DataFrame, window: int, threshold: float) -> Figure:
    """Draw the shares of each taxonomy against τ at the study's K, and those of `post` against K at its τ."""
    at_window = table[table["previous_window"] == window]
    panels = [(name, "threshold", at_window[at_window["taxonomy"] == name]) for name in ("post", "extended")]
    at_threshold = table[np.isclose(table["threshold"], nearest(table["threshold"], threshold))]
    panels.insert(0, ("post", "previous_window", at_threshold[at_threshold["taxonomy"] == "post"]))
    panels = [panel for panel in panels if len(panel[2])]
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.1), sharey=True, squeeze=False)
    marks = {"threshold": threshold, "previous_window": window}
    titles = {"threshold": "threshold τ", "previous_window": "window K"}
    fixed = {"threshold": f"K = {window}", "previous_window": f"τ = {threshold:g}"}
    for place, (taxonomy, variable, _) in zip(axes[0], panels, strict=True):
        place.set(ylim=(0, 1), title=f"{taxonomy}, {fixed[variable]}")
        place.axvline(marks[variable], color=FAINT, lw=0.8, ls=(0, (3, 3)), zorder=0)
        place.set(xlabel=titles[variable], ylabel="share of rows")
    axes[0, 0].yaxis.set_major_formatter(lambda share, _: round_percent(share))
    headline(figure, sensitivity_in_short(at_window))
    for place, (_, variable, part) in zip(axes[0], panels, strict=True):
        _lines(place, part, variable)
    return figure


def sensitivity_in_short(table: pd.DataFrame) -> str:
    """Say how the share of unknown rows moves with the threshold, by taxonomy."""
    low, high = table["threshold"].min(), table["threshold"].max()
    shares = table[table["label"] == UNKNOWN].pivot_table(
        index="threshold", columns="taxonomy", values="share", sort=False
    )
    moves = [
        f"{percent(line.iloc[0])} to {percent(line.iloc[-1])} ({taxonomy})"
        for taxonomy, line in shares.sort_index().items()
    ]
    if not moves:
        return "No row is unknown at any threshold"
    return f"From τ {low:g} to {high:g}, unknown rows go from {', '.join(moves)}"


def nearest(values: pd.Series, wanted: float) -> float:
    """Return the value that is nearest to the wanted one."""
    return float(values.iloc[(values - wanted).abs().argmin()])


def _lines(axes: Axes, part: pd.DataFrame, variable: str) -> None:
    """Draw a line per label; labels that are thin everywhere, and the rarest, are added up."""
    rare = part.groupby("label", observed=True)["share"].max().pipe(lambda most: most.index[most < THIN])
    part = part.assign(label=part["label"].astype(str).where(~part["label"].isin(rare), OTHER))
    part = part.groupby(["label", variable], as_index=False, observed=True)[["rows", "share"]].sum()
    part = fold_rare(part, [variable], LINES)
    names = ordered(part["label"])
    tones = {name: FAINT if name == UNKNOWN else colour(name) for name in names}
    lines = {"hue": "label", "hue_order": names, "palette": tones, "style": "label", "style_order": names}
    sns.lineplot(
        part,
        x=variable,
        y="share",
        **lines,
        dashes=False,
        markers=["o", "s", "D", "^", "v", "P", "X", "*"][: len(names)],
        markersize=4,
        markeredgewidth=0,
        linewidth=1.6,
        errorbar=None,
        legend=False,
        ax=axes,
    )
    last = float(part[variable].max())
    if variable == "threshold":  # the panel of windows shows the same lines as the one beside it
        label_ends(axes, part[part[variable] == last].set_index("label")["share"].to_dict(), last)
    else:
        axes.set_xticks(sorted(set(part[variable])))
