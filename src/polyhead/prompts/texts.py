"""Texts that a study reads: files in a folder, lines of JSONL or parquet, or packed sequences, decoded.

The same text comes in the same by every door. A text belongs to a document. A document of packed sequences
comes in several texts where it goes on from one sequence to the next.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from polyhead.errors import PolyheadError
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.parts import DOCUMENTS, SOURCES, open_split

UNLABELLED = "unlabelled"
LINES = (".jsonl", ".ndjson")
SELECTION_ONE_IN = 3
"""Of a user's own documents one in so many is read to choose a head; the report reads the others."""
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
Record = tuple[str, Any, Any, str | bytes | None]
"""Id, source and type of a document, and its text as it is stored."""


def whole_characters(text: str) -> str:
    """Return a text in which `�` stands for every half of a surrogate pair, which no tokenizer takes."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


CHANGES: dict[str, Callable[[str], str]] = {
    "byte order mark": lambda text: text.removeprefix("\ufeff"),
    "line ends of Windows": lambda text: text.replace("\r\n", "\n"),
    "half a surrogate pair": lambda text: (
        whole_characters(text) if re.search("[\ud800-\udfff]", text) else text
    ),
}
"""What is done to every text, wherever it comes from."""


@dataclass(frozen=True)
class Text:
    """One text, the id of its document, and where that is from."""

    document: str
    source: str
    source_type: str
    text: str


@dataclass
class Reader:
    """Reads texts from a folder, or a file of JSONL or parquet, in an order that is always the same.

    Counts the texts that it leaves out, and those that it changes, and why.
    """

    path: Path
    column: str = "text"
    left_out: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Text]:
        """Yield the texts.

        Raises:
            PolyheadError: the file is not what its name says, or has no such column.
        """
        door = self._files if self.path.is_dir() else self._lines if self.path.suffix in LINES else self._rows
        for document, source, source_type, stored in door():
            if (text := self._text(stored)) is not None:
                kind = source_type or UNLABELLED
                yield Text(document, whole_characters(str(source)), whole_characters(str(kind)), text)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many texts were left out, and how many changed, by reason."""
        return {"left_out": dict(+self.left_out), "changed": dict(+self.changed)}

    def _text(self, stored: str | bytes | None) -> str | None:
        """Return what is stored as a text; None, which is counted, where it is none."""
        text = _decoded(stored or b"") if isinstance(stored, bytes | None) else stored
        if text is None or "\0" in text:
            self.left_out["binary, or not UTF-8"] += 1
            return None
        for what, change in CHANGES.items():
            before, text = text, change(text)
            self.changed[what] += text != before
        self.left_out["empty"] += not text.strip()
        return text if text.strip() else None

    def _files(self) -> Iterator[Record]:
        for path in sorted(path for path in self.path.rglob("*") if path.is_file()):
            name = path.relative_to(self.path).as_posix()
            if not any(part.startswith(".") for part in Path(name).parts):
                yield name, name, path.suffix.removeprefix("."), path.read_bytes()

    def _lines(self) -> Iterator[Record]:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    record = self._record(number, line)
                    source = record.get("source") or f"line {number}"
                    yield str(number), source, record.get("source_type"), record[self.column]

    def _record(self, number: int, line: bytes) -> dict[str, Any]:
        """Parse a line; raise `PolyheadError` where it has no text."""
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise PolyheadError(f"corpus.text: line {number} of {self.path} is not JSON: {error}") from error
        keys = record if isinstance(record, dict) else {}
        if self.column in keys and isinstance(keys[self.column], str | None):
            return keys
        raise PolyheadError(
            f"corpus.text: line {number} of {self.path} has no text in {self.column!r}; its keys: "
            f"{', '.join(map(repr, keys))[:200] or 'none'}; corpus.text_column names the one that has it"
        )

    def _rows(self) -> Iterator[Record]:
        number = 0
        try:
            with pq.ParquetFile(self.path) as file:
                columns = self._columns(file.schema_arrow)
                for batch in file.iter_batches(1000, columns=columns):
                    texts = batch[self.column].cast(pa.large_binary()).to_pylist()
                    records = batch.select([name for name in columns if name != self.column]).to_pylist()
                    for record, text in zip(records or [{}] * len(texts), texts, strict=True):
                        number += 1
                        source = record.get("source") or f"record {number}"
                        yield str(number), source, record.get("source_type"), text
        except (OSError, pa.ArrowInvalid) as error:
            raise PolyheadError(f"corpus.text: cannot read {self.path} as parquet: {error}") from error

    def _columns(self, schema: pa.Schema) -> list[str]:
        """Return the columns to read; raise `PolyheadError` where the one named holds no texts."""
        kinds = {field.name: getattr(field.type, "value_type", field.type) for field in schema}
        kind = str(kinds.get(self.column)).removeprefix("large_").removesuffix("_view")
        if kind not in ("string", "binary") or pa.types.is_nested(schema.field(self.column).type):
            names = ", ".join(f"{field.name} ({field.type})" for field in schema)
            raise PolyheadError(
                f"corpus.text: {self.path} has no column {self.column!r} of texts; its columns: {names}; "
                "corpus.text_column names the one with the text"
            )
        return [name for name in (self.column, "source", "source_type") if name in kinds]


def _decoded(stored: bytes) -> str | None:
    """Return stored text: UTF-8, or UTF-16 that says so; None where it is neither."""
    try:
        return stored.decode("utf-16" if stored.startswith(UTF_16) else "utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def of_side(texts: Iterable[Text], to_choose_on: bool) -> Iterator[Text]:
    """Yield one in `SELECTION_ONE_IN` of the texts, to choose a head on, or the others, for the report.

    Texts that are equal are on the same side; two that differ are enough for both sides.
    """
    numbers: dict[bytes, int] = {}
    for one in texts:
        number = numbers.setdefault(sha256(one.text.encode()).digest(), len(numbers))
        if (number % SELECTION_ONE_IN == 1) == to_choose_on:
            yield one


def decoded_sequences(split: Path | str, vocabulary: Vocabulary) -> Iterator[Text]:
    """Yield the texts of packed sequences, decoded: one for every document, or part of one, in a sequence.

    Args:
        split: parquet with the columns tokens, documents, starts, source, source_type.
        vocabulary: of the tokenizer that the sequences were made with.

    Raises:
        PolyheadError: the file cannot be read, or does not say where documents begin.
    """
    parts, known = open_split(split), _document_sources(Path(split).with_name("documents.parquet"))
    for group in parts.groups:
        table = parts.read(group)
        if missing := [name for name in (*DOCUMENTS, *SOURCES) if name not in table.column_names]:
            raise PolyheadError(
                f"corpus: {split} has no column {missing[0]}; sequences of another tokenizer can be "
                "decoded where they say which documents they hold and where each begins"
            )
        for batch in table.to_batches(500):
            for sequence in batch.to_pylist():
                yield from _texts_of(sequence, vocabulary, known)


def _document_sources(path: Path) -> dict[int, tuple[str, str]]:
    """Return source and type of documents, by id, where a file beside the sequences tells them."""
    columns = ["id", "package", "version", "path", "source_type"]
    lines = pq.read_table(path, columns=columns).to_pylist() if path.is_file() else []
    return {one["id"]: ("{package} {version} {path}".format(**one), one["source_type"]) for one in lines}


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
