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
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.edges.classes import CLASS_BEHAVIOURS
from polyhead.model.head import Head
from polyhead.report.templating import environment
from polyhead.style import ROLES, colour, ordered

SOURCES = Path(__file__).parent / "page"
"""Folder with the templates, explorer.css and the modules of the script."""
MODULES = ("study", "find", "text", "facts", "heads")
"""What explorer.js imports, as `explorer/<name>`."""


def explorer_page(
    rows: dict[str, Any], model: str, study: str, heads: dict[str, Any] | None = None, command: str = ""
) -> str:
    """Return the page about `rows`, see `explorer_rows`, of a model and a study, by their names.

    `heads`: what `heads_map` returns, if all heads are to be shown too; `command`: what studies a head whose
    name is put behind it.
    """
    labels = {name for one in rows["prompts"] for of in one["labels"].values() for name in of["names"]}
    more = {
        "model": model,
        "study": study,
        "map": heads,
        "command": command,
        "colours": {label: colour(label) for label in ordered(labels)},
        "destination": ROLES["destination"],
    }
    page = environment(SOURCES).get_template("page.html")
    return page.render(
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


def heads_map(edges: pd.DataFrame, verdicts: pd.DataFrame, tasks: pd.DataFrame | None) -> dict[str, Any]:
    """Return every head's verdict and numbers, as plain data: None where a study has no such number.

    The tables are edges.csv, verdicts.csv and, where heads were tried on tasks, tasks_by_heads.csv.
    """
    heads = sorted(verdicts["head"], key=Head.parse)
    verdicts = verdicts.replace({"verdict": {"one": "one behaviour"}}).fillna({"behaviours": ""})
    verdicts = verdicts.set_index("head").loc[heads]
    wanted = {
        "whole row: cost in nats": ("cost", "all"),
        "entropy of a row in nats": ("entropy", "all"),
        "sink: mean mass": ("mass", "sink"),
    }
    for name in CLASS_BEHAVIOURS:
        wanted |= {f"{name}: share of rows": ("share", name), f"{name}: cost in nats": ("cost", name)}
    columns = edges.pivot(index="head", columns="edges", values=["share", "mass", "entropy", "cost"])
    numbers = {"layer": pd.Series({head: Head.parse(head).layer for head in heads})}
    numbers |= {name: columns[place] for name, place in wanted.items() if place in columns}
    numbers["explained share"] = verdicts["explained"]
    for task, drops in [] if tasks is None else tasks.groupby("task", sort=False):
        numbers[f"task {task}: drop"] = drops.set_index("head")["drop"]
    table = pd.DataFrame(numbers).reindex(heads).dropna(axis=1, how="all").astype(object)
    named = zip(verdicts["verdict"], verdicts["behaviours"], strict=True)
    return {
        "heads": heads,
        "verdicts": [f"{verdict}: {does}" if does else verdict for verdict, does in named],
        "numbers": {name: column.where(column.notna(), None).tolist() for name, column in table.items()},
    }
