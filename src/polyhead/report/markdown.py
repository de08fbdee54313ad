"""Pandoc markdown: escaped text, token labels, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd

SIDES = {"l": "left", "r": "right", "c": "center"}
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$@'\"])")


def escape(text: str) -> str:
    """Escape text so that markdown prints it unchanged."""
    return SPECIAL.sub(r"\\\1", text.replace("\n", " "))


def code(text: str) -> str:
    """Return text as inline code, whatever characters it has; token labels are printed this way."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def listing(items: Iterable[str]) -> str:
    """Join items for a sentence: `a`, `a and b`, `a, b and c`."""
    *others, last = items
    return f"{', '.join(others)} and {last}" if others else last


def emphasis(text: str) -> str:
    """Return text in italics."""
    return f"*{text}*"


def plain(markdown: str) -> str:
    """Return a sentence without markup and double quotes, for use in a quoted attribute."""
    return markdown.translate(str.maketrans("", "", "*`\\")).replace('"', "'")


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], align: str, caption: str, identifier: str
) -> str:
    """Return a table with its caption, in a box that scrolls sideways on narrow screens; nothing if empty.

    Args:
        header: column names.
        rows: cells, already markdown.
        align: one letter per column: l, r or c.
        caption: markdown.
        identifier: `tbl-…`, for cross-references.
    """
    if not rows:
        return ""
    sides = [SIDES[letter] for letter in align]
    body = pd.DataFrame(rows, columns=header).to_markdown(index=False, disable_numparse=True, colalign=sides)
    return f"::: {{.scroll}}\n\n{body}\n\n: {caption} {{#{identifier}}}\n\n:::\n"
