"""What the post reports, beside the same quantities of a study.

A study of the post's head with the post's weights agrees where the published number, as precisely as it is
printed, lies in the study's interval. Of others numbers are shown, not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import inf, isnan
from pathlib import Path
from typing import Any

import yaml

from polyhead.report.claims import NO, YES, Claims, weights
from polyhead.report.values import Number

AGREES, DIFFERS = "agrees", "differs"


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
