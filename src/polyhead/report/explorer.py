"""A page to look at rows: any token of its prompts is a destination, whose row is drawn in the browser.

The page is a single file that loads nothing. What it shows is in its address, so that a row can be linked to:
`explorer.html#prompt=17&position=103`. Each of these may be there, joined by `&`:

- `head`, as 1.3: where the page shows another, it says so;
- `prompt`, its number in the study, or `<task>.<number>` of a template; `position`, of the destination;
- what rows are looked for: `q`, text that ends at the destination; `type`, of the source; `label`, as
  `post:previous`; `class`, of edges, that dominates; `low` and `high`, of the entropy in bits. Without a
  prompt the page opens on the first of these rows;
- of the map of all heads: `view=heads` opens it, as does an address without a prompt; `x`, `y` and `colour`,
  names of numbers; `chosen`, a head.
"""

from __future__ import annotations

import base64
import json
from itertools import chain
from pathlib import Path
from typing import Any

from polyhead.report.templating import environment
from polyhead.style import ROLES, colour, ordered

SOURCES = Path(__file__).parent / "page"
"""Folder with the templates, explorer.css and the modules of the script."""
MODULES = ("study", "find", "text", "facts", "heads")
"""What explorer.js imports, as `explorer/<name>`."""


def explorer_page(
    rows: dict[str, Any], model: str, study: str, heads: dict[str, Any] | None = None, command: str = ""
) -> str:
    """Return the page.

    Args:
        rows: what `explorer_rows` returns.
        model: the model's name.
        study: the study's name.
        heads: what `heads_map` returns, if all heads are to be shown too.
        command: what studies a head whose name is put behind it.
    """
    templates = environment(SOURCES)
    coded = [of for prompt in rows["prompts"] for of in prompt["labels"].values()]
    labels = ordered(set(chain.from_iterable(of["names"] for of in coded)))
    more = {
        "model": model,
        "study": study,
        "map": heads,
        "command": command,
        "colours": {label: colour(label) for label in labels},
        "destination": ROLES["destination"],
    }
    return templates.get_template("page.html").render(
        style=(SOURCES / "explorer.css").read_text(encoding="utf-8"),
        modules=as_script({"imports": {f"explorer/{name}": module(name) for name in MODULES}}),
        script=(SOURCES / "explorer.js").read_text(encoding="utf-8"),
        data=as_script(rows | more),
    )


def module(name: str) -> str:
    """Return a module of the script as an address that holds it."""
    source = (SOURCES / f"{name}.js").read_bytes()
    return f"data:text/javascript;charset=utf-8;base64,{base64.b64encode(source).decode()}"


def as_script(data: Any) -> str:
    """Return data as JSON that is safe inside a script element, whatever its strings contain."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
