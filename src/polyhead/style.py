"""The look of all figures: colours of labels, their order, seaborn's settings, and how a figure is saved.

Colours differ in lightness as well as in hue, so that colour-blind readers and grey print can tell them
apart. A saved figure is on paper of its own, on dark screens too; its text is text.
"""

from __future__ import annotations

import io
import re
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from polyhead.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHER = "other"
"""Name of all labels together that are too rare for a colour of their own."""
UNKNOWN = "unknown"
THIN = 0.03
"""Share below which a label has no slice of its own."""

COLOURS = {
    "previous": "#0a4a86",
    "previous+induction": "#b0407c",
    "induction": "#d0661a",
    "inactive": "#79bfe8",
    "bos": "#79bfe8",
    "eos": "#b9e1f5",
    "current": "#2f8f5b",
    "duplicate": "#d8b021",
    "indent_bigger": "#7a5230",
    "indent_same": "#b08968",
    "indent_smaller": "#dcc3a1",
    "line_start": "#4fb3a9",
    "other": "#6d6096",
    "unknown": "#dcdcdc",
}
ROLES = {"destination": "#f2a03d", "source": "#e0574f", "answer": "#4fa866", "slot": "#7fa8d9"}
INK, PAPER, FAINT = "#1f2328", "#ffffff", "#6b7280"
"""Of text, of what should look empty, and of lines."""
THIS, REST = "#c2410c", "#9aa3ad"
"""What a figure is about, and what it is compared with."""
WIDTH = 7.4
"""Inches of a figure: the text's column on a screen."""
TIP = "tip:"
FALLBACKS = {"'DejaVu Sans'": "Verdana, sans-serif", "'DejaVu Sans Mono'": "Menlo, Consolas, monospace"}
"""Fonts about as wide, for readers who do not have ours."""
FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold")
"""Those of the PDF, on all machines."""
SVG = "http://www.w3.org/2000/svg"
LONG_NUMBER = re.compile(r"\d+\.\d{3,}")

RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a token may be a dollar sign
    "svg.hashsalt": "polyhead",
    "font.family": ["DejaVu Sans"],
    **dict.fromkeys(["font.size", "axes.labelsize", "axes.titlesize"], 9),
    **dict.fromkeys(["xtick.labelsize", "ytick.labelsize"], 8.5),
    "legend.fontsize": 8,
    **dict.fromkeys(["text.color", "axes.labelcolor", "xtick.color", "ytick.color"], INK),
    **dict.fromkeys(["axes.edgecolor", "grid.color"], FAINT),
    **dict.fromkeys(["axes.linewidth", "xtick.major.width", "ytick.major.width"], 0.8),
    **dict.fromkeys(["axes.spines.top", "axes.spines.right", "legend.frameon"], False),
    "axes.titlelocation": "left",
    "patch.edgecolor": PAPER,
    "patch.force_edgecolor": False,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "figure.constrained_layout.use": True,
}


def ordered(labels: Iterable[str]) -> list[str]:
    """Sort labels as figures and tables show them; mixes that are not listed come before `unknown`."""
    rank = {name: i for i, name in enumerate(COLOURS)}
    return sorted(set(labels), key=lambda name: (rank.get(name, rank[OTHER]), name))


def colour(label: str) -> str:
    """Return the colour of a label; that of a mix is the average of its parts, paler the more there are."""
    if label in COLOURS:
        return COLOURS[label]
    parts = [COLOURS.get(part, COLOURS[OTHER]) for part in label.split("+")]
    channels = zip(*(bytes.fromhex(part[1:]) for part in parts), strict=True)
    paler = 0.8 ** (len(parts) - 1)
    means = (255 - paler * (255 - sum(values) / len(parts)) for values in channels)
    return "#" + "".join(f"{int(mean):02x}" for mean in means)


def ink_on(fill: str) -> str:
    """Return the colour of text on a fill."""
    red, green, blue = bytes.fromhex(fill[1:])
    return PAPER if 0.299 * red + 0.587 * green + 0.114 * blue < 125 else "#14171a"


