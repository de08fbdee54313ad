"""The example report in the repository, and whether it is still up to date."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from polyhead.files import read_json, replacing, sha256, write_json

RECORD = "made_from.json"
SOURCES = (
    "config.yaml",
    "report/*.*",
    "report/explorer/*.*",
    "report/expected/*.*",
    "resources/reference-model/*.json",
    "resources/reference-model/*.safetensors",
    "resources/scarcity/*.*",
    "tests/golden/smoke.json",
)
"""What an example is made from: the study's config, the document, the models, and the numbers of the code."""


def source_hashes(repository: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that an example is made from."""
    files = sorted(path for pattern in SOURCES for path in repository.glob(pattern) if path.is_file())
    return {path.relative_to(repository).as_posix(): sha256(path) for path in files}


def write_example(made: Iterable[Path], repository: Path, folder: Path) -> None:
    """Copy the report's files into `folder` and record what they were made from."""
    for path in made:
        with replacing(folder / path.name) as temporary:
            shutil.copyfile(path, temporary)
    write_json(folder / RECORD, source_hashes(repository))


def stale_sources(repository: Path, folder: Path) -> list[str]:
    """Return the sources that were changed, added or removed since the example was made."""
    then, now = read_json(folder / RECORD), source_hashes(repository)
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
