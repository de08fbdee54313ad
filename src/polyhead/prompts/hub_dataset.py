"""Sequences of a tokenised data set in parquet parts: on the hub, in its cache, or in a local directory.

Of files on the hub only the footers and the chosen row groups are read, by range requests. What was read is
kept in a folder beside the hub's cache, for all studies, so that the same sample needs no network again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from polyhead.errors import PolyheadError
from polyhead.files import read_json, read_parquet, sha256, write_json, write_parquet, write_text
from polyhead.model.hub import (
    Repository,
    Snapshot,
    cached_snapshot,
    check_hashes,
    progress_on,
    reaching,
    snapshot,
)
from polyhead.prompts.draws import RowGroup


@dataclass(frozen=True)
class Dataset:
    """Where a tokenised data set is, and whether all of it is downloaded."""

    repository: Repository
    split: str
    column: str = "tokens"
    sequences: int | None = None
    """The number of sequences that the config expects; `None`: not checked."""
    whole: bool = False
    """Download every part, instead of the row groups that a sample needs."""

    @property
    def patterns(self) -> tuple[str, str]:
        """The names of the split's parts, in the repository's root or in any folder."""
        return f"{self.split}[-.]*parquet", f"*/{self.split}[-.]*parquet"

    def has_part(self, path: str) -> bool:
        """Return whether a file of the repository is a part of the split."""
        return any(fnmatch(path, pattern) for pattern in self.patterns)


@dataclass(frozen=True)
class Parts:
    """The parts of a split: their row groups, and a function that reads one."""

    dataset: Dataset
    commit: str | None
    hashes: Mapping[str, str | None]
    groups: tuple[RowGroup, ...]
    read: Callable[[RowGroup], pa.ChunkedArray]

    @property
    def sequences(self) -> int:
        """Sequences of all parts together."""
        return sum(group.sequences for group in self.groups)

    def describe(self) -> dict[str, Any]:
        """Describe the parts, for the record of the sample."""
        repository = self.dataset.repository
        return {
            "repo": repository.name,
            "revision": repository.revision if self.commit else None,
            "commit": self.commit,
            "split": self.dataset.split,
            "column": self.dataset.column,
            "parts": [{"file": name, "sha256": digest} for name, digest in self.hashes.items()],
            "sequences_available": self.sequences,
            "row_groups_available": len(self.groups),
        }


def open_corpus(corpus: Mapping[str, Any], whole: bool) -> Parts:
    """Open the parts that the section `corpus` of a config names."""
    repository = Repository(corpus["repo"], corpus["revision"], "dataset")
    dataset = Dataset(repository, corpus["split"], corpus["column"], corpus["sequences"], whole)
    return open_parts(dataset, expected=corpus["sha256"])


def open_parts(
    dataset: Dataset, kept: Path | str | None = None, expected: Mapping[str, str] | None = None
) -> Parts:
    """Find the parts of a data set's split.

    Args:
        dataset: which data set and split.
        kept: folder for what was read from the hub; default: one beside the hub's cache.
        expected: SHA-256 of parts, to compare with those of the files, or with those that the hub lists.

    Raises:
        PolyheadError: unreachable, no such split or column, damaged, or not the expected sequences or files.
    """
    from huggingface_hub.constants import HF_HOME

    parts = _local_parts(dataset) or _hub_parts(dataset, Path(kept or Path(HF_HOME) / "polyhead"))
    check_hashes(str(dataset.repository), parts.hashes, expected or {})
    if dataset.sequences not in (None, parts.sequences):
        raise PolyheadError(
            f"corpus.sequences: the config says {dataset.sequences}; the split {dataset.split!r} of "
            f"{dataset.repository} has {parts.sequences}"
        )
    return parts


def _local_parts(dataset: Dataset) -> Parts | None:
    """Open parts that are on this machine as whole files, after downloading them where that is asked for."""
    repository = dataset.repository
    if dataset.whole or repository.local:
        return _parts_of(snapshot(repository, dataset.patterns), dataset)
    earlier = cached_snapshot(repository, dataset.patterns)
    parts = _parts_of(earlier, dataset) if earlier else None
    return parts if parts and parts.sequences == dataset.sequences else None


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
    """Return the error that a split has no parts."""
    return PolyheadError(
        f"corpus.split: no file of {dataset.repository} is a part of {dataset.split!r}; "
        f"parts are named {dataset.patterns[0]}"
    )


def _hub_parts(dataset: Dataset, kept: Path) -> Parts:
    """Open parts on the hub; footers, and row groups when needed, are read once and then kept."""
    folder = kept / dataset.repository.name.replace("/", "--")
    commit = _commit(dataset.repository, folder)
    layout = folder / commit / f"{dataset.split}.{dataset.column}.groups.json"
    if not layout.is_file():
        write_json(layout, _hub_layout(dataset, commit))
    known = read_json(layout)
    groups = tuple(RowGroup(**group) for group in known["groups"])

    @cache
    def part(name: str) -> pq.ParquetFile:
        return open_on_hub(dataset.repository, commit, name)

    def read(group: RowGroup) -> pa.ChunkedArray:
        path = folder / commit / f"{group.part.replace('/', '_')}.{group.number}.{dataset.column}.parquet"
        if not path.is_file():
            what = f"row group {group.number} of {group.part}"
            with reaching(dataset.repository, what), reading(dataset):
                write_parquet(path, part(group.part).read_row_group(group.number, [dataset.column]))
        return read_parquet(path)[0]

    return Parts(dataset, commit, known["sha256"], groups, read)


def _commit(repository: Repository, folder: Path) -> str:
    """Return the commit of a revision as the hub states it, or as it last did if it cannot be reached."""
    from huggingface_hub import HfApi

    if re.fullmatch("[0-9a-f]{40}", repository.revision):
        return repository.revision
    said = folder / "refs" / f"{repository.revision}.txt"
    try:
        with reaching(repository, "the list of files"):
            commit = str(HfApi().dataset_info(repository.name, revision=repository.revision).sha)
    except PolyheadError:
        if not said.is_file():
            raise
        return said.read_text(encoding="utf-8").strip()
    write_text(said, f"{commit}\n")
    return commit


def _hub_layout(dataset: Dataset, commit: str) -> dict[str, Any]:
    """List the parts of a split on the hub with the SHA-256 that the hub states, and read their footers."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    repository = dataset.repository
    with reaching(repository, "the list of files"):
        tree = HfApi().list_repo_tree(repository.name, repo_type="dataset", revision=commit, recursive=True)
        parts = (one for one in tree if isinstance(one, RepoFile) and dataset.has_part(one.path))
        files = sorted(parts, key=lambda file: file.path)
    if not files:
        raise no_parts(dataset)
    bar = progress_on()(files, desc=f"Reading the footers of {repository.name}", unit="part")
    with reaching(repository, "the footers of its parts"), reading(dataset):
        footers = {file.path: open_on_hub(repository, commit, file.path).metadata for file in bar}
    return {
        "sha256": {file.path: file.lfs.sha256 if file.lfs else None for file in files},
        "groups": [asdict(group) for group in row_groups(footers, dataset)],
    }


def open_on_hub(repository: Repository, commit: str, part: str) -> pq.ParquetFile:
    """Open a part on the hub: read its footer now, and later exactly the bytes of chosen row groups."""
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
            names = [one.path_in_schema.split(".")[0] for one in columns]
            own = [one for one, name in zip(columns, names, strict=True) if name == dataset.column]
            if not own:
                known = ", ".join(sorted(set(names)))
                raise PolyheadError(f"corpus.column: {part} has no {dataset.column!r}; columns: {known}")
            size = sum(one.total_compressed_size for one in own)
            found.append(RowGroup(part, number, group.num_rows, first, size))
            first += group.num_rows
    return tuple(found)


@contextmanager
def reading(dataset: Dataset, *more: type[Exception]) -> Iterator[None]:
    """Turn errors of damaged parts into a `PolyheadError` that names the data set."""
    try:
        yield
    except (pa.ArrowInvalid, *more) as error:
        raise PolyheadError(f"cannot read the parts of {dataset.repository}: {error}") from error
