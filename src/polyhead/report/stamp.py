"""What stands on every page of a report that was made from tables edited by hand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

SHOWN = 3
STYLE = (
    "position:sticky;top:0;z-index:99;margin:0;padding:.5em 1em;background:#8a1c1c;color:#fff;"
    "font:600 .9rem/1.4 sans-serif;overflow-wrap:anywhere"
)
ON_PAPER = """
#set page(header: text(size: 8pt, weight: "bold", fill: rgb("#8a1c1c"))[{}])
"""


def notice(edited: Sequence[str]) -> str:
    """Return the stamp as plain text; empty if nothing was edited."""
    if not edited:
        return ""
    more = f" and {len(edited) - SHOWN} more" if len(edited) > SHOWN else ""
    verb = "is" if len(edited) == 1 else "are"
    return f"Edited by hand: {', '.join(edited[:SHOWN])}{more} {verb} not what the workflow wrote."


def paper_stamp(edited: Sequence[str]) -> str:
    """Return Typst code that puts the stamp on every page; empty if nothing was edited."""
    text = notice(edited).replace("\\", "\\\\").replace('"', '\\"')
    return ON_PAPER.format(f'#"{text}"') if text else ""


def stamped(page: str, edited: Sequence[str]) -> str:
    """Return a web page with the stamp on top of it; the page as it is if nothing was edited."""
    if not edited:
        return page
    before, body, after = page.partition("<body>")
    return f'{before}{body}<p role="alert" style="{STYLE}">{escape(notice(edited))}</p>{after}'
