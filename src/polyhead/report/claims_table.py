"""The table of claims: as CSV, in the report, on the screen, and in the project's own pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from polyhead.errors import PolyheadError
from polyhead.files import write_csv
from polyhead.report.claims import TEXT, Expected, Line, Verdict, shown
from polyhead.report.claims_file import Claim
from polyhead.report.markdown import code, escape, table

if TYPE_CHECKING:
    from rich.table import Table

COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "bold red"}
UNKNOWN, NUMBERS = "–", "numbers.json"
VALUES = ("expected", "found")
NOT_HELD = {
    Verdict.OTHER_WEIGHTS: "They are about other weights or other data than this study's, so none is judged.",
    Verdict.OTHER_SETTINGS: "They are about other settings than this study's, so none is judged.",
}


def summary(lines: Sequence[Line]) -> str:
    """Say how many of the claims hold."""
    if not lines:
        return ""
    verdict = lines[0].verdict
    if verdict in NOT_HELD:
        return NOT_HELD[verdict]
    failed = [line.label for line in lines if line.verdict == Verdict.FAIL]
    if not failed:
        return f"All {len(lines)} hold."
    return f"Of {len(lines)}, {len(failed)} do not hold: {'; '.join(map(escape, failed))}."


def failures(lines: Iterable[Line]) -> list[str]:
    """Return one line for every claim that fails: what was expected, what is there, and where."""
    return [
        f"{line.label}: expected {margin(line)}, found {shown(line.found, line.unit)} in {line.file}"
        for line in lines
        if line.verdict == Verdict.FAIL
    ]


def require_passed(lines: Iterable[Line]) -> None:
    """Raise `PolyheadError` if a claim fails, with one line for each that does."""
    if failed := failures(lines):
        raise PolyheadError("\n  ".join([f"{len(failed)} of the claims do not hold in this study:", *failed]))


def margin(line: Line | Expected) -> str:
    """Return what is expected, with the tolerance."""
    value = line.value if isinstance(line, Expected) else line.expected
    text = ("< " if line.bound else "") + shown(value, line.unit)
    tolerance = "" if line.bound or isinstance(value, str) else shown(line.tolerance, line.unit).lstrip("+")
    return f"{text} ± {tolerance}" if re.search("[1-9]", tolerance) else text


def _minutes(minutes: float | None) -> str:
    return UNKNOWN if minutes is None else f"{max(minutes, 0.1):.1f}"


def write_lines(path: Path | str, lines: Iterable[Line]) -> None:
    """Write `claims.csv`; values are written with nine digits, as in all tables."""
    fields = [asdict(line) for line in lines]
    texts = [{name: _written(entry[name]) for name in VALUES} for entry in fields]
    table = [
        entry | text | {"verdict": str(entry["verdict"])} for entry, text in zip(fields, texts, strict=True)
    ]
    write_csv(path, pd.DataFrame(table))


def _written(value: float | int | str | None) -> str:
    return f"{value:.9g}" if isinstance(value, float | int) else value or ""


def read_lines(path: Path | str) -> list[Line]:
    """Read `claims.csv`."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return [_read(row) for row in table.to_dict("records")]


def _read(row: Mapping[Any, str]) -> Line:
    values = {name: _value(row[name], row["unit"]) for name in VALUES}
    minutes = float(row["minutes"]) if row["minutes"] else None
    texts = {name: row[name] for name in ("label", "claim", "command", "file", "unit")}
    return Line(
        **texts,
        minutes=minutes,
        expected=values["expected"] or "",
        found=values["found"],
        tolerance=float(row["tolerance"]),
        bound=row["bound"] == "True",
        verdict=Verdict(row["verdict"]),
    )


def _value(text: str, unit: str) -> float | int | str | None:
    if unit == TEXT:
        return text
    return float(text) if text else None


def report_table(lines: Iterable[Line]) -> str:
    """The claims as a table of the report."""
    rows = [
        [
            line.claim,
            escape(margin(line)),
            escape(shown(line.found, line.unit)),
            str(line.verdict),
            code(line.file),
        ]
        for line in lines
    ]
    caption = "What is claimed of a study of this name, what this one has, and the file that it stands in."
    return table(["claim", "expected", "found", "verdict", "file"], rows, "lrrll", caption, "tbl-claims")


def result_table(lines: Iterable[Line]) -> str:
    """The claims as `claims.md`."""
    made = ["| claim | expected | found | verdict | file |", "| --- | --- | --- | --- | --- |"]
    for line in lines:
        found = shown(line.found, line.unit)
        made.append(f"| {line.claim} | {margin(line)} | {found} | {line.verdict} | `{line.file}` |")
    return "\n".join(made)


def screen_table(lines: Sequence[Line], study: str) -> Table:
    """The claims for a terminal."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title=f"Claims about the study {study}")
    for column in ("claim", "expected", "found", "verdict"):
        made.add_column(column, overflow="fold")
    for line in lines:
        verdict = Text(str(line.verdict), style=COLOURS.get(line.verdict, "yellow"))
        made.add_row(Text(line.label), margin(line), shown(line.found, line.unit), verdict)
    return made


def page_table(claims: Iterable[tuple[Claim, Expected]]) -> str:
    """The claims before anything has run: what is expected, where, and how many minutes it takes."""
    lines = ["| claim | expected | file | minutes |", "| --- | --- | --- | ---: |"]
    for claim, expected in claims:
        sentence = claim.claim.replace("{expected}", expected.text)
        place = f"`{claim.file or expected.file or NUMBERS}`"
        lines.append(f"| {sentence} | {margin(expected)} | {place} | {_minutes(expected.minutes)} |")
    return "\n".join(lines)