def fold(table: pd.DataFrame, rare: pd.Series, by: Sequence[str]) -> pd.DataFrame:
    """Add up the rows and shares of rare lines within each group of `by`, under the name `OTHER`.

    Their column `tip`, if there is one, says what they were; others, such as intervals, are left empty.
    """
    import pandas as pd

    how: dict[str, Any] = {"rows": "sum", "share": "sum"}
    how |= {"tip": lambda tips: ", ".join(["other", *tips])} if "tip" in table else {}
    sums = table[rare].groupby(list(by), observed=True, sort=False).agg(how).reset_index()
    return pd.concat([table[~rare], sums.assign(label=OTHER)], ignore_index=True) if len(sums) else table


def fold_rare(table: pd.DataFrame, by: Sequence[str], most: int) -> pd.DataFrame:
    """Keep the `most` labels with the largest shares, and `unknown`; add the others up as `OTHER`."""
    weight = table.groupby("label", observed=True)["share"].sum()
    if len(weight) <= most:
        return table
    return fold(table, ~table["label"].isin({*weight.nlargest(most - 1).index, UNKNOWN}), by)


def percent(share: float) -> str:
    """Format a share as a percentage, with a thin space before the sign; below ten with one decimal."""
    if 0 < share < 0.0005:  # it would be printed as none
        return "<0.1\u202f%"
    digits = 1 if share != 0 and abs(share) < 0.0995 else 0
    return f"{share:.{digits}%}".replace("%", "\u202f%")


def round_percent(share: float) -> str:
    """Format a share that was chosen, such as a tick of an axis or a bound: without needless decimals."""
    return f"{100 * share:g}\u202f%"


def signed(value: float, digits: int) -> str:
    """Format a number with the minus sign of print."""
    return f"{value:.{digits}f}".replace("-", "\u2212")


@contextmanager
def style() -> Iterator[None]:
    """Apply the settings of this project over seaborn's, and a backend that needs no display."""
    import matplotlib
    import seaborn as sns

    theme = {**sns.axes_style("ticks"), **sns.plotting_context("paper"), **RC}
    with matplotlib.rc_context({"backend": "agg", **theme}):
        yield


