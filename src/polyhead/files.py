"""Files that are whole or absent: written under a temporary name, then renamed."""

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polyhead.errors import PolyheadError

SEAL = b"seal"
LARGEST_ROW_GROUP = 2**16
"""Rows that a reader of a few rows has to hold at most."""
CHECKSUMS = "SHA256SUMS"
FETCHED = "source.json"


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to `path` when the block ends without an error.

    What a killed writer of the same file left is removed.
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
    """Read JSON; raise `PolyheadError` where the file is something else."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise PolyheadError(f"{path} is damaged: not JSON ({error}); {_rebuild(path)}") from error


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write `table` without its index; floats with 9 significant digits, enough for float32."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.9g")


def write_parquet(path: Path | str, table: pa.Table) -> None:
    """Write `table`, zstd-compressed, so that `read_parquet` notices damage."""
    with parquet_writer(path) as append:
        append(table)


@contextmanager
def parquet_writer(path: Path | str) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends a table as a row group; the file appears, whole, when the block ends.

    Every page gets a checksum; a seal covers names, types, metadata and the number of rows.
    """
    with replacing(path) as temporary, ExitStack() as opened:
        writers: list[pq.ParquetWriter] = []
        rows = 0

        def append(table: pa.Table) -> None:
            nonlocal rows
            if not writers:
                options = {"compression": "zstd", "write_page_checksum": True}
                new = pq.ParquetWriter(temporary, table.schema, use_dictionary=_repeating(table), **options)
                writers.append(opened.enter_context(new))
            writers[0].write_table(table, row_group_size=LARGEST_ROW_GROUP)
            rows += table.num_rows

        yield append
        for writer in writers:
            writer.add_key_value_metadata({SEAL: _seal(writer.schema, rows)})


def _repeating(table: pa.Table) -> bool | list[str]:
    """Name the columns worth a dictionary: measured numbers hardly repeat, and looking for it takes time."""
    measured = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    return [name for name in table.column_names if name not in measured] if measured else True


def _seal(schema: pa.Schema, rows: int) -> bytes:
    columns = [f"{field.name}: {_content(field.type)}" for field in schema]
    metadata = sorted((key, value) for key, value in (schema.metadata or {}).items() if key != SEAL)
    return hashlib.sha256(repr((columns, metadata, rows)).encode()).hexdigest().encode()


def _content(kind: pa.DataType) -> str:
    """Name a type as it comes back from a file: without how values are counted and looked up."""
    return str(getattr(kind, "value_type", kind)).removeprefix("large_")


def read_parquet(
    path: Path | str, columns: list[str] | None = None, first: int = 0, count: int | None = None
) -> pa.Table:
    """Read a table of the study, or `count` of its rows from `first` on, without holding all of it.

    Checksums cover every page that is read; the seal covers names, types, metadata and length.

    Raises:
        PolyheadError: the file is missing, damaged, or was not written by `write_parquet`.
    """
    with _reading(path) as file:
        return _checked(file, columns, first, file.metadata.num_rows if count is None else count)


def read_chunks(path: Path | str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield a table of the study, at most `LARGEST_ROW_GROUP` rows at once, checked like `read_parquet`."""
    with _reading(path) as file:
        ends = accumulate(file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups))
        first = 0
        for end in ends:
            yield _checked(file, columns, first, end - first)
            first = end


@contextmanager
def _reading(path: Path | str) -> Iterator[pq.ParquetFile]:
    """Open a table of the study; what goes wrong while it is read becomes a `PolyheadError`."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise PolyheadError(f"{path} is missing; run again to make it") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PolyheadError(f"{path} is damaged ({reason}); delete it and run again: rm '{path}'") from error


def _checked(file: pq.ParquetFile, columns: list[str] | None, first: int, count: int) -> pa.Table:
    """Read the row groups that hold some rows, and those rows of them; compare with the seal."""
    rows = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
    ends = list(accumulate(rows))
    wanted = [k for k, end in enumerate(ends) if end > first and end - rows[k] < first + count]
    table = file.read_row_groups(wanted, columns)
    metadata = table.schema.metadata or {}
    same = metadata.get(SEAL) == _seal(file.schema_arrow.with_metadata(metadata), file.metadata.num_rows)
    if not same or sum(rows) != file.metadata.num_rows or table.num_rows != sum(rows[k] for k in wanted):
        raise ValueError("its columns or rows are not those that were written")
    skipped = ends[wanted[0]] - rows[wanted[0]] if wanted else 0
    return table.slice(first - skipped, count)


def check_sum(path: Path | str) -> None:
    """Compare a file with its recorded SHA-256, where one is recorded.

    Looked at: `SHA256SUMS` in its folder and the one above, and `source.json` beside a fetched model.

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
    """Yield every list that names a file, with the SHA-256 there."""
    for folder in (path.parent, path.parent.parent):
        listing, name = folder / CHECKSUMS, path.relative_to(folder).as_posix()
        lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
        yield from ((listing, line.split()[0]) for line in lines if line.split()[1:] == [name])
    listing = path.with_name(FETCHED)
    written = read_json(listing).get("written", {}) if listing.is_file() else {}
    if path.name in written:
        yield listing, written[path.name]


def _rebuild(path: Path | str) -> str:
    """Say how a damaged file is made anew."""
    if "results" in Path(path).parts:
        return f"delete it and run again: rm '{path}'"
    return f"restore it: git checkout -- '{path}', or copy it again from where it came from"


def sha256(path: Path | str) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
