"""Where prompts are drawn from: token sequences in parquet parts, local or on the hub.

Of files on the hub only the footers and the chosen row groups are read, by range requests. What was read is
kept in a folder beside the hub's cache, for all studies, so that the same sample needs no network again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from polyhead.errors import PolyheadError
from polyhead.files import check_sum, read_json, read_parquet, sha256, write_json, write_parquet
from polyhead.model.hub import (
    Repository,
    Snapshot,
    cached_snapshot,
    check_hashes,
    progress,
    reaching,
    snapshot,
)
from polyhead.prompts.draws import RowGroup

TOKENS, DOCUMENTS = "tokens", ("documents", "starts")
"""Columns of a corpus split: the tokens of a sequence; its documents with the places where they begin."""
SOURCES = ("source", "source_type")
"""Optional columns: where a sequence is from."""


@dataclass(frozen=True)
class Parts:
    """Sequences in parts: their row groups, and a function that reads one, with the column `tokens` first."""

    where: str
    groups: tuple[RowGroup, ...]
    read: Callable[[RowGroup], pa.Table]
    record: Mapping[str, Any]
    """What they are, as plain data."""
    with_bos: bool = False
    """Whether every sequence has to begin with BOS."""

    @property
    def sequences(self) -> int:
        """Sequences of all parts together."""
        return sum(group.sequences for group in self.groups)


def open_split(split: Path | str) -> Parts:
    """Open a corpus split; raise `PolyheadError` if it is missing, damaged or has no column `tokens`."""
    said = f"the corpus split {split}"
    with reading(said, OSError):
        check_sum(split)
        footer, columns = pq.read_metadata(split), pq.read_schema(split).names
    groups = row_groups({str(split): footer}, TOKENS, "corpus")
    known = [name for name in (TOKENS, *SOURCES, *DOCUMENTS) if name in columns]

    def read(group: RowGroup) -> pa.Table:
        with reading(said, OSError), pq.ParquetFile(split) as file:
            return file.read_row_group(group.number, known)

    return Parts(str(split), groups, read, {"path": str(split), "sha256": sha256(split)}, with_bos=True)


def open_corpus(corpus: Mapping[str, Any], whole: bool) -> Parts:
    """Open the parts of the data set that the section `corpus` of a config names.

    Args:
        corpus: repo, revision, split, column; sequences, the number expected (`None`: any); sha256, by file
            name, compared with those of the files, or with those that the hub lists.
        whole: download every part, instead of the row groups that a sample needs.

    Raises:
        PolyheadError: unreachable, no such split or column, damaged, or not the expected sequences or files.
    """
    repository = Repository(corpus["repo"], corpus["revision"], "dataset")
    split, expected = Split(repository, corpus["split"], corpus["column"]), corpus["sequences"]
    if whole or repository.local:
        parts: Parts | None = _local_parts(snapshot(repository, split.patterns), split)
    else:
        earlier = cached_snapshot(repository, split.patterns)
        parts = _local_parts(earlier, split) if earlier else None
        parts = parts if parts and parts.sequences == expected else None
    parts = parts or _hub_parts(split)
    hashes = {part["file"]: part["sha256"] for part in parts.record["parts"]}
    check_hashes(str(repository), hashes, corpus["sha256"])
    if expected not in (None, parts.sequences):
        raise PolyheadError(
            f"corpus.sequences: the config says {expected}; the split {split.name!r} of {repository} "
            f"has {parts.sequences}"
        )
    return parts


class Split(NamedTuple):
    """A split of a tokenised data set, and the column that holds the tokens."""

    repository: Repository
    name: str
    column: str

    @property
    def patterns(self) -> tuple[str, str]:
        """The names of the split's parts, in the repository's root or in any folder."""
        return f"{self.name}[-.]*parquet", f"*/{self.name}[-.]*parquet"

    def matching(self, names: Iterable[str]) -> list[str]:
        """Return the parts among some files, sorted; raise `PolyheadError` where there are none."""
        found = [name for name in sorted(names) if any(fnmatch(name, known) for known in self.patterns)]
        if not found:
            raise PolyheadError(
                f"corpus.split: no file of {self.repository} is a part of {self.name!r}; "
                f"parts are named {self.patterns[0]}"
            )
        return found

    def record(self, commit: str | None, hashes: Mapping[str, str | None]) -> dict[str, Any]:
        """Describe its parts: the commit that they are of, and the SHA-256 of each."""
        return {
            "repo": self.repository.name,
            "revision": self.repository.revision if commit else None,
            "commit": commit,
            "split": self.name,
            "column": self.column,
            "parts": [{"file": name, "sha256": digest} for name, digest in hashes.items()],
        }


def _local_parts(files: Snapshot, split: Split) -> Parts:
    """Open parts that are on this machine as whole files."""
    known = {path.relative_to(files.folder).as_posix(): path for path in files.matching(*split.patterns)}
    paths, said = {name: known[name] for name in split.matching(known)}, f"the parts of {split.repository}"
    with reading(said, OSError):
        groups = row_groups({name: pq.read_metadata(path) for name, path in paths.items()}, split.column)

    def read(group: RowGroup) -> pa.Table:
        with reading(said, OSError), pq.ParquetFile(paths[group.part]) as file:
            return file.read_row_group(group.number, [split.column]).rename_columns([TOKENS])

    record = split.record(files.commit, {name: sha256(path) for name, path in paths.items()})
    return Parts(str(split.repository), groups, read, record)


def _hub_parts(split: Split) -> Parts:
    """Open parts on the hub; footers, and row groups when needed, are read once and then kept."""
    from huggingface_hub.constants import HF_HOME

    repository, column = split.repository, split.column
    folder = Path(HF_HOME) / "polyhead" / repository.name.replace("/", "--")
    known = _layout(split, folder)
    commit, groups = known["commit"], tuple(RowGroup(**group) for group in known["groups"])

    @cache
    def part(name: str) -> pq.ParquetFile:
        return open_on_hub(repository, commit, name)

    def read(group: RowGroup) -> pa.Table:
        path = folder / commit / f"{group.part.replace('/', '_')}.{group.number}.{column}.parquet"
        if not path.is_file():
            what = f"row group {group.number} of {group.part}"
            with reaching(repository, what), reading(f"the parts of {repository}"):
                write_parquet(path, part(group.part).read_row_group(group.number, [column]))
        return read_parquet(path).rename_columns([TOKENS])

    return Parts(str(repository), groups, read, split.record(commit, known["sha256"]))


def _layout(split: Split, folder: Path) -> dict[str, Any]:
    """Return commit, row groups and SHA-256 of a split's parts, as the hub states them.

    What was read of a commit is kept, and used where a branch cannot be looked up.
    """
    from huggingface_hub import HfApi

    repository = split.repository
    revision = repository.revision.replace("/", "--")
    kept = folder / f"{revision}.{split.name}.{split.column}.json"
    known = read_json(kept) if kept.is_file() else {}
    if known and re.fullmatch("[0-9a-f]{40}", revision):
        return known
    try:
        with reaching(repository, "the list of files"):
            api, name = HfApi(), repository.name
            info = api.dataset_info(name, revision=repository.revision, files_metadata=True)
    except PolyheadError:
        if not known:
            raise
        return known
    if info.sha != known.get("commit"):
        known = {"commit": info.sha, **_hub_layout(split, info)}
        write_json(kept, known)
    return known


def _hub_layout(split: Split, info: Any) -> dict[str, Any]:
    """Read the footers of a split's parts, of which the hub lists the SHA-256."""
    repository = split.repository
    named = {file.rfilename: file.lfs for file in info.siblings}
    parts = split.matching(named)
    bar = progress()(parts, desc=f"Reading the footers of {repository.name}", unit="part")
    with reaching(repository, "the footers of its parts"), reading(f"the parts of {repository}"):
        footers = {name: open_on_hub(repository, info.sha, name).metadata for name in bar}
    return {
        "sha256": {name: named[name].sha256 if named[name] else None for name in parts},
        "groups": [asdict(group) for group in row_groups(footers, split.column)],
    }


