"""Numbers for sentences that are in no table: extremes over tokens, positions and heads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from polyhead.attention.labels import UNKNOWN
from polyhead.model.vocabulary import ALL
from polyhead.report.numbers import ALIKE, Number, Numbers, ranking

COMMON = 0.01
"""Smallest share of rows with which a label counts as common."""
FEWEST_COMPARED = 200
"""Fewest rows that each of two destination tokens must have to be compared; and an interval."""


def derived(numbers: Numbers, study: Path, head: str, taxonomy: str) -> Iterator[Number]:
    """Numbers for sentences that are in no table: extremes over tokens, positions and heads."""
    yield from _derived_tokens(numbers, study, head, taxonomy)
    drops = numbers.find(head=head, table="positions")
    for task, method in dict.fromkeys((number.about["task"], number.about["method"]) for number in drops):
        yield from _derived_positions(numbers, {"head": head}, {"task": task, "method": method})
    for task in numbers.values("task", table="tasks by heads"):
        yield from _rank(numbers.find(table="tasks by heads", task=task, quantity="drop"), head, task)
    for name in numbers.values("taxonomy", table="atlas"):
        yield from _rank(
            numbers.find(table="atlas", taxonomy=name, quantity="entropy"), head, f"atlas {name}"
        )


def _rank(values: list[Number], head: str, among: str) -> Iterator[Number]:
    """Where a head stands among all heads of the model, the largest value first."""
    values = sorted(values, key=lambda number: -number.value)
    heads = [number.about["of"] for number in values]
    if head not in heads:
        return
    about = {"head": head, "table": "rank", "among": among}
    rank = 1 + heads.index(head)
    detail = {"largest": heads[0], "value": values[0].text}
    yield Number(about, rank, "index", values[0].source, n=len(values), detail=detail)


def _derived_tokens(numbers: Numbers, study: Path, head: str, taxonomy: str) -> Iterator[Number]:
    about, source = {"head": head, "table": "tokens"}, f"heads/{head}/distribution.csv"
    of_head = numbers.values("token", head=head, table="distribution", taxonomy=taxonomy)
    tokens = [token for token in of_head if token != ALL]
    yield Number(about | {"quantity": "shown"}, len(tokens), "index", source)
    first = (ranking(numbers, head, taxonomy, token)[0] for token in tokens)
    top = sorted((n for n in first if n.low is not None), key=lambda n: n.value)
    for name, number in (("least", top[0]), ("most", top[-1])) if top else ():
        detail = {part: number.about[part] for part in ("token", "label")}
        yield replace(number, about=about | {"quantity": name}, detail=detail)
    shares = ranking(numbers, head, "extended")
    if shares:
        common = [n for n in shares if n.value >= COMMON and n.about["label"] != UNKNOWN]
        yield Number(about | {"quantity": "common behaviours"}, len(common), "index", source)
        here = os.path.relpath(__file__, study)
        yield Number(about | {"quantity": "common"}, COMMON, "percent", here)
    rows = [n.value for token in ALIKE for n in numbers.find(head=head, table="rows", token=token)]
    sure = all(n.low is not None for t in ALIKE for n in ranking(numbers, head, taxonomy, t))
    if set(ALIKE) <= set(tokens) and sure and min(rows) >= FEWEST_COMPARED:
        yield Number(
            about | {"quantity": "difference"},
            largest_difference(numbers, head, taxonomy, ALIKE),
            "points",
            source,
        )


def _derived_positions(numbers: Numbers, head: dict[str, str], task: dict[str, str]) -> Iterator[Number]:
    """The drop at the destination, the largest drop anywhere else, and the largest gain there."""
    drops = numbers.find(table="positions", **head, **task)
    elsewhere = [number for number in drops if number.detail["role"] != "destination"]
    chosen = {"destination": next(n for n in drops if n.detail["role"] == "destination")}
    if elsewhere:
        chosen["elsewhere"] = max(elsewhere, key=lambda number: number.value)
        least = min(elsewhere, key=lambda number: number.value)
        yield replace(
            least, about=head | {"table": "gain"} | task, value=-least.value, low=None, high=None, text=""
        )
    for name, number in chosen.items():
        yield replace(number, about=head | {"table": "drop"} | task | {"quantity": name})


def largest_difference(numbers: Numbers, head: str, taxonomy: str, pair: tuple[str, str]) -> float:
    """Return the largest difference between two destination tokens' shares of the same behaviour."""
    shares = [{n.about["label"]: n.value for n in ranking(numbers, head, taxonomy, t)} for t in pair]
    return max(abs(shares[0].get(name, 0.0) - shares[1].get(name, 0.0)) for name in shares[0] | shares[1])
