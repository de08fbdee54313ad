"""Rows of a tokenised data set in parquet parts: on the hub, in its cache, or in a local directory.

Of parts on the hub only footers and the chosen row groups are read, by range requests; what was read is kept
in a folder, so that an interrupted or repeated sample goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from polyhead.draws import RowGroup
from polyhead.errors import PolyheadError
from polyhead.files import read_json, read_parquet, sha256, write_json, write_parquet
from polyhead.hub import (
    Repository,
    Snapshot,
    cached_snapshot,
    check_hashes,
    progress_on,
    reaching,
    snapshot,
)


@dataclass(frozen=True)
class Dataset:
    """Where a tokenised data set lies, and how much of it may be fetched."""

    repository: Repository
    split: str
    column: str = "tokens"
    rows: int | None = None
    """How many rows the config says there are; `None` leaves it unchecked."""
    whole: bool = False
    """Download every part, instead of the row groups that a sample needs."""

    @property
    def patterns(self) -> tuple[str, str]:
        """The names of the split's parts, in the repository's root or in any folder."""
        return f"{self.split}[-.]*parquet", f"*/{self.split}[-.]*parquet"

    def has_part(self, path: str) -> bool:
        """Say whether a file of the repository is a part of the split."""
        return any(fnmatch(path, pattern) for pattern in self.patterns)


@dataclass(frozen=True)
class Parts:
    """The parts of a split: which row groups they have, and a way to read one."""

    dataset: Dataset
    commit: str | None
    hashes: Mapping[str, str | None]
    groups: tuple[RowGroup, ...]
    read: Callable[[RowGroup], pa.ChunkedArray]

    @property
    def rows(self) -> int:
        """Rows of all parts together."""
        return sum(group.rows for group in self.groups)

    def describe(self) -> dict[str, Any]:
        """Say for the record what the parts are."""
        repository = self.dataset.repository
        return {
            "repo": repository.name,
            "revision": repository.revision if self.commit else None,
            "commit": self.commit,
            "split": self.dataset.split,
            "column": self.dataset.column,
            "parts": [{"file": name, "sha256": digest} for name, digest in self.hashes.items()],
            "rows_available": self.rows,
            "row_groups_available": len(self.groups),
        }


def open_parts(
    dataset: Dataset, kept: Path | str, expected: Mapping[str, str] | None = None, screen: Any = None
) -> Parts:
    """Find the parts of a data set's split.

    Args:
        dataset: which data set and split.
        kept: folder that keeps what range requests read.
        expected: sha256 of parts, checked; on the hub those that the hub lists.
        screen: where progress goes; default: the process's own stderr.

    Raises:
        PolyheadError: unreachable, no such split or column, damaged, or not the expected rows or files.
    """
    parts = _local_parts(dataset, screen) or _hub_parts(dataset, Path(kept), screen)
    check_hashes(str(dataset.repository), parts.hashes, expected or {})
    if dataset.rows not in (None, parts.rows):
        raise PolyheadError(
            f"corpus.rows: the config says {dataset.rows}; the split {dataset.split!r} of "
            f"{dataset.repository} has {parts.rows}"
        )
    return parts


def _local_parts(dataset: Dataset, screen: Any) -> Parts | None:
    """Open whole parts: of a directory, downloaded now, or downloaded earlier and complete."""
    repository = dataset.repository
    if dataset.whole or repository.local:
        return _parts_of(snapshot(repository, dataset.patterns, screen), dataset)
    earlier = cached_snapshot(repository, dataset.patterns)
    if earlier is None:
        return None
    parts = _parts_of(earlier, dataset)
    return parts if parts.rows == dataset.rows else None


def _parts_of(found: Snapshot, dataset: Dataset) -> Parts:
    paths = {path.relative_to(found.folder).as_posix(): path for path in found.matching(*dataset.patterns)}
    if not paths:
        raise no_parts(dataset)
    with reading(dataset, OSError):
        groups = row_groups({name: pq.read_metadata(path) for name, path in paths.items()}, dataset)

    def read(group: RowGroup) -> pa.ChunkedArray:
        with reading(dataset, OSError):
            return pq.ParquetFile(paths[group.part]).read_row_group(group.number, [dataset.column])[0]

    return Parts(dataset, found.commit, {name: sha256(path) for name, path in paths.items()}, groups, read)


def no_parts(dataset: Dataset) -> PolyheadError:
    """Say that a split has no parts."""
    return PolyheadError(
        f"corpus.split: no file of {dataset.repository} is a part of {dataset.split!r}; "
        f"parts are named {dataset.patterns[0]}"
    )


def _hub_parts(dataset: Dataset, kept: Path, screen: Any) -> Parts:
    """Read the footers of parts on the hub, once; row groups are read when asked for, once."""
    folder = kept / dataset.repository.revision
    layout = folder / f"{dataset.split}.{dataset.column}.json"
    if not layout.is_file():
        write_json(layout, _hub_layout(dataset, screen))
    known = read_json(layout)
    groups = tuple(RowGroup(**group) for group in known["groups"])

    @cache
    def part(name: str) -> pq.ParquetFile:
        return open_on_hub(dataset.repository, known["commit"], name)

    def read(group: RowGroup) -> pa.ChunkedArray:
        path = folder / f"{group.part.replace('/', '_')}.{group.number}.{dataset.column}.parquet"
        if not path.is_file():
            with reaching(dataset.repository, f"row group {group.number} of {group.part}"), reading(dataset):
                write_parquet(path, part(group.part).read_row_group(group.number, [dataset.column]))
        return read_parquet(path)[0]

    return Parts(dataset, known["commit"], known["sha256"], groups, read)


def _hub_layout(dataset: Dataset, screen: Any) -> dict[str, Any]:
    """List a split's parts on the hub with the sha256 that the hub keeps, and read their footers."""
    from huggingface_hub import HfApi

    repository = dataset.repository
    with reaching(repository, "the list of files"):
        api = HfApi()
        commit = api.dataset_info(repository.name, revision=repository.revision).sha
        tree = api.list_repo_tree(repository.name, repo_type="dataset", revision=commit, recursive=True)
        files = sorted((f for f in tree if dataset.has_part(f.path)), key=lambda f: f.path)
    if not files:
        raise no_parts(dataset)
    bar = progress_on(screen)(files, desc=f"Reading the footers of {repository.name}", unit="part")
    with reaching(repository, "the footers of its parts"), reading(dataset):
        footers = {file.path: open_on_hub(repository, commit, file.path).metadata for file in bar}
    return {
        "commit": commit,
        "sha256": {file.path: file.lfs.sha256 if file.lfs else None for file in files},
        "groups": [asdict(group) for group in row_groups(footers, dataset)],
    }


