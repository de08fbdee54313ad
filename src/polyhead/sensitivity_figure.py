"""Shares of behaviours against the threshold and the window, the study's own values marked."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polyhead.style import FAINT, colour, fold_rare, ordered, percent

LEGEND = 8


def sensitivity_figure(table: pd.DataFrame, window: int, threshold: float) -> Figure:
    """Draw, per taxonomy, shares against τ at the study's K; and for `post` against K at the study's τ."""
    at_window = table[table["previous_window"] == window]
    panels = [(name, "threshold", at_window[at_window["taxonomy"] == name]) for name in ("post", "extended")]
    at_threshold = table[np.isclose(table["threshold"], nearest(table["threshold"], threshold))]
    panels.insert(1, ("post", "previous_window", at_threshold[at_threshold["taxonomy"] == "post"]))
    panels = [panel for panel in panels if len(panel[2])]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(7.4, 3.3), sharey=True, layout="constrained", squeeze=False
    )
    marks = {"threshold": threshold, "previous_window": window}
    titles = {"threshold": "threshold τ", "previous_window": "window K"}
    fixed = {"threshold": f"K = {window}", "previous_window": f"τ = {threshold:g}"}
    for place, (taxonomy, variable, part) in zip(axes[0], panels, strict=True):
        _lines(place, part, variable)
        if variable == "threshold":  # the panel of windows shows the same labels as the first
            place.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), fontsize=7, handlelength=1.2)
        if variable == "previous_window":
            place.set_xticks(sorted(set(part[variable])))
        place.axvline(marks[variable], color=FAINT, lw=0.8, ls=(0, (3, 3)), zorder=0)
        place.set(xlabel=titles[variable], ylim=(0, 1), title=f"{taxonomy}, {fixed[variable]}")
    axes[0, 0].set_ylabel("share of rows")
    axes[0, 0].yaxis.set_major_formatter(lambda share, _: percent(share))
    return figure


def nearest(values: pd.Series, wanted: float) -> float:
    """Return the value of a grid that lies nearest."""
    return float(values.iloc[(values - wanted).abs().argmin()])


def _lines(axes: Axes, part: pd.DataFrame, variable: str) -> None:
    part = fold_rare(part, [variable], LEGEND)
    for name in ordered(part["behaviour"]):
        line = part[part["behaviour"] == name].sort_values(variable)
        ink = "#9a9a9a" if name == "unknown" else colour(name)
        axes.plot(line[variable], line["share"], color=ink, label=name, marker=".", ms=3.5, lw=1.4)
