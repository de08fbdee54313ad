"""Claims of a report: conditions on named numbers, answered by their intervals; and what the post reports.

`claims.yaml` names numbers (table, column, row) and gives conditions on them: `share of previous > share of
inactive`, `verdict is polysemantic`, several joined by `and`. `a > b` is *yes* where the interval of a lies
above that of b, *no* where below, else *undecided*; *not asked* where the study has no such table or row.

A study of the post's head with the post's weights agrees with the post where the published number, as
precisely as it is printed, lies in the study's interval. Of others numbers are shown, not judged.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf, isnan
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import TemplateError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.report.templating import environment
from polyhead.report.values import NotAskedError, Number, Values, exact, known, spaced

YES, NO, UNDECIDED, NOT_ASKED = "yes", "no", "undecided", "not asked"
AGREES, DIFFERS = "agrees", "differs"
CONSTANT = re.compile(r"-?\d+(\.\d+)?")
AND, ABOVE, IS = re.compile(r"\s+and\s+"), re.compile(r"\s*>\s*"), re.compile(r"(.+?) is (.+)")

Lookup = Callable[[str], Number]
"""Gives a number by its name."""


def answer(when: str, lookup: Lookup) -> str:
    """Answer a condition: parts joined by `and`, each a chain of `a > b`, or `a is text`.

    Raises `NotAskedError` where the study lacks one of the numbers, `PolyheadError` where it cannot be read.
    """
    answers = [each for part in AND.split(when.strip()) for each in _answers(part, lookup)]
    return next((each for each in (NO, UNDECIDED) if each in answers), YES)


def _answers(part: str, lookup: Lookup) -> list[str]:
    if found := IS.fullmatch(part):
        value = str(lookup(found[1]).value)
        if value == NOT_ASKED:
            raise NotAskedError(f"{found[1]} is {value}")
        return [YES if value == found[2] else UNDECIDED if value == UNDECIDED else NO]
    terms = [exact(float(term)) if CONSTANT.fullmatch(term) else lookup(term) for term in ABOVE.split(part)]
    if len(terms) < 2:
        raise PolyheadError(f"the condition {part!r} compares nothing; write `a > b` or `a is b`")
    return [above(a, b) for a, b in pairwise(terms)]


def above(a: Number, b: Number) -> str:
    """Say whether a is larger than b, by their intervals; a number without one decides nothing."""
    if a.missing or b.missing:
        raise NotAskedError("not measured")
    return YES if a.low > b.high else NO if a.high < b.low else UNDECIDED


def filled(spec: Any, names: Mapping[str, str]) -> Any:
    """Fill `{head}`, `{task}`, … in all texts of an entry."""
    if isinstance(spec, str):
        return re.sub(r"{(\w+)}", lambda found: names.get(found[1], found[0]), spec)
    if isinstance(spec, list):
        return [filled(each, names) for each in spec]
    return {key: filled(each, names) for key, each in spec.items()} if isinstance(spec, dict) else spec


@dataclass(frozen=True)
class Claim:
    """One claim on a head: its entry in claims.yaml, with `{head}` and `{task}` filled by `names`."""

    kind: str
    spec: Mapping[str, Any]
    names: Mapping[str, str]

    @property
    def full(self) -> str:
        """What is claimed, with the task or behaviour."""
        return f"*{self.names['name']}*: {self.spec['says']}" if "name" in self.names else self.spec["says"]


class Claims:
    """The answers to the claims of claims.yaml, `path`, on one head of a study.

    A claim may be on one study alone, by its name, and may be asked of each of `tasks`.
    """

    def __init__(self, path: Path, values: Values, study: str, tasks: Sequence[str]) -> None:
        self.path, self.values = path, values
        self.book = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.claims: dict[str, Claim] = {}
        for kind, spec in self.book["claims"].items():
            asked = {kind: {"head": values.head}}
            if spec.get("each") == "task":
                asked = {f"{kind}/{one}": asked[kind] | {"task": one, "name": spaced(one)} for one in tasks}
            if spec.get("study", study) == study:
                self.claims |= {label: Claim(kind, filled(spec, of), of) for label, of in asked.items()}

    @cached_property
    def answers(self) -> dict[str, str]:
        """The answer to every claim, by its label."""
        return {label: self._at(label, self._answer) for label in self.claims}

    def answer(self, label: str) -> str:
        """Return the answer to a claim; *not asked* of a task or study that is not this one's."""
        known(label.partition("/")[0], self.book["claims"], "there is no claim")
        return self.answers.get(label, NOT_ASKED)

    def says(self, label: str) -> str:
        """Return what is said for the answer to a claim, or nothing; its numbers are recorded if printed."""
        said = self.answer(label)
        return self._at(label, self._rendered, said) if said != NOT_ASKED else ""

    def numbers(self, label: str) -> dict[str, Number]:
        """Return the numbers of a claim's condition that the study has, by their names."""
        found, claim = {}, self.claims[label]
        for part in AND.split(claim.spec["when"]):
            for phrase in ABOVE.split(IS.sub(r"\1", part)):
                with contextlib.suppress(NotAskedError):
                    if not CONSTANT.fullmatch(phrase):
                        found[phrase] = self.number(phrase, claim.names)
        return {phrase: number for phrase, number in found.items() if not number.missing}

    def number(self, phrase: str, names: Mapping[str, str]) -> Number:
        """Return the number that a phrase names."""
        for pattern, spec in self.book["numbers"].items():
            form = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(pattern))
            if found := re.fullmatch(form, phrase):
                return self._looked_up(filled(spec, {**names, **found.groupdict()}))
        raise PolyheadError(f"no number is called {phrase!r}; there are {', '.join(self.book['numbers'])}")

    @property
    def kinds(self) -> dict[str, list[str]]:
        """The labels of the claims that are asked here, together where they are asked of several tasks."""
        found: dict[str, list[str]] = {}
        for label, claim in self.claims.items():
            if self.answers[label] != NOT_ASKED:
                found.setdefault(claim.kind, []).append(label)
        return found

    def by_answer(self, labels: Sequence[str]) -> dict[str, list[str]]:
        """Return of which tasks, in words, the answers are yes, no and undecided."""
        found: dict[str, list[str]] = {YES: [], NO: [], UNDECIDED: []}
        for label in labels:
            found[self.answers[label]].append(self.claims[label].names["name"])
        return {said: names for said, names in found.items() if names}

    def table(self) -> pd.DataFrame:
        """Return `claims.csv`."""
        return pd.DataFrame(
            {
                "head": self.values.head,
                "label": label,
                "section": claim.spec["section"],
                "says": claim.full,
                "answer": self.answers[label],
                "numbers": "; ".join(f"{name} {n.with_interval}" for name, n in self.numbers(label).items()),
            }
            for label, claim in self.claims.items()
        )

    def _answer(self, claim: Claim) -> str:
        try:
            return answer(claim.spec["when"], lambda name: self.number(name, claim.names))
        except NotAskedError:
            return NOT_ASKED

    def _rendered(self, claim: Claim, said: str) -> str:
        given = {**self.values.names, **claim.names, "number": lambda name: self.number(name, claim.names)}
        return environment().from_string(claim.spec.get(said, "")).render(given)

    def _looked_up(self, spec: Mapping[str, Any]) -> Number:
        where = spec.get("where", {})
        if "count" in spec:
            return self.values.count(spec["count"], **where)
        try:
            cell = spec["table"], spec["column"], spec.get("form", "text"), "largest" in spec
            return self.values.v(*cell, **where)
        except NotAskedError:
            others = {name: value for name, value in where.items() if name != spec.get("absent")}
            if "absent" in spec and self.values.has(spec["table"], **others):
                return exact(0.0, spec["form"])  # no such row among others: it never happened
            raise

    def _at(self, label: str, do: Callable[..., str], *more: str) -> str:
        """Do something with a claim; an error says where in claims.yaml the claim is."""
        claim = self.claims[label]
        try:
            return do(claim, *more)
        except (PolyheadError, TemplateError) as error:
            lines = self.path.read_text(encoding="utf-8").splitlines()
            line = next((n for n, text in enumerate(lines, 1) if text.startswith(f"  {claim.kind}:")), 1)
            raise PolyheadError(f"{self.path.name}, line {line}, claim {label}: {error}") from error


