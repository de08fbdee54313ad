"""Pieces of Pandoc markdown: escaped text, token labels, tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$@'\"])")


def escape(text: str) -> str:
    """Return text that markdown prints as it is."""
    return SPECIAL.sub(r"\\\1", text.replace("\n", " "))


def code(text: str) -> str:
    """Return text as inline code, whatever characters it has; a token label is shown so."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def listing(items: Sequence[str]) -> str:
    """Join items as a sentence does: `a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], align: str, caption: str, identifier: str
) -> str:
    """Return a pipe table with its caption, in a box that scrolls sideways where the page is narrow.

    Args:
        header: column names.
        rows: cells, already markdown.
        align: one letter per column: l, r or c.
        caption: markdown.
        identifier: `tbl-…`, for cross-references.
    """
    marks = {"l": ":{}-", "r": "-{}:", "c": ":{}:"}
    widths = [max(len(row[k]) for row in [header, *rows]) for k in range(len(header))]
    ruler = [marks[side].format("-" * width) for side, width in zip(align, widths, strict=True)]
    lines = ["| " + " | ".join(cells) + " |" for cells in ([*header], ruler, *rows)]
    body = "\n".join(lines)
    return f"::: {{.scroll}}\n\n{body}\n\n: {caption} {{#{identifier}}}\n\n:::\n"
