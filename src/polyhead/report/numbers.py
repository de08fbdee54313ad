"""All numbers of the report, gathered from the tables of a study into one file: `numbers.json`.

A number has a value, a unit, an interval, the number of observations, the file it comes from, and its text as
printed. The report prints these texts and contains no other numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from polyhead.errors import PolyheadError
from polyhead.files import read_json, write_json
from polyhead.model.vocabulary import ALL

LEVEL = "95\u00a0%"
CONFIDENCE = f"{LEVEL} interval"
MINUS, NBSP = "−", "\u00a0"
ALIKE = ("⏎[·×3]", "⏎[·×7]")
"""Destination tokens that the post finds alike."""
TO = " to "
NOTHING = "–"
"""What stands in a table where there is no number."""
ABLATION_QUANTITIES = {"top1": "percent", "mean_probability": "probability"}
DROP_QUANTITIES = ("top1_drop", "drop")
"""What an ablation takes away of them, in points."""


@dataclass(frozen=True)
class Number:
    """One number of the report, and where it comes from.

    `about` says what the number is; its values, joined, are the number's key. `detail` holds further
    findings, such as the token at which a drop is largest. `source` is a path relative to the study's folder,
    `results/<study>`, in which numbers.json is.
    """

    about: dict[str, str]
    value: float | int
    unit: str
    source: str
    n: int | None = None
    low: float | None = None
    high: float | None = None
    text: str = ""
    detail: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.text:
            object.__setattr__(self, "text", format_value(self.value, self.unit))

    def __str__(self) -> str:
        return self.text

    @property
    def key(self) -> str:
        """Unique name of the number within a study."""
        return "/".join(self.about.values())

    @property
    def interval(self) -> str:
        """The interval as text; empty if there is none."""
        if self.low is None or self.high is None:
            return ""
        return f"{format_value(self.low, self.unit)}{TO}{format_value(self.high, self.unit)}"

    @property
    def brief(self) -> str:
        """The text with the interval in square brackets, for tables."""
        if not self.interval:
            return self.text
        low, high = map(_bare, self.interval.split(TO))
        return f"{self.text} [{low}, {high}]"

    @property
    def full(self) -> str:
        """The text with the interval in brackets, for sentences."""
        return f"{self.text} ({CONFIDENCE} {self.interval})" if self.interval else self.text

    @property
    def inside(self) -> str:
        """The text with the interval, for use inside brackets."""
        return f"{self.text}; {CONFIDENCE} {self.interval}" if self.interval else self.text


class Numbers:
    """The numbers of one study, which can be looked up by key or by what they are about."""

    def __init__(self, numbers: Iterable[Number]) -> None:
        self._by_key: dict[str, Number] = {}
        for number in numbers:
            if number.key in self._by_key:
                raise PolyheadError(f"two numbers have the key {number.key!r}")
            self._by_key[number.key] = number

    def __iter__(self) -> Iterator[Number]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, **about: str) -> list[Number]:
        """Return the numbers whose `about` has all the given values, in the order they were gathered."""
        return [number for number in self if about.items() <= number.about.items()]

    def by(self, name: str, **about: str) -> dict[str, Number]:
        """Return the numbers whose `about` has all the given values, by what it says of `name`."""
        return {number.about[name]: number for number in self.find(**about) if name in number.about}

    def first(self, **about: str) -> Number | None:
        """Return the first number whose `about` has all the given values; `None` if there is none."""
        return next(iter(self.find(**about)), None)

    def get(self, key: str) -> Number:
        """Return the number with this key.

        Raises:
            PolyheadError: there is none.
        """
        if key not in self._by_key:
            raise PolyheadError(f"the study has no number {key!r}")
        return self._by_key[key]

    def values(self, name: str, **about: str) -> list[str]:
        """Return the different values that `about[name]` takes, in the order they were gathered."""
        found = (number.about[name] for number in self.find(**about) if name in number.about)
        return list(dict.fromkeys(found))


def format_value(value: float | int, unit: str) -> str:
    """Return the text that is printed for a value.

    Shares (0 to 1) are printed as percentages, and as `<0.1 %` if they would be rounded to zero; differences
    of shares are printed as percentage points.
    """
    if not math.isfinite(value):
        return NOTHING
    text = _FORMATS[unit](value)
    return (text if re.search("[1-9]", text) else text.lstrip("-+")).replace("-", MINUS)


def flipped(number: Number) -> Number:
    """Return what a drop below zero adds: the number with its sign turned, and its interval."""
    low, high = (None if side is None else -side for side in (number.high, number.low))
    return replace(number, value=-number.value, low=low, high=high, text="")


def cells(found: Mapping[str, Number], names: Iterable[str], form: str = "brief") -> list[str]:
    """Return a table's cells for numbers by name, with their intervals; a dash where there is no number."""
    return [getattr(found[name], form) if name in found else NOTHING for name in names]


