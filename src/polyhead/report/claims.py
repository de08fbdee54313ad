"""Claims of a report: conditions on named numbers, answered by their intervals, each with what is then said.

`claims.yaml` gives numbers names (`drop of {task}`: table, column, row) and claims conditions on them:
`share of previous > share of inactive`, `verdict is polysemantic`, several joined by `and`. `a > b` is *yes* where
a's interval lies above b's, *no* where below, else *undecided*; *not asked* where the study has no such table or row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, TemplateError

from polyhead.errors import PolyheadError
from polyhead.report.values import NotAsked, Number, Values, code, spaced

YES, NO, UNDECIDED, NOT_ASKED = "yes", "no", "undecided", "not asked"
CONSTANT = re.compile(r"-?\d+(\.\d+)?")
COLUMNS = ("head", "label", "section", "says", "answer", "numbers")

Lookup = Callable[[str], Number]
"""Gives a number by its name."""


def above(a: Number, b: Number) -> str:
    """Say whether a is larger than b, by their intervals; one without an interval decides nothing.

    Raises:
        NotAsked: one of them was not measured.
    """
    if a.missing or b.missing:
        raise NotAsked(f"not measured: {a.column if a.missing else b.column}")
    if a.low > b.high:
        return YES
    return NO if a.high < b.low else UNDECIDED


def answer(when: str, lookup: Lookup) -> str:
    """Answer a condition: parts joined by `and`, each a chain of `>`, or `<number> is <text>`.

    Raises:
        NotAsked: the study lacks one of the numbers.
        PolyheadError: the condition cannot be read.
    """
    answers = [each for part in re.split(r"\s+and\s+", when.strip()) for each in _answers(part, lookup)]
    return next((each for each in (NO, UNDECIDED) if each in answers), YES)


def _answers(part: str, lookup: Lookup) -> list[str]:
    if found := re.fullmatch(r"(.+?) is (.+)", part):
        value = str(lookup(found[1]).value)
        if value == NOT_ASKED:
            raise NotAsked(f"{found[1]} is {value}")
        return [YES if value == found[2] else UNDECIDED if value == UNDECIDED else NO]
    terms = [_term(term, lookup) for term in re.split(r"\s*>\s*", part)]
    if len(terms) < 2:
        raise PolyheadError(f"the condition {part!r} compares nothing; write `a > b` or `a is b`")
    return [above(a, b) for a, b in pairwise(terms)]


def _term(text: str, lookup: Lookup) -> Number:
    if CONSTANT.fullmatch(text):
        return Number(float(text), float(text), float(text), "setting")
    return lookup(text)


def filled(spec: Any, names: Mapping[str, str]) -> Any:
    """Fill `{head}`, `{task}`, … in all texts of a specification."""
    if isinstance(spec, str):
        return re.sub(r"{(\w+)}", lambda found: names.get(found[1], found[0]), spec)
    if isinstance(spec, list):
        return [filled(each, names) for each in spec]
    return {key: filled(each, names) for key, each in spec.items()} if isinstance(spec, dict) else spec


@dataclass(frozen=True)
class Claim:
    """One claim on one head: what it states, its condition, and what is said for each answer."""

    label: str
    section: str
    says: str
    when: str
    texts: Mapping[str, str]
    names: Mapping[str, str]
    """What `{task}` and the like stand for."""
    of_post: bool = False
    """Whether the post claims it."""

    @property
    def kind(self) -> str:
        """The label without the task or behaviour that it is asked of."""
        return self.label.partition("/")[0]


class Book:
    """`claims.yaml`: the names of numbers, the claims, what is expected of studies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.content = yaml.safe_load(self.text)

    def claims(self, study: str, head: str, each: Mapping[str, Sequence[str]]) -> Iterator[Claim]:
        """Yield the claims on a study's head; one with `each: task` is asked of every task in `each`."""
        for label, spec in self.content["claims"].items():
            if spec.get("study", study) != study:
                continue
            kind = spec.get("each")
            for one in each[kind] if kind else [""]:
                names = {"head": head} | ({kind: one, "name": spaced(one)} if kind else {})
                key = f"{label}/{one}" if kind else label
                texts = {said: spec.get(said, "") for said in (YES, NO, UNDECIDED)}
                yield Claim(key, spec["section"], spec["says"], filled(spec["when"], names), texts, names, spec.get("post", False))

    def number(self, values: Values, names: Mapping[str, str], phrase: str) -> Number:
        """Return the number that a phrase names, not recorded.

        Raises:
            NotAsked: this study does not have it.
            PolyheadError: nothing is called so, or its table, column or row is misspelt.
        """
        for pattern, spec in self.content["numbers"].items():
            form = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(pattern))
            if found := re.fullmatch(form, phrase):
                return _looked_up(values, filled(spec, {**names, **found.groupdict()}))
        raise PolyheadError(f"no number is called {phrase!r}; there are {', '.join(self.content['numbers'])}")

    def line(self, label: str) -> int:
        """Return the line on which a claim begins, the first being 1."""
        start = f"  {label.partition('/')[0]}:"
        return next((n for n, line in enumerate(self.text.splitlines(), 1) if line.startswith(start)), 1)


def _looked_up(values: Values, spec: Mapping[str, Any]) -> Number:
    if "count" in spec:
        return values.counted(spec["count"], spec.get("where", {}))
    try:
        return values.number(
            spec["table"], spec["column"], spec.get("form", "text"), spec.get("where", {}), spec.get("largest", False)
        )
    except NotAsked:
        if "absent" in spec and values.has(spec["table"], **_without(spec["where"], spec["absent"])):
            return Number(0.0, 0.0, 0.0, spec["form"], column=spec["column"])  # no row: it never happened
        raise


