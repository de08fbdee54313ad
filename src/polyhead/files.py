"""Reading and writing text, JSON and tables; checksums. Files are never incomplete: written, then renamed.

pandas and pyarrow are imported by the functions that need them, so that planning the workflow is fast.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.errors import PolyheadError

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import pyarrow.parquet

FETCHED = "source.json"
LARGEST_ROW_GROUP = 2**16
"""Largest number of rows in a row group: so many are in memory when a few rows are read."""
TEXT_COLUMNS = (
    *("head", "label", "token_label", "source_label", "source_type", "edges", "does", "behaviours"),
    *("verdict", "destination", "source", "next_token", "role", "task", "method", "run", "taxonomy"),
    *("contrast", "component", "side", "query", "key"),
)


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


def write_csv(path: Path | str, table: pandas.DataFrame) -> None:
    """Write `table` without its index; floats have 9 significant digits, enough for float32."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.9g")


def read_csv(path: Path | str) -> pandas.DataFrame:
    """Read a table that `write_csv` wrote.

    Heads and labels are read as text, even `1.10` and `NA`; elsewhere an empty cell is NaN. In a table
    without rows all other columns are numbers, as they are in one with rows.
    """
    import pandas

    numbers = [name for name in pandas.read_csv(path, nrows=0).columns if name not in TEXT_COLUMNS]
    empty, text = dict.fromkeys(numbers, ""), dict.fromkeys(TEXT_COLUMNS, str)
    table = pandas.read_csv(path, keep_default_na=False, na_values=empty, dtype=text)
    return table if len(table) else table.astype(dict.fromkeys(numbers, float))


def check_sum(path: Path | str) -> None:
    """Raise `PolyheadError` if a file is not the one whose SHA-256 is on record.

    Records are `SHA256SUMS` in the file's folder and in the one above, and `source.json` beside a fetched
    model.
    """
    path = Path(path)
    recorded: list[tuple[Path, str]] = []
    for folder in (path.parent, path.parent.parent):
        listing, name = folder / "SHA256SUMS", path.relative_to(folder).as_posix()
        lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
        recorded += [(listing, line.split()[0]) for line in lines if line.split()[1:] == [name]]
    if (listing := path.with_name(FETCHED)).is_file():
        written = read_json(listing).get("written", {})
        recorded += [(listing, written[path.name])] if path.name in written else []
    for listing, digest in recorded:
        if digest != sha256(path):
            raise PolyheadError(
                f"{path} is damaged or was changed: its SHA-256 is not the one in {listing}; {_rebuild(path)}"
            )


def _rebuild(path: Path | str) -> str:
    """Say what to do about a damaged file."""
    if "results" in Path(path).parts:
        return f"delete it and run again: rm '{path}'"
    return f"restore it: git checkout -- '{path}', or copy it again from where it came from"


def sha256(path: Path | str) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_parquet(path: Path | str, table: pyarrow.Table) -> None:
    """Write `table` compressed, with checksums by which `read_parquet` notices damage."""
    with parquet_writer(path) as append:
        append(table)


@contextmanager
def parquet_writer(path: Path | str) -> Iterator[Callable[[pyarrow.Table], None]]:
    """Yield a function that appends a table to a parquet file, which is in place once the block ends."""
    import pyarrow.parquet

    writer: pyarrow.parquet.ParquetWriter | None = None
    with replacing(path) as temporary, ExitStack() as opened:

        def append(table: pyarrow.Table) -> None:
            nonlocal writer
            if writer is None:
                how = {
                    "compression": "zstd",
                    "write_page_checksum": True,
                    "use_dictionary": _repeating(table),
                }
                writer = pyarrow.parquet.ParquetWriter(temporary, table.schema, **how)
                opened.enter_context(writer)
            writer.write_table(table, row_group_size=LARGEST_ROW_GROUP)

        yield append


def _repeating(table: pyarrow.Table) -> list[str] | bool:
    """Return the columns to dictionary-encode: not floats, which hardly repeat and would take more room."""
    floats = [field.name for field in table.schema if str(field.type) in ("halffloat", "float", "double")]
    return [name for name in table.column_names if name not in floats] if floats else True


def read_parquet(
    path: Path | str, columns: list[str] | None = None, first: int = 0, count: int | None = None
) -> pyarrow.Table:
    """Read a table of the study, or only `count` of its rows starting with `first`.

    Raises:
        PolyheadError: the file is missing, or a page of it has not the checksum that it was written with.
    """
    with _reading(path) as file:
        groups = range(file.num_row_groups)
        starts = [0, *accumulate(file.metadata.row_group(number).num_rows for number in groups)]
        end = starts[-1] if count is None else first + count
        wanted = [k for k in groups if starts[k + 1] > first and starts[k] < end]
        table = file.read_row_groups(wanted, columns)
        return table.slice(first - starts[wanted[0]] if wanted else 0, end - first)


def read_chunks(path: Path | str, columns: list[str] | None = None) -> Iterator[pyarrow.Table]:
    """Yield a table in chunks of at most `LARGEST_ROW_GROUP` rows, checked like `read_parquet`."""
    with _reading(path) as file:
        yield from (file.read_row_group(number, columns) for number in range(file.num_row_groups))


@contextmanager
def _reading(path: Path | str) -> Iterator[pyarrow.parquet.ParquetFile]:
    """Open a table of the study; errors while it is read become a `PolyheadError`."""
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise PolyheadError(f"{path} is missing; run again to make it") from None
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PolyheadError(f"{path} is damaged ({reason}); delete it and run again: rm '{path}'") from error
