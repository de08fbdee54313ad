"""Numbers of a report: cells of a study's tables, looked up by name, and recorded where they are printed.

A document names a table, a column, the row: `v("ablation", "drop", "points", task="previous", run="edge")`.
What does not exist is an error (`PolyheadError`); what this study did not ask for is `NotAskedError`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.attention.labels import POST, UNKNOWN
from polyhead.edges.classes import CLASSES
from polyhead.errors import PolyheadError, did_you_mean
from polyhead.files import read_csv, read_json, write_json

STUDY_TABLES = ("atlas", "edges", "tasks_by_heads", "verdicts")
HEAD_TABLES = (
    *("ablation", "ablation_positions", "contrasts", "distribution", "moments", "sensitivity"),
    *("mechanism/needs", "mechanism/scores"),
)
FILES = ("sampling", "selection")
PROVENANCE = ("code", "config", "files", "machine", "model", "stages", "transformer_lens")
"""JSON files and parts of provenance.json that are read as tables: of one row, or of a row for each name."""
VOCABULARY = {
    "taxonomy": ("post", "extended"),
    "edges": (*CLASSES, "all", "none"),
    "run": ("clean", "ablated", "edge", "elsewhere"),
    "method": ("bos", "zero", "mean", "resample"),
    "does": ("yes", "no", "undecided", "not asked"),
    "verdict": ("none", "one", "polysemantic", "undecided"),
}
"""What a column can have: a row that is asked for by another value is misspelt, not missing."""

NBSP, MINUS, NOTHING = "\u00a0", "−", "–"
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$@'\"])")


def escape(text: object) -> str:
    """Return text that markdown prints as it is, on one line."""
    return SPECIAL.sub(r"\\\1", str(text).replace("\n", " "))


def code(text: object) -> str:
    """Return text as inline code, whatever characters it has; token labels are printed this way."""
    fence = "`" * (max(map(len, re.findall("`+", str(text))), default=0) + 1)
    pad = " " if "`" in (str(text)[:1], str(text)[-1:]) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def spaced(name: object) -> str:
    """Return a name from a table in words: underscores are spaces, and spaces stand around a plus."""
    return escape(str(name).replace("_", " ").replace("+", " + "))


def _percent(share: float) -> str:
    return f"<0.1{NBSP}%" if 0 < share < 0.0005 else f"{100 * share:.1f}{NBSP}%"


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}{NBSP}min {rest}{NBSP}s" if minutes else f"{seconds:.1f}{NBSP}s"


NUMBERS = {
    "percent": _percent,
    "points": lambda x: f"{100 * x:.1f}{NBSP}pp",
    "prob": lambda x: f"{x:.2f}",
    "nats": lambda x: f"{x:.3f}{NBSP}nats",
    "tiny": lambda x: f"{x:.1e}",
    "count": lambda x: f"{round(x):,}",
    "setting": lambda x: f"{x:g}",
    "seconds": _seconds,
    "memory": lambda x: f"{x:.0f}{NBSP}MiB",
    "megabytes": lambda x: f"{x / 1e6:.1f}{NBSP}MB",
}
WORDS = {"text": escape, "code": code, "spaced": spaced}
"""How numbers are printed, and how words."""
NAMES = ("v", "maybe", "count", "total", "has", "each", "top", "rows", "listed")


class NotAskedError(PolyheadError):
    """This study has no such table or row: a task that it does not run, a stage that it leaves out."""


@dataclass(frozen=True)
class Number:
    """A cell, its interval, and where it is from. Printing it records it in `log`; reading it does not."""

    value: Any
    low: float = nan
    high: float = nan
    form: str = "text"
    table: str = ""
    row: Any = None
    """Its row's number in the file, the first being 0; of a count or a sum, what the rows have in common."""
    column: str = ""
    log: list[dict[str, Any]] = field(default_factory=list, compare=False, repr=False)

    @property
    def missing(self) -> bool:
        """Whether the cell is empty: nothing was measured there."""
        return self.value in (None, "") or (isinstance(self.value, float) and isnan(self.value))

    @property
    def text(self) -> str:
        """The number as it is printed, not recorded."""
        return NOTHING if self.missing else self._said(self.value)

    @property
    def with_interval(self) -> str:
        """The number with its interval, in one unit, not recorded; without one, the number."""
        if self.missing or isnan(self.low) or isnan(self.high) or self.low == self.high == self.value:
            return self.text
        low, high = (self._said(end).split(NBSP)[0] for end in (self.low, self.high))
        return f"{self.text} [{low},{NBSP}{high}]"

    def __str__(self) -> str:
        return self._recorded(self.text)

    @property
    def ci(self) -> str:
        """The number with its interval, for tables."""
        return self._recorded(self.with_interval)

    def _said(self, value: Any) -> str:
        if self.form in WORDS:
            return WORDS[self.form](value)
        text = NUMBERS[self.form](float(value))
        return (text if re.search("[1-9]", text) else text.lstrip("-")).replace("-", MINUS)

    def _recorded(self, text: str) -> str:
        if not self.missing:
            low, high = (None if isnan(end) else end for end in (self.low, self.high))
            place = {"table": self.table, "row": self.row, "column": self.column}
            self.log.append({"value": self.value, "text": text, "low": low, "high": high, **place})
        return text


