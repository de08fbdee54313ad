"""Reading and writing tables. Files are written under a temporary name, then renamed: never incomplete."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polyhead.errors import PolyheadError
from polyhead.plain_files import check_sum, read_json, replacing, sha256, write_json, write_text

__all__ = [
    "check_sum",
    "parquet_writer",
    "read_chunks",
    "read_csv",
    "read_json",
    "read_parquet",
    "replacing",
    "sha256",
    "write_csv",
    "write_json",
    "write_parquet",
    "write_text",
]

SEAL = b"seal"
LARGEST_ROW_GROUP = 2**16
"""Largest number of rows in a row group: so many are in memory when a few rows are read."""
TEXT_COLUMNS = ("head", "label", "token_label", "source_label", "source_type")


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write `table` without its index; floats have 9 significant digits, enough for float32."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.9g")


def read_csv(path: Path | str) -> pd.DataFrame:
    """Read a table that `write_csv` wrote.

    Heads and labels are read as text, even `1.10` and `NA`; an empty side of an interval is read as NaN.
    In a table without rows all other columns are numbers, as they are in one with rows.
    """
    table = pd.read_csv(path, keep_default_na=False, dtype=dict.fromkeys(TEXT_COLUMNS, str))
    numbers = [name for name in table.columns if _is_number(name, table)]
    return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})


def _is_number(name: str, table: pd.DataFrame) -> bool:
    return name.rpartition("_")[2] in ("low", "high") or (table.empty and name not in TEXT_COLUMNS)


def write_parquet(path: Path | str, table: pa.Table) -> None:
    """Write `table` compressed, with checksums by which `read_parquet` notices damage."""
    with parquet_writer(path) as append:
        append(table)


@contextmanager
def parquet_writer(path: Path | str) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends a table to a parquet file, which is in place once the block ends.

    Every page has a checksum; a seal (a hash in the metadata) covers names, types, metadata and number of
    rows.
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
    """Return the columns to dictionary-encode: not floats, which hardly repeat and take time to look up."""
    measured = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    return [name for name in table.column_names if name not in measured] if measured else True


def _seal(schema: pa.Schema, rows: int) -> bytes:
    columns = [f"{field.name}: {_content(field.type)}" for field in schema]
    metadata = sorted((key, value) for key, value in (schema.metadata or {}).items() if key != SEAL)
    return hashlib.sha256(repr((columns, metadata, rows)).encode()).hexdigest().encode()


def _content(kind: pa.DataType) -> str:
    """Name a type as it is after reading a file: without dictionary and size of offsets."""
    return str(getattr(kind, "value_type", kind)).removeprefix("large_")


def read_parquet(
    path: Path | str, columns: list[str] | None = None, first: int = 0, count: int | None = None
) -> pa.Table:
    """Read a table of the study, or only `count` of its rows starting with `first`.

    Checks the checksum of every page that is read, and the seal (see `parquet_writer`).

    Raises:
        PolyheadError: the file is missing, damaged, or was not written by `write_parquet`.
    """
    with _reading(path) as file:
        return _checked(file, columns, first, file.metadata.num_rows if count is None else count)


def read_chunks(path: Path | str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield a table in chunks of at most `LARGEST_ROW_GROUP` rows, checked like `read_parquet`."""
    with _reading(path) as file:
        ends = accumulate(file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups))
        first = 0
        for end in ends:
            yield _checked(file, columns, first, end - first)
            first = end


@contextmanager
def _reading(path: Path | str) -> Iterator[pq.ParquetFile]:
    """Open a table of the study; errors while it is read become a `PolyheadError`."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise PolyheadError(f"{path} is missing; run again to make it") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PolyheadError(f"{path} is damaged ({reason}); delete it and run again: rm '{path}'") from error


def _checked(file: pq.ParquetFile, columns: list[str] | None, first: int, count: int) -> pa.Table:
    """Read some rows, from the row groups that hold them, and compare the file with its seal."""
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
