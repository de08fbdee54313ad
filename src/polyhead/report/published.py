"""What the post reports, beside the same quantities of a study.

Only a study of the post's head with the post's weights can agree or differ: where the published number, as precisely
as it is printed, lies in the study's interval. Of other studies the numbers are shown, not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from polyhead.report.claims import Claims, filled
from polyhead.report.values import NotAsked, Number, Values

AGREES, DIFFERS = "agrees", "differs"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Line:
    """One published quantity: what it is, as the post prints it, as this study found it, how they compare."""

    part: str
    what: str
    post: str
    here: str
    verdict: str


class Published:
    """`published.yaml`, and which of its numbers this study has."""

    def __init__(self, path: Path, values: Values, provenance: Mapping[str, Any]) -> None:
        self.content = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.values, self.provenance = values, provenance

    @property
    def models(self) -> list[str]:
        """Names of the post's model."""
        return self.content["models"]

    @property
    def head(self) -> str:
        """The post's head."""
        return self.content["head"]

    @cached_property
    def is_studied(self) -> bool:
        """Whether the study is of the head and the model that the post names."""
        return self.values.head == self.head and model_name(self.provenance) in self.models

    @cached_property
    def is_same(self) -> bool:
        """Whether its weights are the post's too: by their SHA-256 where that is known, else by the model's sizes."""
        known = self.content["sha256"]
        same = weights(self.provenance) in known if known else self.provenance["model"] == self.content["shape"]
        return self.is_studied and same

    def lines(self, claims: Claims) -> list[Line]:
        """Return a line for each published quantity; numbers are recorded when they are printed in it."""
        return [self._line(entry, claims) for entry in self.content["numbers"]]

    def _line(self, entry: Mapping[str, Any], claims: Claims) -> Line:
        shown = (entry["part"], entry["what"], entry["text"])
        if "claim" in entry:
            said = claims.answer(entry["claim"])
            return Line(*shown, f"claim: {said}", {"yes": AGREES, "no": DIFFERS}.get(said, "") if self.is_same else "")
        spec = filled({key: entry.get(key) for key in ("table", "column", "where")}, {"head": self.values.head})
        try:
            number = self.values.number(
                spec["table"], spec["column"], entry["form"], spec["where"] or {}, entry.get("largest", False)
            )
        except NotAsked:
            return Line(*shown, NOT_MEASURED, "")
        return Line(*shown, self.values.recorded(number).ci, compared(entry, number) if self.is_same else "")


def compared(entry: Mapping[str, Any], number: Number) -> str:
    """Compare a published number, within its rounding, with the interval of this study."""
    low, high = (number.value if end != end else end for end in (number.low, number.high))  # NaN: no interval
    if entry.get("bound"):
        return AGREES if low < entry["value"] else DIFFERS
    return AGREES if low - entry["rounding"] <= entry["value"] <= high + entry["rounding"] else DIFFERS


def model_name(provenance: Mapping[str, Any]) -> str:
    """Return the model's name: the repository or package it was fetched from, or its directory."""
    source = provenance.get("model_source") or {}
    path = str(provenance["config"]["model"])
    return str(source.get("repo") or path[path.rfind("resources/") :] if "resources/" in path else path)


def weights(provenance: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the weights that the stages read."""
    files = provenance["files"].items()
    return next((file["sha256"] for name, file in files if Path(name).name == "model.safetensors"), "")
