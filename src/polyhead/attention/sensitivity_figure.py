"""Figure: shares of labels against the threshold and the window, the study's own values marked."""

from __future__ import annotations

import matplotlib.pyplot as plt
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
    label_ends,
    ordered,
    round_percent,
)

LINES = 7
NAMES = {"threshold": "threshold τ", "previous_window": "window K"}


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
        place.set(title=name, ylim=(0, 1), xlabel=NAMES[along], ylabel="share of rows")
        place.axvline(own[along], color=FAINT, lw=0.8, ls=(0, (3, 3)), zorder=0)
    for place, (part, _, along) in zip(axes[0], panels, strict=True):
        _lines(place, part, along)
    return figure


def _lines(axes: Axes, part: pd.DataFrame, along: str) -> None:
    """Draw a line per label; labels that are thin everywhere, and the rarest, are added up."""
    rare = part.groupby("label")["share"].transform("max") < THIN
    part = part.assign(label=part["label"].where(~rare, OTHER))
    part = part.groupby(["label", along], as_index=False)[["rows", "share"]].sum()
    part = fold_rare(part, [along], LINES)
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
