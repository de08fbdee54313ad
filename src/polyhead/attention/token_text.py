"""Pictures of a prompt's text: one box per token, coloured by attention or by role.

The text stays text (it can be selected and searched), lines break where the prompt has a newline, and every
string is escaped, since a prompt may hold anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape, quoteattr

from polyhead.style import FAINT, INK, PAPER, in_our_fonts

CHARACTER, LINE, SIZE, PAD = 7.3, 19.0, 12, 10
QUIET = 0.2  # grey text is readable on fills up to this opacity
LEAST_SEEN = 0.03  # opacity
FONT = "DejaVu Sans Mono, Menlo, Consolas, monospace"


@dataclass(frozen=True)
class TokenBox:
    """One token to draw: its label, fill (`#rrggbb`), opacity of the fill, outline, and hover text."""

    label: str
    fill: str = PAPER
    opacity: float = 1.0
    outline: str = ""
    hover: str = ""
    breaks: bool = False
    """Whether the text after this token starts on a new line."""


def token_picture(boxes: Sequence[TokenBox], columns: int = 96, description: str = "") -> str:
    """Return an SVG document that shows the boxes in lines of at most `columns` characters."""
    boxes = [replace(box, label=in_our_fonts(box.label)) for box in boxes]
    places = _layout(boxes, columns)
    width = max((column + _cells(box) for (_, column), box in zip(places, boxes, strict=True)), default=1)
    height = (places[-1][0] + 1 if places else 1) * LINE + 2 * PAD
    body = "".join(_draw(box, *place) for box, place in zip(boxes, places, strict=True))
    size = f'width="{width * CHARACTER + 2 * PAD:.0f}" height="{height:.0f}"'
    view = f'viewBox="0 0 {width * CHARACTER + 2 * PAD:.0f} {height:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view} role="img" font-family={quoteattr(FONT)} '
        f'font-size="{SIZE}" fill="{INK}"><title>{_clean(description)}</title>'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>{body}</svg>\n'
    )


def _cells(box: TokenBox) -> int:
    return max(1, len(box.label))


def _layout(boxes: Sequence[TokenBox], columns: int) -> list[tuple[int, int]]:
    """Return (line, column) of every box."""
    line, column, places = 0, 0, []
    for box in boxes:
        if column and column + _cells(box) > columns:
            line, column = line + 1, 0
        places.append((line, column))
        column += _cells(box)
        if box.breaks:
            line, column = line + 1, 0
    return places


def _draw(box: TokenBox, line: int, column: int) -> str:
    """Draw a token; a fill that nobody sees is left out, with its hover text: most weights are hardly any."""
    x, y, width = PAD + column * CHARACTER, PAD + line * LINE, _cells(box) * CHARACTER
    outline = f' stroke="{box.outline}" stroke-width="1.6"' if box.outline else ""
    bare = box.fill == PAPER or box.opacity < LEAST_SEEN
    blank = box.label.strip("⏎·[]×0123456789") == "" and "⏎" in box.label
    ink = f' fill="{FAINT}"' if blank and (bare or box.opacity < QUIET) else ""
    text = f'<text x="{x:.1f}" y="{y + 12:.1f}" textLength="{width:.1f}"{ink}>{_clean(box.label)}</text>'
    if bare and not outline:
        return text
    return (
        f'<g><title>{_clean(box.hover)}</title><rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{LINE - 3:.1f}" rx="2" fill="{box.fill}" fill-opacity="{box.opacity:.3f}"{outline}/>'
        f"{text}</g>"
    )


def _clean(text: str) -> str:
    """Escape text for XML; characters that XML does not allow are codes."""
    return escape(in_our_fonts(text))
