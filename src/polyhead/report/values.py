"""Numbers of a report: cells of a study's tables, looked up by name, printed, and recorded where they are printed.

A document names a table, a column and the row, `v("ablation", "drop", "points", task="induction", run="ablated")`;
nothing is typed. What does not exist is an error (`PolyheadError`), what this study did not ask for is `NotAsked`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from math import isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.attention.labels import POST, UNKNOWN
from polyhead.errors import PolyheadError
from polyhead.files import read_json, write_json

ALL, NONE = "all", "none"
BEHAVIOURS = ("previous", "line_start", "induction", "duplicate", "indent")
CLASSES = ("sink", "ambiguous", *BEHAVIOURS, "current", "other")
STUDY_TABLES = ("atlas", "edges", "tasks_by_heads", "verdicts")
HEAD_TABLES = ("ablation", "ablation_positions", "contrasts", "distribution", "mechanism/needs")
HEAD_TABLES += ("mechanism/scores", "moments", "sensitivity")
RECORDS = {"sampling": ("sampling.json",), "evaluation": ("provenance.json", "evaluation")} | {
    part: ("provenance.json", part)
    for part in ("code", "config", "files", "machine", "model", "stages", "transformer_lens")
}
"""Files that are no tables, and parts of them: read as one row, or as a row for each name."""
TEXT_COLUMNS = ("head", "label", "token_label", "role", "destination", "source", "next_token", "behaviours")
TEXT_COLUMNS += ("query", "key", "component")
VOCABULARY = {
    "taxonomy": ("post", "extended"),
    "edges": (*CLASSES, ALL, NONE),
    "run": ("clean", "ablated", "edge", "elsewhere"),
    "method": ("bos", "zero", "mean", "resample"),
    "does": ("yes", "no", "undecided", "not asked"),
    "verdict": (NONE, "one", "polysemantic", "undecided"),
}
"""Values that a column may have: a row that is asked for by another one is misspelt, not missing."""

NBSP, MINUS, NOTHING = "\u00a0", "−", "–"
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$@'\"])")


def escape(text: object) -> str:
    """Return text that markdown prints as it is, on one line."""
    return SPECIAL.sub(r"\\\1", str(text).replace("\n", " "))


def code(text: object) -> str:
    """Return text as inline code, whatever characters it has; token labels are printed this way."""
    text = str(text)
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def spaced(name: object) -> str:
    """Return a name from a table as words: underscores are spaces, behaviours of a mix are joined by commas."""
    return escape(str(name).replace("_", " ").replace("+", " + "))


def _percent(share: float) -> str:
    return f"<0.1{NBSP}%" if 0 < share < 0.0005 else f"{100 * share:.1f}{NBSP}%"


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}{NBSP}min {rest}{NBSP}s" if minutes else f"{seconds:.1f}{NBSP}s"


FORMATS = {
    "percent": _percent,
    "points": lambda x: f"{100 * x:.1f}{NBSP}pp",
    "prob": lambda x: f"{x:.2f}",
    "nats": lambda x: f"{x:.3f}{NBSP}nats",
    "score": lambda x: f"{x:.2f}",
    "tiny": lambda x: f"{x:.1e}",
    "count": lambda x: f"{round(x):,}",
    "setting": lambda x: f"{x:g}",
    "seconds": _seconds,
    "memory": lambda x: f"{x:.0f}{NBSP}MiB",
    "gibibytes": lambda x: f"{x:.1f}{NBSP}GiB",
    "megabytes": lambda x: f"{x / 1e6:.1f}{NBSP}MB",
}
WORDS = {"text": escape, "code": code, "spaced": spaced, "em": lambda name: f"*{spaced(name)}*"}
"""How numbers are printed, and how words."""


class NotAsked(PolyheadError):
    """This study has no such table or row: a task that it does not run, a stage that it leaves out."""


@dataclass(frozen=True)
class Number:
    """A cell, its interval, and where it is from: the file, its row (the first is 0), the column.

    Printing it records it in `log`; its value can be read without.
    """

    value: Any
    low: float = nan
    high: float = nan
    form: str = "text"
    table: str = ""
    row: Any = None  # of a count or a sum: what its rows have in common
    column: str = ""
    log: list[dict[str, Any]] | None = field(default=None, compare=False, repr=False)

    @property
    def missing(self) -> bool:
        """Whether the cell is empty: nothing was measured there."""
        return self.value is None or self.value == "" or (isinstance(self.value, float) and isnan(self.value))

    @property
    def text(self) -> str:
        """The number as it is printed, not recorded."""
        return self._said(self.value)

    def __str__(self) -> str:
        return self._printed(self.text)

    @property
    def ci(self) -> str:
        """The number with its interval, in one unit, for tables; without one, the number."""
        return self._printed(self.with_interval)

    @property
    def with_interval(self) -> str:
        """As `ci`, not recorded."""
        if self.missing or isnan(self.low) or isnan(self.high) or self.low == self.high == self.value:
            return self.text
        low, high = (self._said(end).split(NBSP)[0] for end in (self.low, self.high))
        return f"{self.text} [{low},{NBSP}{high}]"

    def _said(self, value: Any) -> str:
        if self.missing:
            return NOTHING
        if self.form in WORDS:
            return WORDS[self.form](value)
        text = FORMATS[self.form](float(value))
        return (text if re.search("[1-9]", text) else text.lstrip("-")).replace("-", MINUS)

    def _printed(self, text: str) -> str:
        if self.log is not None and not self.missing:
            ends = {side: None if isnan(end) else end for side, end in (("low", self.low), ("high", self.high))}
            place = {"table": self.table, "row": self.row, "column": self.column}
            self.log.append({"value": plain(self.value), "text": text, **ends, **place})
        return text


def plain(value: Any) -> Any:
    """Return a cell as JSON has it."""
    return value.item() if hasattr(value, "item") else value


class Values:
    """The tables of a study, of one of its heads, and what was printed of them."""

    def __init__(self, study: Path, head: str) -> None:
        self.study, self.head = study, head
        self.printed: list[dict[str, Any]] = []
        self._tables: dict[str, pd.DataFrame] = {}

    def path(self, name: str) -> Path:
        """Return the file of a table.

        Raises:
            PolyheadError: no study has a table of this name.
        """
        if name in RECORDS:
            return self.study / RECORDS[name][0]
        if name in HEAD_TABLES:
            return self.study / "heads" / self.head / f"{name}.csv"
        known = (*STUDY_TABLES, *HEAD_TABLES, *RECORDS)
        return self.study / f"{_known(name, STUDY_TABLES, 'there is no table', known)}.csv"

    def table(self, name: str) -> pd.DataFrame:
        """Return a table.

        Raises:
            NotAsked: this study does not make it.
            PolyheadError: no study does.
        """
        if name not in self._tables:
            path = self.path(name)
            if not path.is_file():
                raise NotAsked(f"this study makes no table {name}")
            self._tables[name] = _record(path, RECORDS[name][1:]) if name in RECORDS else _csv(path)
        return self._tables[name]

    def select(self, name: str, where: Mapping[str, Any]) -> pd.DataFrame:
        """Return the rows of a table in which columns have the given values, or one of a list; `second *` fits all
        values that begin with `second `.

        Raises:
            PolyheadError: there is no such column, or it cannot have this value.
        """
        rows = self.table(name)
        for column, wanted in where.items():
            self._column(name, column)
            choices = [str(each) for each in (wanted if isinstance(wanted, list | tuple) else [wanted])]
            self._check_values(name, column, choices, where)
            rows = rows[rows[column].astype(str).map(lambda found, choices=choices: _is_one(found, choices))]
        return rows

    def number(
        self, name: str, column: str, form: str = "text", where: Mapping[str, Any] = {}, largest: bool = False
    ) -> Number:
        """Return a cell, not recorded: of the one row that matches, or of that with the largest value.

        Raises:
            NotAsked: this study has no such row.
            PolyheadError: two rows match; there is no such column, form or value.
        """
        rows = self.select(name, where)
        self._column(name, column)
        if largest:
            rows = rows[rows[column].notna()].nlargest(1, column)
        if rows.empty:
            raise NotAsked(f"table {name} has no row where {_said(where)}")
        if len(rows) > 1:
            raise PolyheadError(f"{len(rows)} rows of table {name} match where {_said(where)}; one is needed")
        return self.cell(name, rows.index[0], column, form)

    def cell(self, name: str, row: int, column: str, form: str = "text") -> Number:
        """Return a cell by its row's number, not recorded; with an interval where the table has one."""
        table = self.table(name)
        self._column(name, column)
        _known(form, (*FORMATS, *WORDS), "there is no form")
        value = plain(table.at[row, column])
        low, high = value, value  # a quantity without an interval is exact
        if f"{column}_low" in table:
            low, high = (pd.to_numeric(table.at[row, f"{column}_{side}"]) for side in ("low", "high"))
        ends = (nan, nan) if form in WORDS or isinstance(value, str) else (float(low), float(high))
        place = str(self.path(name).relative_to(self.study)) + "".join(f":{k}" for k in RECORDS.get(name, ())[1:])
        return Number(value, *ends, form, place, int(row), column)

    def counted(self, name: str, where: Mapping[str, Any] = {}) -> Number:
        """Return how many rows of a table match, not recorded; this is exact."""
        n = len(self.select(name, where))
        table = str(self.path(name).relative_to(self.study))
        return Number(n, n, n, "count", table, dict(where), "rows")

    def recorded(self, number: Number) -> Number:
        """Return a number that is recorded when it is printed."""
        return replace(number, log=self.printed)

    # What documents call.

    def v(self, name: str, column: str, form: str = "text", largest: bool = False, **where: Any) -> Number:
        """Return a cell to print; see `number`."""
        return self.recorded(self.number(name, column, form, where, largest))

    def maybe(self, name: str, column: str, form: str = "text", largest: bool = False, **where: Any) -> Number:
        """Return a cell to print, a dash where this study has no such row."""
        try:
            return self.v(name, column, form, largest, **where)
        except NotAsked:
            return Number(nan, form=form)

    def count(self, name: str, **where: Any) -> Number:
        """Return how many rows match, to print."""
        return self.recorded(self.counted(name, where))

    def total(self, name: str, column: str, form: str, **where: Any) -> Number:
        """Return the sum of a column over the rows that match, to print."""
        self._column(name, column)
        found = plain(self.select(name, where)[column].sum())
        table = str(self.path(name).relative_to(self.study))
        return self.recorded(Number(found, found, found, form, table, dict(where), column))

    def has(self, name: str, **where: Any) -> bool:
        """Return whether this study has such rows."""
        try:
            return not self.select(name, where).empty
        except NotAsked:
            return False

    def each(self, name: str, column: str, **where: Any) -> list[Any]:
        """Return the different values of a column in the rows that match, in the table's order."""
        self._column(name, column)
        return [plain(value) for value in self.select(name, where)[column].unique()]

    def top(self, name: str, by: str, most: int = 1, **where: Any) -> list[dict[str, Any]]:
        """Return the rows that match and have the largest values of a column, each as {column: value}."""
        self._column(name, by)
        rows = self.select(name, where)
        return rows[rows[by].notna()].nlargest(most, by).to_dict("records")

    def rows(
        self, name: str, columns: Mapping[str, str], caption: str, key: str, most: int = 10**6, **where: Any
    ) -> str:
        """Return the rows that match as a markdown table, numbers with their intervals; nothing if there are none.

        Args:
            name: the table.
            columns: heading → `column:form`.
            caption: markdown.
            key: `tbl-…`, for cross-references.
            most: rows, at most.
            where: values of columns.
        """
        found = self.select(name, where).index[:most]
        specs = [spec.partition(":") for spec in columns.values()]
        cells = [
            [self.recorded(self.cell(name, row, column, form or "text")).ci for column, _, form in specs]
            for row in found
        ]
        right = [form in FORMATS for _, _, form in specs]
        return markdown_table(list(columns), cells, right, caption, key)

    def listed(
        self, name: str, shown: str, by: str, least: float = -1e9, most: int = 4, none: str = NONE, **where: Any
    ) -> str:
        """Return the rows that match and have the largest values of a column, as a phrase.

        Args:
            name: the table.
            shown: what is said of a row, with `{column:form}` where its cells stand.
            by: the column that orders rows.
            least: its smallest value in a row that is listed.
            most: rows, at most.
            none: what is said where there is no such row.
            where: values of columns.
        """
        self._column(name, by)
        rows = self.select(name, where)
        rows = rows[rows[by] >= least].nlargest(most, by)

        def said(row: int) -> str:
            def fill(found: re.Match[str]) -> str:
                return str(self.recorded(self.cell(name, row, found[1], found[2] or "text")))

            return re.sub(r"{(\w+):?(\w*)}", fill, shown)

        return listing([said(row) for row in rows.index]) or none

    @cached_property
    def names(self) -> dict[str, Any]:
        """What a document calls, by name."""
        asked = ("v", "maybe", "count", "total", "has", "each", "top", "rows", "listed")
        return {name: getattr(self, name) for name in asked}

    def write(self, path: Path) -> None:
        """Write `numbers.json`: all that was printed, each number of a place and form once."""
        write_json(path, list({str(record): record for record in self.printed}.values()))

    def _column(self, name: str, column: str) -> None:
        _known(column, tuple(self.table(name).columns), f"table {name} has no column")

    def _check_values(self, name: str, column: str, wanted: Sequence[str], where: Mapping[str, Any]) -> None:
        known = VOCABULARY.get(column, ())
        if column == "label" and where.get("taxonomy") == "post":
            known = (*POST, UNKNOWN)
        for value in wanted if known else ():
            _known(value, known, f"table {name} has no {column}")


