"""Reading and writing text and JSON, and checksums. Files are never incomplete: written, then renamed.

Apart from `polyhead.files`, which imports pandas, so that planning the workflow is fast.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polyhead.errors import PolyheadError

CHECKSUMS = "SHA256SUMS"
FETCHED = "source.json"


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which is renamed to `path` if the block ends without an error.

    Temporary files that an earlier, killed process left for the same path are removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.stem)}.*.tmp{glob.escape(path.suffix)}"):
        left.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON with a final newline."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON; raise `PolyheadError` if the file holds something else."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise PolyheadError(f"{path} is damaged: not JSON ({error}); {_rebuild(path)}") from error


def check_sum(path: Path | str) -> None:
    """Compare a file with its recorded SHA-256, if there is a record of it.

    Records are `SHA256SUMS` in the file's folder and in the one above, and `source.json` beside a fetched
    model.

    Raises:
        PolyheadError: the file is not the one recorded.
    """
    path = Path(path)
    for listing, recorded in _recorded(path):
        if recorded != sha256(path):
            raise PolyheadError(
                f"{path} is damaged or was changed: its SHA-256 is not the one in {listing}; {_rebuild(path)}"
            )


def _recorded(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every record that names the file, with the SHA-256 in it."""
    for folder in (path.parent, path.parent.parent):
        listing, name = folder / CHECKSUMS, path.relative_to(folder).as_posix()
        lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
        yield from ((listing, line.split()[0]) for line in lines if line.split()[1:] == [name])
    listing = path.with_name(FETCHED)
    written = read_json(listing).get("written", {}) if listing.is_file() else {}
    if path.name in written:
        yield listing, written[path.name]


def _rebuild(path: Path | str) -> str:
    """Say what to do about a damaged file."""
    if "results" in Path(path).parts:
        return f"delete it and run again: rm '{path}'"
    return f"restore it: git checkout -- '{path}', or copy it again from where it came from"


def sha256(path: Path | str) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