def exact(value: float | int, form: str = "text", *place: Any) -> Number:
    """Return a number that is known without an interval: one that was counted, or written down."""
    return Number(value, float(value), float(value), form, *place)


class Values:
    """The tables of a study and of one of its heads, and what was printed of them."""

    def __init__(self, study: Path, head: str) -> None:
        self.study, self.head = study, head
        self.printed: list[dict[str, Any]] = []
        self.table = cache(self._read)
        self.names = {name: getattr(self, name) for name in NAMES}
        """What documents call, by name."""

    def path(self, name: str) -> Path:
        """Return the file of a table; an error if no study has a table of this name."""
        known(name, (*STUDY_TABLES, *HEAD_TABLES, *FILES, *PROVENANCE), "there is no table")
        if name in (*FILES, *PROVENANCE):
            return self.study / f"{name if name in FILES else 'provenance'}.json"
        return (self.study / "heads" / self.head if name in HEAD_TABLES else self.study) / f"{name}.csv"

    def select(self, name: str, where: Mapping[str, Any]) -> pd.DataFrame:
        """Return the rows of a table in which columns have the given values, or one of a list.

        `second *` stands for all values that begin with `second `, `> 0.5` for all above that.
        """
        rows = self.table(name)
        for column, wanted in where.items():
            known(column, rows.columns, f"table {name} has no column")
            if str(wanted).startswith("> "):
                rows = rows[rows[column] > float(str(wanted)[2:])]
                continue
            choices = [str(each) for each in (wanted if isinstance(wanted, list) else [wanted])]
            labels = (*POST, UNKNOWN) if column == "label" and where.get("taxonomy") == "post" else ()
            for value in choices:
                known(value, VOCABULARY.get(column) or labels or choices, f"table {name} has no {column}")
            begins = tuple(each[:-1] for each in choices if each.endswith(" *"))
            text = rows[column].astype(str)
            rows = rows[text.isin(choices) | text.str.startswith(begins)]
        return rows

    def cell(self, name: str, row: int, column: str, form: str = "text") -> Number:
        """Return a cell by its row's number, with an interval where the table has one."""
        table = self.table(name)
        known(column, table.columns, f"table {name} has no column")
        known(form, (*NUMBERS, *WORDS), "there is no form")
        value = table.at[row, column]
        value = value.item() if hasattr(value, "item") else value
        sides = [f"{column}_low", f"{column}_high"]
        ends = table.loc[row, sides] if sides[0] in table else [nan if isinstance(value, str) else value] * 2
        low, high = map(float, ends)
        return Number(value, low, high, form, self._place(name), int(row), column, self.printed)

    def v(self, name: str, column: str, form: str = "text", largest: bool = False, **where: Any) -> Number:
        """Return the cell of the one row that matches, or of that with the largest value."""
        rows = self._largest(name, column, 1, where) if largest else self.select(name, where)
        known(column, rows.columns, f"table {name} has no column")
        said = ", ".join(f"{column} is {value}" for column, value in where.items()) or "there is no condition"
        if rows.empty:
            raise NotAskedError(f"table {name} has no row where {said}")
        if len(rows) > 1:
            raise PolyheadError(f"{len(rows)} rows of table {name} match where {said}; one is needed")
        return self.cell(name, rows.index[0], column, form)

    def maybe(self, name: str, column: str, form: str = "text", **where: Any) -> Number:
        """Return what `v` does; a dash where this study has no such row."""
        try:
            return self.v(name, column, form, **where)
        except NotAskedError:
            return Number(nan, form=form)

    def count(self, name: str, **where: Any) -> Number:
        """Return how many rows match; this is exact."""
        return exact(len(self.select(name, where)), "count", self._place(name), where, "rows", self.printed)

    def total(self, name: str, column: str, form: str, **where: Any) -> Number:
        """Return the sum of a column over the rows that match."""
        value = self.select(name, where)[column].sum().item()
        return exact(value, form, self._place(name), where, column, self.printed)

    def has(self, name: str, **where: Any) -> bool:
        """Return whether this study has such rows."""
        try:
            return not self.select(name, where).empty
        except NotAskedError:
            return False

    def each(self, name: str, column: str, **where: Any) -> list[Any]:
        """Return the different values of a column in the rows that match, in the table's order."""
        return self.select(name, where)[column].unique().tolist()

    def top(self, name: str, by: str, most: int = 1, **where: Any) -> list[dict[str, Any]]:
        """Return the rows that match with the largest values of a column, each as {column: value}."""
        return self._largest(name, by, most, where).to_dict("records")

    def rows(self, name: str, columns: Mapping[str, str], caption: str, key: str, **where: Any) -> str:
        """Return the rows that match as a markdown table, numbers with intervals; nothing if there are none.

        `columns`: heading → `column:form`; `caption`: markdown; `key`: `tbl-…`, for cross-references.
        """
        specs = [spec.split(":") for spec in columns.values()]
        sides = ["--:" if form in NUMBERS else ":--" for _, form in specs]
        lines = [[self.cell(name, row, *spec).ci for spec in specs] for row in self.select(name, where).index]
        body = "\n".join(f"| {' | '.join(line)} |" for line in ([*columns], sides, *lines))
        return f"::: {{.scroll}}\n\n{body}\n\n: {caption} {{#{key}}}\n\n:::\n" if lines else ""

    def listed(self, name: str, shown: str, by: str, most: int = 4, **where: Any) -> str:
        """Return the rows that match with the largest values of column `by` as a phrase: `a, b and c`.

        `shown` is what is said of a row, with `{column:form}` where its cells stand.
        """

        def said(row: int) -> str:
            return re.sub(r"{(\w+):(\w+)}", lambda of: str(self.cell(name, row, of[1], of[2])), shown)

        return listing(map(said, self._largest(name, by, most, where).index))

    def write(self, path: Path) -> None:
        """Write `numbers.json`: all that was printed, each number of a place and form once."""
        write_json(path, list({str(record): record for record in self.printed}.values()))

    def _largest(self, name: str, by: str, most: int, where: Mapping[str, Any]) -> pd.DataFrame:
        rows = self.select(name, where)
        known(by, rows.columns, f"table {name} has no column")
        return rows[rows[by].notna()].nlargest(most, by)

    def _place(self, name: str) -> str:
        return str(self.path(name).relative_to(self.study)) + (f":{name}" if name in PROVENANCE else "")

    def _read(self, name: str) -> pd.DataFrame:
        path = self.path(name)
        if not path.is_file():
            raise NotAskedError(f"this study makes no table {name}")
        return read_csv(path) if path.suffix == ".csv" else record(read_json(path), name)


def listing(phrases: Any) -> str:
    """Join phrases: `a`, `a and b`, `a, b and c`; nothing of none."""
    *others, last = list(phrases) or [""]
    return f"{', '.join(others)} and {last}" if others else last


def known(name: str, names: Any, problem: str) -> None:
    """Raise `PolyheadError` with the nearest spelling if a name is not among those that are known."""
    if name not in (names := list(names)):
        raise PolyheadError(f"{problem} {name!r}; {did_you_mean(name, names, 'there is')}")


def record(found: Mapping[str, Any], name: str) -> pd.DataFrame:
    """Return a JSON file, or a part of provenance.json, as a table; of selection.json the ranked heads."""
    if name == "selection":
        return pd.DataFrame(found["considered"])
    part = found if name in FILES else found.get(name)
    if not part:
        raise NotAskedError(f"this study has no record of {name}")
    if all(isinstance(value, dict) for value in part.values()):
        return pd.DataFrame.from_dict(part, orient="index").rename_axis("name").reset_index()
    return pd.json_normalize(dict(part))
