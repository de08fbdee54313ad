"""The post's numbers beside this study's: agrees, differs, or not comparable.

Only a study of the published head of the published model can agree or differ. For any other model the numbers
stand side by side for orientation, and the verdict says that they cannot be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from polyhead.numbers import Number, Numbers, ranking


class Verdict(StrEnum):
    """How a published number and this study's relate."""

    AGREES = "agrees"
    """The published number, as precisely as it is printed, lies in this study's interval."""
    DIFFERS = "differs"
    """It does not."""
    NOT_COMPARABLE = "not comparable"
    """Another model or another head, or the study did not measure it."""


@dataclass(frozen=True)
class Comparison:
    """One line of the table; `instead` is our own task, where the post's was not run."""

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
    """Say whether a study is of the very head of the very model that the post is about."""
    return model in published["models"] and head == published["head"]


def stand_ins(published: Mapping[str, Any], behaviours: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return for each task of the post that a study did not run one that it did, about the same behaviour.

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
    """Compare everything the post reports with a study.

    Args:
        published: what `read_published` returns.
        numbers: the study's numbers.
        model: the study's model.
        head: the study's head.
        instead: the study's task to show beside a task of the post; such numbers are never comparable.
    """
    same = is_published(published, model, head)
    lines = [_compare_order(order, numbers, head, same) for order in published["orders"]]
    lines += [_compare_number(entry, numbers, head, same, instead or {}) for entry in published["numbers"]]
    return sorted(lines, key=lambda line: _part(published, line.part))


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
    """Compare one published number, known to within its rounding, with this study's interval."""
    low = ours.value if ours.low is None else ours.low
    high = ours.value if ours.high is None else ours.high
    if entry.get("bound"):
        agrees = low < entry["value"]
    else:
        agrees = low - entry["rounding"] <= entry["value"] <= high + entry["rounding"]
    return Verdict.AGREES if agrees else Verdict.DIFFERS


def _compare_order(entry: Mapping[str, Any], numbers: Numbers, head: str, same: bool) -> Comparison:
    named: Sequence[str] = entry["order"]
    ours = [n.about["behaviour"] for n in ranking(numbers, head, entry["taxonomy"])]
    if not ours:
        verdict, text = Verdict.NOT_COMPARABLE, "not measured"
    else:
        text = ", ".join(ours[: len(named)])
        verdict = Verdict.AGREES if ours[: len(named)] == list(named) else Verdict.DIFFERS
    return Comparison(
        entry["what"], entry["part"], ", ".join(named), text, verdict if same else Verdict.NOT_COMPARABLE
    )
