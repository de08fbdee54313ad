"""What is claimed of studies: `report/claims.yaml`. Apart from `claims`, so that planning is fast."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyhead.errors import PolyheadError

FILE, EXPECTED = "claims.yaml", "expected"


class Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(Strict):
    """A sentence about a quantity, and where the quantity is found."""

    label: str
    claim: str
    number: str | None = None
    file: str | None = None
    where: dict[str, str] = {}
    column: str = ""
    by: str = ""
    first: Annotated[int, Field(ge=1)] = 1
    tolerance: float | None = None

    def filled(self, names: Mapping[str, str]) -> Claim:
        """Return the claim about one study: with its head, and with one of its tasks."""
        made = {key: _filled(value, names) for key, value in self.model_dump(exclude={"claim"}).items()}
        return Claim(**made, claim=_filled(self.claim, {"expected": "{expected}", **names}))


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, names) for key, each in value.items()}
    return value.format_map(names) if isinstance(value, str) else value


class StudyClaims(Strict):
    """Which claims are made of a study, and how to run it."""

    command: str
    claims: list[str] = []
    published: bool = False


class ClaimsFile(Strict):
    """`report/claims.yaml`."""

    studies: dict[str, StudyClaims]
    claims: dict[str, list[Claim]]


def claimed(sources: Path, name: str) -> bool:
    """Say whether there are claims about a study of this name, with what is expected."""
    study = read_claims(sources).studies.get(name)
    return study is not None and (study.published or expected_file(sources, name).is_file())


def require_claims(sources: Path, name: str) -> None:
    """Raise `PolyheadError` if nothing is claimed of a study of this name."""
    if not claimed(sources, name):
        known = [each for each in read_claims(sources).studies if claimed(sources, each)]
        raise PolyheadError(
            f"nothing is claimed of a study {name!r}; there are claims about {', '.join(known)}, and "
            f"{sources / FILE} says how to write more"
        )


def expected_file(sources: Path, name: str) -> Path:
    """Return the file with what is expected of a study."""
    return sources / EXPECTED / f"{name}.json"


def read_claims(sources: Path) -> ClaimsFile:
    """Read `claims.yaml`.

    Raises:
        PolyheadError: an unknown key, or something missing; the message says where.
    """
    path = sources / FILE
    try:
        return ClaimsFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors()]
        raise PolyheadError("\n  ".join([f"{path} cannot be read:", *problems])) from None