def open_on_hub(repository: Repository, commit: str, part: str) -> pq.ParquetFile:
    """Open a part on the hub: its footer is read now, row groups by range requests of exactly their bytes."""
    from huggingface_hub import HfFileSystem

    file = HfFileSystem().open(f"datasets/{repository.name}@{commit}/{part}", cache_type="none")
    return pq.ParquetFile(file, pre_buffer=True)


def row_groups(footers: Mapping[str, pq.FileMetaData], dataset: Dataset) -> tuple[RowGroup, ...]:
    """List the row groups of all parts, in order, with the bytes of the column."""
    found: list[RowGroup] = []
    first = 0
    for part, footer in footers.items():
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            columns = [group.column(i) for i in range(group.num_columns)]
            own = [c for c in columns if c.path_in_schema.split(".")[0] == dataset.column]
            if not own:
                names = ", ".join(sorted({c.path_in_schema.split(".")[0] for c in columns}))
                raise PolyheadError(f"corpus.column: {part} has no {dataset.column!r}; columns: {names}")
            size = sum(column.total_compressed_size for column in own)
            found.append(RowGroup(part, number, group.num_rows, first, size))
            first += group.num_rows
    return tuple(found)


@contextmanager
def reading(dataset: Dataset, *more: type[Exception]) -> Iterator[None]:
    """Say which data set could not be read when a part is damaged."""
    try:
        yield
    except (pa.ArrowInvalid, *more) as error:
        raise PolyheadError(f"cannot read the parts of {dataset.repository}: {error}") from error