def _without(where: Mapping[str, Any], column: str) -> dict[str, Any]:
    return {name: value for name, value in where.items() if name != column}


class Claims:
    """The answers to all claims on one head of a study."""

    def __init__(self, book: Book, values: Values, study: str, each: Mapping[str, Sequence[str]]) -> None:
        self.book, self.values = book, values
        self.claims = {claim.label: claim for claim in book.claims(study, values.head, each)}
        self.environment = Environment(variable_start_string="<<", variable_end_string=">>")

    @cached_property
    def answers(self) -> dict[str, str]:
        """The answer to every claim, by its label."""
        return {label: self._at(claim, self._answer) for label, claim in self.claims.items()}

    def answer(self, label: str) -> str:
        """Return the answer to a claim; *not asked* of a claim for a task that the study does not have."""
        self._check(label)
        return self.answers.get(label, NOT_ASKED)

    def says(self, label: str) -> str:
        """Return what is said for the answer to a claim, its numbers recorded when they are printed; or nothing."""
        self._check(label)
        text = self.claims[label].texts.get(self.answers[label], "") if label in self.claims else ""
        return self._at(self.claims[label], partial(self._rendered, text)) if text else ""

    def numbers(self, label: str, recorded: bool = True) -> str:
        """Return the numbers of a claim's condition by their names, with intervals; those that there are."""
        claim = self.claims[label]
        found = [(name, self._found(claim, name)) for name in self._names(claim)]
        shown = [(name, self.values.recorded(number)) for name, number in found if number is not None]
        return "; ".join(f"{name} {number.ci if recorded else number.with_interval}" for name, number in shown)

    @property
    def kinds(self) -> dict[str, list[Claim]]:
        """The claims that are asked here; those that are asked of several tasks or behaviours together."""
        found: dict[str, list[Claim]] = {}
        for label, claim in self.claims.items():
            if self.answers[label] != NOT_ASKED:
                found.setdefault(claim.kind, []).append(claim)
        return found

    def by_answer(self, kind: str) -> dict[str, list[str]]:
        """Return of which tasks or behaviours, in words, the answers to a claim are yes, no and undecided."""
        of = {each: [c for c in self.kinds[kind] if self.answers[c.label] == each] for each in (YES, NO, UNDECIDED)}
        return {each: [claim.names["name"] for claim in found] for each, found in of.items() if found}

    def table(self) -> pd.DataFrame:
        """Return `claims.csv`."""
        rows = [
            (self.values.head, label, claim.section, _named(claim), self.answers[label], self.numbers(label, False))
            for label, claim in self.claims.items()
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _answer(self, claim: Claim) -> str:
        try:
            return answer(claim.when, partial(self.book.number, self.values, claim.names))
        except NotAsked:
            return NOT_ASKED

    def _rendered(self, text: str, claim: Claim) -> str:
        def number(phrase: str) -> Number:
            return self.values.recorded(self.book.number(self.values, claim.names, filled(phrase, claim.names)))

        given = {**self.values.names, "number": number, "code": code, **claim.names}
        return self.environment.from_string(filled(text, claim.names)).render(given).strip()

    def _names(self, claim: Claim) -> list[str]:
        terms = re.split(r"\s+and\s+|\s*>\s*", re.sub(r" is [^>]+?(?=\s+and\s+|$)", "", claim.when))
        return [term for term in dict.fromkeys(terms) if not CONSTANT.fullmatch(term)]

    def _found(self, claim: Claim, name: str) -> Number | None:
        try:
            return self.book.number(self.values, claim.names, name)
        except NotAsked:
            return None

    def _check(self, label: str) -> None:
        known = self.book.content["claims"]
        if label not in self.claims and label.partition("/")[0] not in known:
            raise PolyheadError(f"there is no claim {label!r}; there are {', '.join(known)}")

    def _at(self, claim: Claim, do: Callable[[Claim], str]) -> str:
        try:
            return do(claim)
        except (PolyheadError, TemplateError) as error:
            if isinstance(error, NotAsked):
                raise
            place = f"{self.book.path.name}, line {self.book.line(claim.label)}, claim {claim.label}"
            raise PolyheadError(f"{place}: {error}") from error


def _named(claim: Claim) -> str:
    return f"*{claim.names['name']}*: {claim.says}" if "name" in claim.names else claim.says


def expected(book: Book, study: str, head: str, weights: str) -> dict[str, str]:
    """Return the answers that are expected of a study's head; none of other weights than were written down."""
    entry = book.content["expected"].get(study, {})
    same = (entry.get("head"), entry.get("weights")) == (head, weights)
    return entry["answers"] if same else {}


def judged(table: pd.DataFrame, wanted: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Return the claims with the expected answer beside each, empty where none is expected.

    Args:
        table: `claims.csv`.
        wanted: head → label → answer.
    """
    pairs = zip(table["head"], table["label"], strict=True)
    return table.assign(expected=[wanted.get(head, {}).get(label, "") for head, label in pairs])


def check(table: pd.DataFrame) -> None:
    """Raise `PolyheadError` where an expected answer of `judged` is missed."""
    missed = table[(table["expected"] != "") & (table["expected"] != table["answer"])]
    if len(missed):
        lines = [f"  {row.label}: {row.answer}, expected {row.expected}" for row in missed.itertuples()]
        raise PolyheadError("\n".join([f"{len(missed)} of the expected answers are missed:", *lines]))
