"""Files that are whole or absent: written under a temporary name, then renamed."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
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
    """Read JSON."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write `table` without its index; floats with 9 significant digits, enough for float32."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.9g")


def write_parquet(path: Path | str, table: pa.Table) -> None:
    """Write `table`, zstd-compressed."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


@contextmanager
def parquet_writer(path: Path | str) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends a table as a row group; the file appears, whole, when the block ends."""
    with replacing(path) as temporary, ExitStack() as opened:
        writer: list[pq.ParquetWriter] = []

        def append(table: pa.Table) -> None:
            if not writer:
                new = pq.ParquetWriter(temporary, table.schema, compression="zstd")
                writer.append(opened.enter_context(new))
            writer[0].write_table(table)

        yield append


def sha256(path: Path | str) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
