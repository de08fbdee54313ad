"""Texts that a study reads: files in a folder, lines of JSONL or parquet, or packed sequences, decoded.

A text belongs to a document. A document of packed sequences comes in several texts where it goes on from one
sequence to the next.
"""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from polyhead.errors import PolyheadError
from polyhead.files import check_sum
from polyhead.model.vocabulary import Vocabulary

UNLABELLED = "unlabelled"
LINES, TABLE = (".jsonl", ".ndjson"), ".parquet"
SELECTION_ONE_IN = 3
"""Of a user's own documents one in so many is read to choose a head; the report reads the others."""
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Text:
    """One text, the id of its document, and where that is from."""

    document: str
    source: str
    source_type: str
    text: str

    @property
    def to_choose_on(self) -> bool:
        """Whether the text is for choosing a head; decided by the hash of the text, so always alike."""
        return int(sha256(self.text.encode("utf-8", "replace")).hexdigest(), 16) % SELECTION_ONE_IN == 0


@dataclass
class Reader:
    """Reads texts; counts what it leaves out, and why."""

    path: Path
    column: str = "text"
    left_out: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Text]:
        """Yield texts in an order that is always the same.

        Raises:
            PolyheadError: the file is not what its name says, or has no such column.
        """
        if self.path.is_dir():
            yield from self._folder()
        elif self.path.suffix in LINES:
            yield from self._lines()
        else:
            yield from self._table()

    def _folder(self) -> Iterator[Text]:
        for path in sorted(path for path in self.path.rglob("*") if path.is_file()):
            name = path.relative_to(self.path).as_posix()
            if not any(part.startswith(".") for part in Path(name).parts):
                text = self._decoded(path.read_bytes())
                yield from self._unless_empty(name, name, path.suffix.removeprefix(".") or UNLABELLED, text)

    def _decoded(self, content: bytes) -> str | None:
        """Return a file's text: UTF-8, or UTF-16 that says so; None where it is neither."""
        try:
            text = content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            self.left_out["no text in UTF-8"] += 1
            return None
        return text.replace("\r\n", "\n")

    def _lines(self) -> Iterator[Text]:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield from self._record(number, line)

    def _record(self, number: int, line: bytes) -> Iterator[Text]:
        try:
            record = json.loads(line)
        except ValueError as error:
            raise PolyheadError(f"corpus.text: line {number} of {self.path} is not JSON: {error}") from error
        text = record.get(self.column) if isinstance(record, dict) else None
        if not isinstance(text, str):
            keys = ", ".join(map(repr, record))[:200] if isinstance(record, dict) else "none"
            raise PolyheadError(
                f"corpus.text: line {number} of {self.path} has no text in {self.column!r}; its keys: "
                f"{keys}; corpus.text_column names the one that has it"
            )
        source = str(record.get("source") or f"line {number}")
        yield from self._unless_empty(str(number), source, str(record.get("source_type") or UNLABELLED), text)

    def _table(self) -> Iterator[Text]:
        number = 0
        for batch in self._batches():
            for record in batch.to_pylist():
                number += 1
                source = str(record.get("source") or f"record {number}")
                source_type = str(record.get("source_type") or UNLABELLED)
                yield from self._unless_empty(str(number), source, source_type, record[self.column])

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            with pq.ParquetFile(self.path) as file:
                names = file.schema_arrow.names
                if self.column not in names or not pa.types.is_string(
                    file.schema_arrow.field(self.column).type
                ):
                    raise PolyheadError(
                        f"corpus.text: {self.path} has no column {self.column!r} of texts; its columns: "
                        f"{', '.join(names)}; corpus.text_column names the one with the text"
                    )
                columns = [name for name in (self.column, "source", "source_type") if name in names]
                yield from file.iter_batches(1000, columns=columns)
        except (OSError, pa.ArrowInvalid) as error:
            raise PolyheadError(f"corpus.text: cannot read {self.path} as parquet: {error}") from error

    def _unless_empty(self, document: str, source: str, source_type: str, text: str | None) -> Iterator[Text]:
        if text is not None and not text.strip():
            self.left_out["empty"] += 1
        elif text is not None:
            yield Text(document, source, source_type, text)


def decoded_sequences(split: Path | str, vocabulary: Vocabulary) -> Iterator[Text]:
    """Yield the texts of packed sequences, decoded: one for every document, or part of one, in a sequence.

    Args:
        split: parquet with the columns tokens, documents, starts, source, source_type.
        vocabulary: of the tokenizer that the sequences were made with.

    Raises:
        PolyheadError: the file cannot be read, or does not say where documents begin.
    """
    needed = ["tokens", "documents", "starts", "source", "source_type"]
    known = _document_sources(Path(split).with_name("documents.parquet"))
    try:
        check_sum(split)
        with pq.ParquetFile(split) as file:
            if missing := [name for name in needed if name not in file.schema_arrow.names]:
                raise PolyheadError(
                    f"corpus: {split} has no column {missing[0]}; sequences of another tokenizer can be "
                    "decoded where they say which documents they hold and where each begins"
                )
            for batch in file.iter_batches(500, columns=needed):
                for sequence in batch.to_pylist():
                    yield from _texts_of(sequence, vocabulary, known)
    except (OSError, pa.ArrowInvalid) as error:
        raise PolyheadError(f"cannot read the corpus split {split}: {error}") from error


def _document_sources(path: Path) -> dict[int, tuple[str, str]]:
    """Return source and type of documents, by id, where a file beside the sequences tells them."""
    if not path.is_file():
        return {}
    lines = pq.read_table(path, columns=["id", "package", "version", "path", "source_type"]).to_pylist()
    return {
        one["id"]: (f"{one['package']} {one['version']} {one['path']}", one["source_type"]) for one in lines
    }


def _texts_of(
    sequence: dict[str, Any], vocabulary: Vocabulary, known: Mapping[int, tuple[str, str]]
) -> Iterator[Text]:
    ends = [*sequence["starts"][1:], len(sequence["tokens"])]
    for document, start, end in zip(sequence["documents"], sequence["starts"], ends, strict=True):
        tokens = [token for token in sequence["tokens"][start:end] if token != vocabulary.eos]
        text = vocabulary.tokenizer.decode(tokens, skip_special_tokens=False).strip("\ufffd")
        if text:
            source, source_type = known.get(document, (sequence["source"], sequence["source_type"]))
            yield Text(str(document), str(source), str(source_type), text)
