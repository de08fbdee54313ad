"""The record of every job: what it read and wrote, with checksums. By it a file edited by hand is noticed.

Records lie in `<folder>/records/<rule>/<job>.json`, beside logs and benchmarks, one for every job and head.
Paths in them are relative to the folder of results, so that it can be moved.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from polyhead.errors import PolyheadError
from polyhead.plain_files import read_json, sha256, write_json

RECORDS = "records"
TABLES = (".csv", ".json", ".parquet", ".svg", ".md", ".qmd", ".yml")
"""What is not to be edited by hand: tables, and what the report is put together from."""
LISTED = 6
ALLOW = "--config report='{allow_edited: true}'"


@dataclass(frozen=True)
class Written:
    """A file as a job wrote it."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Record:
    """One job: times are in UTC, ISO 8601; paths are relative to the folder of results."""

    rule: str
    job: str
    started: str
    ended: str
    inputs: tuple[str, ...]
    outputs: dict[str, Written]

    @property
    def seconds(self) -> float:
        """How long the job took."""
        return (datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.started)).total_seconds()


def now() -> str:
    """Return the time in UTC, as records have it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def write_record(
    rule: str, log: Path, inputs: Iterable[str], outputs: Sequence[str], started: str
) -> Path | None:
    """Record a job that has just ended; of a job without outputs nothing is kept.

    Args:
        rule: the rule's name.
        log: the job's log, `<folder>/logs/<rule>/<job>.log` or `<folder>/logs/<rule>.log`.
        inputs: files that the job read.
        outputs: files and folders that it wrote.
        started: when it began, as `now` gives it.
    """
    if not outputs:
        return None
    folder = next(parent.parent for parent in log.parents if parent.name == "logs")
    place = log.relative_to(folder / "logs").with_suffix(".json")
    written = {
        os.path.relpath(path, folder): Written(sha256(path), path.stat().st_size) for path in _files(outputs)
    }
    read = tuple(os.path.relpath(path, folder) for path in inputs)
    job = place.with_suffix("").as_posix()
    write_json(folder / RECORDS / place, asdict(Record(rule, job, started, now(), read, written)))
    return folder / RECORDS / place


def _files(outputs: Iterable[str]) -> Iterator[Path]:
    for path in map(Path, outputs):
        yield from sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def read_records(folder: Path | str) -> list[Record]:
    """Return the records of all jobs that wrote into a folder of results, in the order they ended."""
    contents = map(read_json, sorted((Path(folder) / RECORDS).rglob("*.json")))
    records = [
        Record(
            **{
                **content,
                "inputs": tuple(content["inputs"]),
                "outputs": {path: Written(**written) for path, written in content["outputs"].items()},
            }
        )
        for content in contents
    ]
    return sorted(records, key=lambda record: record.ended)


def makers(records: Iterable[Record]) -> dict[str, Record]:
    """Return for every file the job that wrote it last."""
    return {path: record for record in records for path in record.outputs}


def behind(records: Iterable[Record], paths: Iterable[str]) -> dict[str, Record]:
    """Return the jobs that files need, by name: those that wrote them, and those of what these read."""
    by_file, found, waiting = makers(records), dict[str, Record](), list(paths)
    while waiting:
        path = waiting.pop()
        for record in [by_file[path]] if path in by_file else _of_folder(by_file, path):
            if record.job not in found:
                found[record.job] = record
                waiting += record.inputs
    return found


def _of_folder(by_file: Mapping[str, Record], path: str) -> list[Record]:
    """Return the jobs that wrote into a folder of results."""
    inside = f"{path}/"
    return [] if path.startswith("..") else [r for name, r in by_file.items() if name.startswith(inside)]


def edited(folder: Path | str, paths: Iterable[str] | None = None) -> dict[str, Record]:
    """Return the tables that are not what a job wrote, and the job that wrote them.

    Args:
        folder: the folder of results.
        paths: look only at these files and at what they were made from; others may still be written.
    """
    folder, records = Path(folder), read_records(folder)
    found = makers(records)
    if paths is not None:
        jobs = behind(records, paths)
        found = {path: record for path, record in found.items() if record.job in jobs}
    return {path: record for path, record in found.items() if _differs(folder / path, record.outputs[path])}


def _differs(path: Path, written: Written) -> bool:
    """Say whether a table was edited; one that is gone does not count."""
    return path.suffix in TABLES and path.is_file() and sha256(path) != written.sha256


def check_unedited(folder: Path | str, inputs: Iterable[str], allow: bool = False) -> tuple[str, ...]:
    """Look for tables edited by hand among a job's inputs and what they were made from.

    Args:
        folder: the folder of results.
        inputs: what the job reads, as seen from the working directory.
        allow: only tell.

    Returns:
        Paths of edited tables, relative to the folder.

    Raises:
        PolyheadError: there are some, and it is not allowed; the message names them and says what to do.
    """
    found = edited(folder, [os.path.relpath(path, folder) for path in inputs])
    if found and not allow:
        raise PolyheadError(_refusal(Path(folder), found))
    return tuple(found)


def _refusal(folder: Path, found: dict[str, Record]) -> str:
    lines = [
        f"{folder / path} was edited after the rule {record.rule} wrote it" for path, record in found.items()
    ]
    more = [f"… and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    names = " ".join(f"'{folder / path}'" for path in list(found)[:LISTED])
    what_to_do = [
        f"Nothing is reported from it. To make it again: rm {names}, and run the same command again.",
        f"To report from it all the same, with a stamp on every page: {ALLOW}",
    ]
    return "\n  ".join([*lines[:LISTED], *more, *what_to_do])


def seconds_to_make(records: Iterable[Record], path: str) -> float:
    """Return how long the jobs took, in all, that a file needs."""
    return float(sum(record.seconds for record in behind(records, [path]).values()))
