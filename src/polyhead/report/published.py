"""Comparison of a study with the numbers of the post: agrees, differs, or not comparable.

Only a study of the post's head and model can agree or differ. Numbers of other studies are shown beside those
of the post, marked as not comparable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from polyhead.report.numbers import Number, Numbers, ranking


class Verdict(StrEnum):
    """How a published number and that of this study compare."""

    AGREES = "agrees"
    """The published number, within its rounding, lies in the interval of this study."""
    DIFFERS = "differs"
    """It does not."""
    NOT_COMPARABLE = "not comparable"
    """Another model or head, or not measured in this study."""


@dataclass(frozen=True)
class Comparison:
    """One line of the table; `instead` is a task of this study that is shown for one of the post."""

    what: str
    part: str
    published: str
    ours: str
    verdict: Verdict
    instead: str = ""


def read_published(path: Path | str) -> dict[str, Any]:
    """Read `published.yaml`."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def is_published(published: Mapping[str, Any], model: str, head: str) -> bool:
    """Return whether a study is of the head and the model of the post."""
    return model in published["models"] and head == published["head"]


def stand_ins(published: Mapping[str, Any], behaviours: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return, for tasks of the post that a study did not run, tasks of the study about the same behaviours.

    Args:
        published: what `read_published` returns.
        behaviours: the study's tasks, and the behaviours that each is about.
    """
    found = {}
    for task, wanted in published["tasks"].items():
        others = [name for name, about in behaviours.items() if list(about) == list(wanted)]
        if task not in behaviours and others:
            found[task] = others[0]
    return found


def compare(
    published: Mapping[str, Any],
    numbers: Numbers,
    model: str,
    head: str,
    instead: Mapping[str, str] | None = None,
) -> list[Comparison]:
    """Compare all numbers that the post reports with those of a study.

    Args:
        published: what `read_published` returns.
        numbers: the study's numbers.
        model: the study's model.
        head: the study's head.
        instead: tasks of the study to show for tasks of the post; their numbers are never comparable.
    """
    same = is_published(published, model, head)
    lines = [_compare_order(order, numbers, head, same) for order in published["orders"]]
    lines += [_compare_number(entry, numbers, head, same, instead or {}) for entry in published["numbers"]]
    return sorted(lines, key=lambda line: _part(published, line.part))


def in_short(published: Mapping[str, Any], lines: Sequence[Comparison]) -> list[Comparison]:
    """Return the few comparisons that stand in the main text."""
    entries = (*published["orders"], *published["numbers"])
    main = {(entry["part"], entry["what"]) for entry in entries if entry.get("main")}
    return [line for line in lines if (line.part, line.what) in main]


def _compare_number(
    entry: Mapping[str, Any], numbers: Numbers, head: str, same: bool, instead: Mapping[str, str]
) -> Comparison:
    key = entry["key"].format(head=head)
    ours = next((number for number in numbers if number.key == key), None)
    verdict = verdict_on(entry, ours) if same and ours is not None else Verdict.NOT_COMPARABLE
    if ours is not None:
        return Comparison(entry["what"], entry["part"], entry["text"], ours.brief, verdict)
    for task, other in instead.items():
        replaced = key.replace(f"/{task}/", f"/{other}/")
        found = next((number for number in numbers if number.key == replaced), None)
        if replaced != key and found is not None:
            return Comparison(entry["what"], entry["part"], entry["text"], found.brief, verdict, other)
    return Comparison(entry["what"], entry["part"], entry["text"], "not measured", verdict)


def _part(published: Mapping[str, Any], part: str) -> int:
    return [entry["part"] for entry in published["numbers"]].index(part)


def verdict_on(entry: Mapping[str, Any], ours: Number) -> Verdict:
    """Compare one published number, within its rounding, with the interval of this study."""
    low = ours.value if ours.low is None else ours.low
    high = ours.value if ours.high is None else ours.high
    if entry.get("bound"):
        agrees = low < entry["value"]
    else:
        agrees = low - entry["rounding"] <= entry["value"] <= high + entry["rounding"]
    return Verdict.AGREES if agrees else Verdict.DIFFERS


def _compare_order(entry: Mapping[str, Any], numbers: Numbers, head: str, same: bool) -> Comparison:
    named: Sequence[str] = entry["order"]
    ours = [n.about["label"] for n in ranking(numbers, head, entry["taxonomy"])]
    if not ours:
        verdict, text = Verdict.NOT_COMPARABLE, "not measured"
    else:
        text = ", ".join(ours[: len(named)])
        verdict = Verdict.AGREES if ours[: len(named)] == list(named) else Verdict.DIFFERS
    return Comparison(
        entry["what"], entry["part"], ", ".join(named), text, verdict if same else Verdict.NOT_COMPARABLE
    )
