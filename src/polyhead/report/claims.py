"""What the project claims of a study, and whether the study at hand agrees.

What is claimed and where it is found stands in `report/claims.yaml`, by quantity; what is expected, in
`report/expected/<study>.json`, which `polyhead.report.renew_claims` writes from a finished study. The post's
own numbers are in `report/published.yaml`, for claims too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd

from polyhead.files import read_json
from polyhead.report.claims_file import Claim, Strict, expected_file, read_claims
from polyhead.report.numbers import Number, Numbers, format_value, read_numbers
from polyhead.report.published import is_published, read_published

PUBLISHED = "published.yaml"
TEXT = "text"
"""The unit of what is no number."""
SETTINGS = (
    "head",
    "prompts",
    "context",
    "seed",
    "previous_window",
    "threshold",
    "taxonomies",
    "bootstrap",
    "dtype",
)
"""Keys of the config without which other values would come out."""


class Verdict(StrEnum):
    """How a claim and this study compare."""

    PASS = "pass"
    FAIL = "fail"
    OTHER_WEIGHTS = "other weights"
    """The study is of other weights or other data than the claim: nothing can be said."""
    OTHER_SETTINGS = "other settings"
    """The config differs in a key that numbers depend on: nothing can be said."""


class Expected(Strict):
    """What should come out: a number with a tolerance, or a text.

    `task` is what the claim's {task} stands for, `file` the table, `minutes` what making it took.
    """

    value: float | int | str
    tolerance: float = 0
    unit: str = TEXT
    bound: bool = False
    task: str = ""
    file: str = ""
    minutes: float | None = None

    @property
    def text(self) -> str:
        """As printed."""
        return ("< " if self.bound else "") + shown(self.value, self.unit)

    def agrees(self, found: float | int | str | None) -> bool:
        """Say whether what was found is what was expected."""
        if found is None or isinstance(self.value, str) or isinstance(found, str):
            return found == self.value
        if self.bound:
            return found < self.value
        return abs(found - self.value) <= self.tolerance


@dataclass(frozen=True)
class Found:
    """What a study has in the place of a claim: value, unit, interval; and the table that it came from."""

    value: float | int | str
    unit: str
    source: str
    low: float | int | None = None
    high: float | int | None = None


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    label: str
    claim: str
    command: str
    minutes: float | None
    file: str
    expected: float | int | str
    tolerance: float | int
    unit: str
    bound: bool
    found: float | int | str | None
    verdict: Verdict


def shown(value: float | int | str | None, unit: str) -> str:
    """Return a value as it is printed in the table."""
    if value is None:
        return "not there"
    return value or "none" if isinstance(value, str) else format_value(value, unit)


def claims_of(sources: Path, name: str, head: str, method: str) -> Iterator[tuple[Claim, Expected]]:
    """Yield the claims about a study, filled in, each with what is expected.

    Args:
        sources: the folder `report`.
        name: the study's name.
        head: the study's first head.
        method: its first method of ablation.
    """
    content = read_claims(sources)
    study = content.studies[name]
    if study.published:
        yield from published_claims(read_published(sources / PUBLISHED), head)
        return
    known = {
        label: Expected(**entry)
        for label, entry in read_json(expected_file(sources, name))["expected"].items()
    }
    for claim in (claim for group in study.claims for claim in content.claims[group]):
        for task in {entry.task: None for entry in known.values()}:
            filled = claim.filled({"head": head, "method": method, "task": task})
            if filled.label in known and known[filled.label].task == task:
                yield filled, known[filled.label]


def published_claims(published: Mapping[str, Any], head: str) -> Iterator[tuple[Claim, Expected]]:
    """Yield the post's own numbers as claims."""
    for order in published["orders"]:
        yield _order_of_post(order, head), Expected(value=", ".join(order["order"]))
    for entry in published["numbers"]:
        what = _of_post(entry)
        claim = Claim(label=what, claim=f"{what}: {{expected}}.", number=entry["key"].format(head=head))
        numbers = {name: entry[name] for name in ("value", "tolerance", "unit")}
        yield claim, Expected(**numbers, bound=entry.get("bound", False))


def _of_post(entry: Mapping[str, Any]) -> str:
    return f"{entry['part']}: {entry['what']}"


def _order_of_post(order: Mapping[str, Any], head: str) -> Claim:
    return Claim(
        label=_of_post(order),
        claim=f"{_of_post(order)}: {{expected}}.",
        file=f"heads/{head}/distribution.csv",
        where={"taxonomy": order["taxonomy"], "token_label": "all"},
        column="label",
        by="share",
        first=len(order["order"]),
    )