def markdown_table(
    header: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool], caption: str, key: str
) -> str:
    """Return a table in a box that scrolls sideways on narrow screens; nothing if it has no rows."""
    if not cells:
        return ""
    lines = [header, ["--:" if side else ":--" for side in right], *cells]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"::: {{.scroll}}\n\n{body}\n\n: {caption} {{#{key}}}\n\n:::\n"


def listing(items: Sequence[str]) -> str:
    """Join phrases: `a`, `a and b`, `a, b and c`."""
    *others, last = items or [""]
    return f"{', '.join(others)} and {last}" if others else last


def _known(name: str, known: Iterable[str], problem: str, near: Iterable[str] = ()) -> str:
    """Return a name that is known; the error about another one has the nearest spelling."""
    if name in (known := list(known)):
        return name
    choices = list(near) or known
    close = get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(choices)}"
    raise PolyheadError(f"{problem} {name!r}; {hint}")


def _is_one(value: str, choices: Sequence[str]) -> bool:
    return any(value.startswith(each[:-1]) if len(each) > 1 and each.endswith("*") else value == each for each in choices)


def _csv(path: Path) -> pd.DataFrame:
    """Read a table: labels as text, even `1.10` and `NA`; a number that is not there is NaN, a text is empty."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for name in table.columns.difference(TEXT_COLUMNS):
        numbers = pd.to_numeric(table[name], errors="coerce")
        if numbers.notna().eq(table[name] != "").all():
            table[name] = numbers
    return table


def _record(path: Path, keys: Sequence[str]) -> pd.DataFrame:
    """Read a part of a JSON file: one row of dotted columns, or, of records by name, a row for each."""
    found = read_json(path)
    for key in keys:
        found = found.get(key) or {}
    if not found:
        raise NotAsked(f"{path.name} says nothing of {' '.join(keys)}")
    if all(isinstance(value, dict) for value in found.values()):
        return pd.DataFrame.from_dict(found, orient="index").rename_axis("name").reset_index()
    return pd.json_normalize(found)


def _said(where: Mapping[str, Any]) -> str:
    return ", ".join(f"{column} is {value}" for column, value in where.items()) or "there is no condition"