def _bare(text: str) -> str:
    return text.split(NBSP)[0]


def _percent(value: float | int) -> str:
    return f"<0.1{NBSP}%" if 0 < value < 0.0005 else f"{100 * value:.1f}{NBSP}%"


def _probability(value: float | int) -> str:
    if 0 < value < 0.0005:
        return f"{value:.4f}" if value >= 0.0001 else "<0.0001"
    return f"{value:.3f}"


def _size(count: float | int) -> str:
    return f"{count / 1e6:.1f}{NBSP}MB" if count >= 100_000 else f"{count / 1e3:.1f}{NBSP}kB"


def _duration(seconds: float | int) -> str:
    if seconds < 60:
        return f"{seconds:.1f}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NBSP}h {minutes}{NBSP}min" if hours else f"{minutes}{NBSP}min {rest}{NBSP}s"


_FORMATS = {
    "percent": _percent,
    "points": lambda value: f"{100 * value:.1f}{NBSP}pp",
    "probability": _probability,
    "weight": lambda value: f"{value:.2f}",
    "score": lambda value: f"{value:.2f}",
    "times": lambda value: f"{value:.1f}×",
    "count": lambda value: f"{round(value):,}",
    "index": lambda value: str(round(value)),
    "setting": lambda value: f"{value:g}",
    "seconds": _duration,
    "nats": lambda value: f"{value:.2f}{NBSP}nats",
    "cost": lambda value: f"{value:.3f}{NBSP}nats",
    "effect": lambda value: f"{value:+.4f}{NBSP}nats",
    "bits": lambda value: f"{value:.2f}{NBSP}bits",
    "gibibytes": lambda value: f"{value:.1f}{NBSP}GiB",
    "bytes": _size,
}


class Interval(TypedDict, total=False):
    """The two sides of an interval, or nothing."""

    low: float
    high: float


def interval_of(low: Any, high: Any) -> Interval:
    """Return the sides of an interval by name; nothing if the table has no interval (as with one prompt)."""
    sides = [float(side) for side in (low, high) if side != ""]
    return {"low": sides[0], "high": sides[1]} if len(sides) == 2 and all(map(math.isfinite, sides)) else {}


def write_numbers(path: Path | str, numbers: Numbers) -> None:
    """Write `numbers.json`: key → value, unit, n, low, high, text, source, about, detail."""
    write_json(path, {number.key: asdict(number) for number in numbers})


def read_numbers(path: Path | str) -> Numbers:
    """Read `numbers.json`."""
    return Numbers(Number(**record) for record in read_json(path).values())


def ranking(numbers: Numbers, head: str, taxonomy: str, token: str = ALL) -> list[Number]:
    """Return the shares of a destination token's labels, the largest first."""
    shares = numbers.find(head=head, table="distribution", taxonomy=taxonomy, token=token)
    return sorted(shares, key=lambda number: -number.value)