def open_on_hub(repository: Repository, commit: str, part: str) -> pq.ParquetFile:
    """Open a part on the hub: read its footer now, and later exactly the bytes of chosen row groups."""
    from huggingface_hub import HfFileSystem

    file = HfFileSystem().open(f"datasets/{repository.name}@{commit}/{part}", cache_type="none")
    return pq.ParquetFile(file, pre_buffer=True)


def row_groups(
    footers: Mapping[str, pq.FileMetaData], column: str, where: str = "corpus.column"
) -> tuple[RowGroup, ...]:
    """List the row groups of all parts, in order, with the bytes of the column."""
    found: list[RowGroup] = []
    first = 0
    for part, footer in footers.items():
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            sizes: dict[str, int] = {}
            for chunk in map(group.column, range(group.num_columns)):
                name = chunk.path_in_schema.split(".")[0]
                sizes[name] = sizes.get(name, 0) + chunk.total_compressed_size
            if column not in sizes:
                known = ", ".join(sorted(sizes))
                raise PolyheadError(f"{where}: {part} has no {column!r}; columns: {known}")
            found.append(RowGroup(part, number, group.num_rows, first, sizes[column]))
            first += group.num_rows
    return tuple(found)


@contextmanager
def reading(what: str, *more: type[Exception]) -> Iterator[None]:
    """Turn errors of damaged files into a `PolyheadError` that names them."""
    try:
        yield
    except (pa.ArrowInvalid, *more) as error:
        raise PolyheadError(f"cannot read {what}: {error}") from error