def find(claim: Claim, study: Path, numbers: Numbers) -> Found | None:
    """Look up what a study has in the place of a claim; nothing if it is not there."""
    if claim.number is not None:
        number = next((number for number in numbers if number.key == claim.number), None)
        return None if number is None else _found(number)
    if claim.file is None or not (study / claim.file).is_file():
        return None
    table = pd.read_csv(study / claim.file, dtype=str, keep_default_na=False)
    for column, value in claim.where.items():
        table = table[table[column] == value]
    if claim.by:
        largest = pd.to_numeric(table[claim.by]).sort_values(ascending=False, kind="stable")
        table = table.loc[largest.index]
    values = table[claim.column].head(claim.first)
    return Found(", ".join(values), TEXT, claim.file) if len(values) else None


def _found(number: Number) -> Found:
    return Found(number.value, number.unit, number.source, number.low, number.high)


def check(study: Path, sources: Path) -> list[Line]:
    """Compare a finished study with what is claimed of a study of its name.

    Args:
        study: `results/<study>`, with `numbers.json` and `provenance.json`.
        sources: the folder `report`.
    """
    provenance, numbers = read_json(study / "provenance.json"), read_numbers(study / "numbers.json")
    config = provenance["config"]
    name, head = config["study"], config["head"][0]
    other = differs(study, sources, provenance)
    command = read_claims(sources).studies[name].command
    lines = []
    for claim, expected in claims_of(sources, name, head, config["ablation"]["methods"][0]):
        found = find(claim, study, numbers)
        value = found.value if found else None
        verdict = other or (Verdict.PASS if expected.agrees(value) else Verdict.FAIL)
        source = found.source if found else claim.file or "numbers.json"
        lines.append(_line(claim, expected, f"{command} results/{name}/{source}", source, value, verdict))
    return lines


def _line(
    claim: Claim,
    expected: Expected,
    command: str,
    file: str,
    found: float | int | str | None,
    verdict: Verdict,
) -> Line:
    return Line(
        label=claim.label,
        claim=claim.claim.replace("{expected}", expected.text),
        command=command,
        minutes=expected.minutes,
        file=file,
        expected=expected.value,
        tolerance=expected.tolerance,
        unit=expected.unit,
        bound=expected.bound,
        found=found,
        verdict=verdict,
    )


def differs(study: Path, sources: Path, provenance: Mapping[str, Any]) -> Verdict | None:
    """Say whether a study is of other weights, data or settings than the claims."""
    config = provenance["config"]
    if read_claims(sources).studies[config["study"]].published:
        same = is_post(study, read_published(sources / PUBLISHED), provenance)
        return None if same else Verdict.OTHER_WEIGHTS
    record = read_json(expected_file(sources, config["study"]))
    if record["files"] != hashes(provenance):
        return Verdict.OTHER_WEIGHTS
    return None if _agree(record["settings"], settings(config)) else Verdict.OTHER_SETTINGS


def _agree(recorded: Any, now: Any) -> bool:
    """Say whether all that was recorded is so now; keys that the config got since then do not count."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        return all(name in now and _agree(value, now[name]) for name, value in recorded.items())
    return recorded == now


def is_post(study: Path, published: Mapping[str, Any], provenance: Mapping[str, Any]) -> bool:
    """Say whether a study is of the post's head and, by all that is known of it, of the post's model.

    The repository's name and the model's sizes must be the post's; where `published.yaml` has the SHA-256 of
    weights, they must be those that were fetched.
    """
    source = study / "model" / "source.json"
    fetched = read_json(source) if source.is_file() else {}
    if not is_published(published, fetched.get("repo", ""), provenance["config"]["head"][0]):
        return False
    sums = {file["sha256"] for file in fetched.get("files", [])}
    return provenance["model"] == published["shape"] and set(published["sha256"].values()) <= sums


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a config that numbers depend on, besides model and data."""
    ablation = {key: value for key, value in config.get("ablation", {}).items() if key != "templates"}
    return {name: config[name] for name in SETTINGS if name in config} | {"ablation": ablation}


def hashes(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the files of model and corpus, by name; not of what the study wrote itself."""
    inputs = {
        path: file
        for path, file in provenance["files"].items()
        if not path.startswith("results/") or "/model/" in path
    }
    return {Path(path).name: file["sha256"] for path, file in inputs.items()}