def font(name: str) -> Path:
    """Return the file of a font that comes with matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"


@cache
def _in_fonts() -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    return frozenset("\n\t").union(*(map(chr, FT2Font(str(font(name))).get_charmap()) for name in FONTS))


def in_our_fonts(text: str) -> str:
    """Return text with their codes for characters that our fonts lack, each named in the log."""
    lacking = sorted(set(text) - _in_fonts())
    if lacking:
        print(f"characters that the fonts lack: {' '.join(map(ascii, lacking))}")
    return text.translate({ord(each): ascii(each)[1:-1] for each in lacking})


def headline(figure: Figure, message: str) -> None:
    """Say above a figure what it shows; the report repeats it for readers who cannot see the figure."""
    message = in_our_fonts(message)
    title = figure.suptitle(message, x=0.01, ha="left", fontsize=10, fontweight="bold")
    characters = len(message)
    while characters > 20 and title.get_window_extent().width > 0.96 * figure.bbox.width:
        characters -= 2
        title.set_text(textwrap.fill(message, characters, break_long_words=False, break_on_hyphens=False))


def tip(artist: Artist, text: str) -> None:
    """Give a shape a text that shows where a reader points at it."""
    artist.set_gid(TIP + text)


def heatmap(
    axes: Axes, matrix: pd.DataFrame, texts: pd.DataFrame, largest: float, mask: pd.DataFrame | None = None
) -> None:
    """Shade cells from minus `largest` to `largest`, each with its text."""
    import matplotlib as mpl
    import seaborn as sns

    shades = mpl.colors.ListedColormap(sns.color_palette("vlag", 41))
    look: dict[str, Any] = {"fmt": "", "annot_kws": {"fontsize": 7.5}, "linewidths": 1, "linecolor": PAPER}
    look |= {"cbar": False, "clip_on": False, "mask": mask}
    sns.heatmap(matrix, ax=axes, cmap=shades, vmin=-largest, vmax=largest, annot=texts, **look)
    axes.tick_params(length=0, rotation=0)


def whiskers(
    axes: Axes, low: Iterable[Any], high: Iterable[Any], places: Iterable[Any], tone: Any = INK
) -> None:
    """Draw intervals along x, with a rim of paper so that they can be read on any fill."""
    from matplotlib.patheffects import Normal, Stroke

    rim = [Stroke(linewidth=3.2, foreground=PAPER), Normal()]
    axes.hlines(list(places), list(low), list(high), colors=tone, linewidth=1.5, zorder=2.5, path_effects=rim)


def label_ends(axes: Axes, ends: Mapping[str, float], x: float) -> None:
    """Name lines at their right ends, x, instead of in a legend; names too close for reading are moved apart.

    `ends`: the last value of each line, by its name. Limits, labels and ticks must be final.
    """
    bottom, top = axes.get_ylim()
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # only then the height is known
    gap = 10.5 / 72 * figure.dpi / axes.get_window_extent().height  # a line of small text is 10.5 points
    wanted = sorted(((value - bottom) / (top - bottom), name) for name, value in ends.items())
    for (at, name), place in zip(wanted, spread([at for at, _ in wanted], gap), strict=True):
        axes.annotate(
            name,
            (x, bottom + at * (top - bottom)),
            (1.035, place),
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "color": FAINT, "lw": 0.5, "shrinkA": 1, "shrinkB": 3},
        )


def spread(wanted: Sequence[float], gap: float) -> Float[ndarray, " name"]:
    """Return places at least `gap` apart: the wanted ones, which ascend, moved up, and down from the top."""
    steps = gap * np.arange(len(wanted))
    upward = np.maximum.accumulate(np.asarray(wanted) - steps) + steps
    return np.minimum(upward, max(1.0, *wanted[-1:]) - steps[::-1])


def empty_figure(why: str) -> Figure:
    """Return a small figure that says why there is nothing to draw."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(WIDTH, 0.5))
    figure.suptitle(why, fontsize=9, color=FAINT)
    return figure


def save_svg(figure: Figure, path: Path | str) -> None:
    """Write a figure as SVG, with text as text and its headline as its description, and close it.

    The same figure gives the same bytes. A text of `tip` becomes the title of its shape. matplotlib's rule
    for all elements, which would leak into a page, becomes attributes of the root. Places are to a hundredth
    of a point: a map of many heads has thousands of them.
    """
    import matplotlib.pyplot as plt

    plain = io.StringIO()
    figure.savefig(plain, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    plt.close(figure)
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ET.fromstring(plain.getvalue())
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}
    for element in list(root.iter()):
        for name in element.attrib.keys() & {"d", "x", "y", "transform"}:
            element.attrib[name] = LONG_NUMBER.sub(_to_hundredths, element.attrib[name])
        if element.get("id", "").startswith(TIP):
            _put_first(element, "title", element.attrib.pop("id").removeprefix(TIP))
        elif element.tag == f"{{{SVG}}}style":
            element.text = ""
    _put_first(root, "desc", " ".join(figure.get_suptitle().split()))
    svg = ET.tostring(root, encoding="unicode") + "\n"
    write_text(path, re.sub("'DejaVu Sans( Mono)?'", lambda font: f"{font[0]}, {FALLBACKS[font[0]]}", svg))


def _to_hundredths(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}"


def _put_first(element: ET.Element, name: str, text: str) -> None:
    child = ET.Element(f"{{{SVG}}}{name}")
    child.text = text
    element.insert(0, child)


def is_empty(svg: str) -> bool:
    """Whether a saved figure is one of `empty_figure`."""
    return 'id="axes_' not in svg and 'id="figure_1"' in svg


def headline_of(svg: str) -> str:
    """Return what a saved figure says it shows; an empty text if it says nothing."""
    return ET.fromstring(svg).findtext(f"{{{SVG}}}desc") or ""