def weights(provenance: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the weights that the stages read."""
    files = provenance["files"].items()
    return next((file["sha256"] for name, file in files if Path(name).name == "model.safetensors"), "")


def print_claims(table: Path, book: Path, provenance: Path, screen: Console) -> None:
    """Print `claims.csv` beside what is expected of the study, if head and weights are those written down.

    Raises `PolyheadError` with the answers that are missed.
    """
    record, rows = read_json(provenance), pd.read_csv(table, dtype=str, keep_default_na=False)
    entry = yaml.safe_load(book.read_text(encoding="utf-8"))["expected"].get(record["config"]["study"], {})
    missed, shown = [], Table("head", "claim", "answer", "expected", "numbers")
    for row in rows.itertuples():
        judged = (entry.get("head"), entry.get("weights")) == (row.head, weights(record))
        wanted = entry["answers"].get(row.label, "") if judged else ""
        if wanted not in ("", row.answer):
            missed.append(f"  {row.label}: {row.answer}, expected {wanted}")
        cells = map(Text, (row.head, f"{row.label}: {row.says}", row.answer, wanted, row.numbers))
        shown.add_row(*cells, style="" if not wanted else "green" if wanted == row.answer else "red")
    screen.print(shown)
    if missed:
        raise PolyheadError("\n".join(["expected answers are missed:", *missed]))


class Published:
    """`published.yaml`, and which of its numbers this study has."""

    def __init__(self, path: Path, claims: Claims, provenance: Mapping[str, Any]) -> None:
        self.content = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.claims, self.values, self.provenance = claims, claims.values, provenance

    @property
    def head(self) -> str:
        """The post's head, of its model by name."""
        return f"{self.content['head']} of `{self.content['models'][0]}`"

    @property
    def is_studied(self) -> bool:
        """Whether the study is of the head and the model that the post names."""
        same = model_name(self.provenance) in self.content["models"]
        return same and self.values.head == self.content["head"]

    @cached_property
    def is_same(self) -> bool:
        """Whether the weights are the post's, too: by SHA-256 where that is known, else by their sizes."""
        hashes = self.content["sha256"]
        sizes = self.provenance["model"] == self.content["shape"]
        return self.is_studied and (weights(self.provenance) in hashes if hashes else sizes)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the published quantities that this study has, each with `here` and `verdict`."""
        for entry in self.content["numbers"]:
            if "claim" in entry:
                here: Any = self.claims.answer(entry["claim"])
                verdict = {YES: AGREES, NO: DIFFERS}.get(here, "")
            else:
                cell = entry["table"], entry["column"], entry["form"]
                here = self.values.maybe(*cell, **entry.get("where", {}))
                if here.missing:
                    continue
                verdict = compared(entry, here)
            yield {**entry, "here": here, "verdict": verdict if self.is_same else ""}


def compared(entry: Mapping[str, Any], number: Number) -> str:
    """Compare a published number, within its rounding, with the interval of this study."""
    low, high = (number.value if isnan(end) else end for end in (number.low, number.high))
    low, high = low - entry["rounding"], inf if entry.get("bound") else high + entry["rounding"]
    return AGREES if low <= entry["value"] <= high else DIFFERS


def model_name(provenance: Mapping[str, Any]) -> str:
    """Return the model's name: the repository or package it was fetched from, or its directory."""
    path = provenance["config"]["model"]
    return provenance["model_source"].get("repo") or path[max(0, path.rfind("resources/")) :]
