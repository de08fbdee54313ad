"""One look for every figure: a palette for behaviours, a label order, matplotlib settings.

The colours differ in lightness as well as hue, so that they survive colour blindness and grey print.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from matplotlib.figure import Figure

OTHER = "other"
"""What a figure calls the labels that are too rare for a colour of their own."""

COLOURS = {
    "previous": "#0a4a86",
    "previous+induction": "#b0407c",
    "induction": "#e07b2f",
    "inactive": "#67b7e1",
    "bos": "#67b7e1",
    "eos": "#a5d8f0",
    "current": "#2f8f5b",
    "duplicate": "#d8b021",
    "indent_bigger": "#7a5230",
    "indent_same": "#b08968",
    "indent_smaller": "#dcc3a1",
    "other": "#9a8fb8",
    "unknown": "#dcdcdc",
}
ROLES = {"destination": "#f2a03d", "attended": "#e0574f", "answer": "#4fa866", "slot": "#7fa8d9"}
INK, PAPER, FAINT = "#1f2328", "#ffffff", "#6b7280"
ORDER = list(COLOURS)
PALER = 0.8

RC = {
    "svg.fonttype": "none",
    "svg.hashsalt": "polyhead",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "figure.constrained_layout.use": True,
}


def ordered(labels: Iterable[str]) -> list[str]:
    """Sort behaviour labels the way every figure and table shows them; unlisted mixes before `unknown`."""
    rank = {name: i for i, name in enumerate(ORDER)}
    return sorted(set(labels), key=lambda name: (rank.get(name, rank[OTHER]), name))


def colour(label: str) -> str:
    """Return a label's colour; a mix has the average of its parts, paler the more there are."""
    if label in COLOURS:
        return COLOURS[label]
    parts = [COLOURS.get(part, COLOURS[OTHER]) for part in label.split("+")]
    channels = zip(*(bytes.fromhex(part[1:]) for part in parts), strict=True)
    paler = PALER ** (len(parts) - 1)
    means = (255 - paler * (255 - sum(values) / len(parts)) for values in channels)
    return "#" + "".join(f"{int(mean):02x}" for mean in means)


def fold_rare(table: pd.DataFrame, by: Sequence[str], most: int) -> pd.DataFrame:
    """Keep the `most` behaviours with the largest shares, and `unknown`; add the others up as `OTHER`.

    Rows and shares are added within each group `by`; other columns, intervals among them, are left empty.
    """
    import pandas as pd

    weight = table.groupby("behaviour", observed=True)["share"].sum()
    if len(weight) <= most:
        return table
    kept = {*weight.nlargest(most - 1).index, "unknown"}
    rare = ~table["behaviour"].isin(kept)
    sums = table[rare].groupby(list(by), observed=True, sort=False)[["rows", "share"]].sum().reset_index()
    return pd.concat([table[~rare], sums.assign(behaviour=OTHER)], ignore_index=True)


def percent(share: float) -> str:
    """Write a share as a whole percentage, with the thin space that the figures use."""
    return f"{share:.0%}".replace("%", "\u202f%")


@contextmanager
def style() -> Iterator[None]:
    """Apply the house settings of matplotlib, without a display."""
    import matplotlib

    with matplotlib.rc_context({"backend": "agg", **RC}):
        yield


def save_svg(figure: Figure, path: object) -> None:
    """Write a figure as SVG with text as text, the same bytes every time; close it."""
    import matplotlib.pyplot as plt

    from polyhead.files import replacing

    with replacing(path) as temporary:  # type: ignore[arg-type]
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)
