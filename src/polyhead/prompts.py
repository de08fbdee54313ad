"""Sample a study's prompts from a corpus of packed token rows."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int, Int32, Shaped
from numpy import ndarray

from polyhead.draws import Draw, draw_clustered, draw_exactly
from polyhead.errors import PolyheadError
from polyhead.files import check_sum, read_chunks, read_parquet, sha256
from polyhead.hub import progress_on
from polyhead.parts import Parts
from polyhead.tokens import Vocabulary

SPLIT_COLUMNS = ["tokens", "source", "kind"]
PROMPTS_AT_ONCE = 1000
"""Prompts of a row group of `prompts.parquet`: a reader of a few of them has to hold no more."""


@dataclass(frozen=True)
class Sample:
    """The drawn prompts: place in the split, source and kind of each, and their tokens, kept in a file."""

    rows: Int32[ndarray, " prompt"]
    source: Shaped[ndarray, " prompt"]
    kind: Shaped[ndarray, " prompt"]
    tokens: Int32[ndarray, "prompt pos"]

    def tables(self) -> Iterator[pa.Table]:
        """Yield what `prompts.parquet` holds, some prompts at a time."""
        for first in range(0, len(self.rows), PROMPTS_AT_ONCE):
            some = slice(first, first + PROMPTS_AT_ONCE)
            columns = (self.rows, self.source, self.kind, self.tokens)
            yield prompts_table(*(column[some] for column in columns), first)


def empty_sample(count: int, context: int, scratch: Path | str | None) -> Sample:
    """Return room for a sample; for the tokens, it is a nameless file in the folder `scratch`.

    The file's room on disk is reserved first, where the system can do that: a full disk would otherwise kill
    the process that writes to mapped memory.
    """
    size = count * context * np.dtype(np.int32).itemsize
    with TemporaryFile(dir=scratch) as file:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        tokens = np.memmap(file, np.int32, "r+", shape=(count, context))
    return Sample(np.empty(count, np.int32), np.empty(count, object), np.empty(count, object), tokens)


def sample_prompts(
    split: Path | str,
    count: int,
    context: int,
    vocabulary: Vocabulary,
    seed: int,
    scratch: Path | str | None = None,
) -> tuple[Sample, dict[str, Any]]:
    """Draw `count` rows of a corpus split uniformly, without replacement, cut to `context` tokens.

    Args:
        split: parquet with columns tokens (BOS first), source, kind.
        count: prompts to draw.
        context: tokens of each prompt, BOS included.
        vocabulary: the model's, with the BOS token that every row begins with.
        seed: the same seed gives the same prompts in the same order.
        scratch: folder for a nameless file with the sample's tokens; default: the system's.

    Returns:
        The prompts; and a record of how they were drawn, plain data.

    Raises:
        PolyheadError: too few rows, rows too short, or rows of another tokenizer.
    """
    with open_split(split) as file:
        total = file.metadata.num_rows
        check_count(count, total, str(split))
        chosen = np.random.default_rng(seed).choice(total, count, replace=False).astype(np.int32)
        sample, first = empty_sample(count, context, scratch), 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            here = np.flatnonzero((chosen >= first) & (chosen < first + rows))
            taken = file.read_row_group(group, SPLIT_COLUMNS).take(pa.array(chosen[here] - first))
            tokens, had_bos = prompt_tokens(taken["tokens"], context, vocabulary, split)
            if not had_bos.all():
                raise PolyheadError(f"{split}: row {chosen[here][had_bos.argmin()]} does not begin with BOS")
            put(sample, here, chosen[here], taken["source"], taken["kind"], tokens)
            first += rows
    record = {
        "method": "rows",
        "says": f"{count:,} of the {total:,} rows of {Path(split).name}, drawn uniformly without replacement",
        "path": str(split),
        "sha256": sha256(split),
        "rows_available": total,
    }
    return sample, record


def put(
    sample: Sample,
    places: Int[ndarray, " some"],
    rows: Int[ndarray, " some"],
    source: Any,
    kind: Any,
    tokens: Int32[ndarray, "some pos"],
) -> None:
    """Put some prompts into their places in a sample."""
    sample.rows[places], sample.source[places] = rows, source
    sample.kind[places], sample.tokens[places] = kind, tokens


def sample_parts(
    parts: Parts,
    count: int,
    context: int,
    vocabulary: Vocabulary,
    seed: int,
    megabytes: float | None,
    scratch: Path | str | None = None,
    screen: Any = None,
) -> tuple[Sample, dict[str, Any]]:
    """Draw `count` rows of a data set in parts, uniformly per row, cut to `context` tokens.

    Args:
        parts: the data set's split.
        count: prompts to draw.
        context: tokens of each prompt, BOS included; rows without BOS get one in front.
        vocabulary: the model's.
        seed: the same seed gives the same prompts in the same order.
        megabytes: about how much to read; `None` draws exactly uniformly, whatever has to be read.
        scratch: folder for a nameless file with the sample's tokens; default: the system's.
        screen: where progress goes; default: the process's own stderr.

    Returns:
        As `sample_prompts`; the record lists the row groups that were read.

    Raises:
        PolyheadError: too few rows, rows too short, rows of another tokenizer, or a part cannot be read.
    """
    check_count(count, parts.rows, str(parts.dataset.repository))
    if megabytes is None:
        draw = draw_exactly(parts.groups, count, seed)
    else:
        draw = draw_clustered(parts.groups, count, int(megabytes * 1e6), seed)
    places = np.argsort(np.random.default_rng([seed, count]).permutation(count))
    sample, without = empty_sample(count, context, scratch), 0
    for group, rows in progress_on(screen)(draw.items(), desc="Reading row groups", unit="group"):
        read = parts.read(group).take(pa.array(rows))
        tokens, had_bos = prompt_tokens(read, context, vocabulary, group.part)
        here, places = np.split(places, [len(rows)])
        put(sample, here, group.first + rows, group.part, "unlabelled", tokens)
        without += int((~had_bos).sum())
    return sample, {**_method(draw, parts, count, megabytes), **parts.describe(), **_bos_record(without)}


def _method(draw: Draw, parts: Parts, count: int, megabytes: float | None) -> dict[str, Any]:
    size = sum(group.bytes for group in draw)
    exactly = f"{count:,} of {parts.rows:,} rows, drawn uniformly without replacement"
    clustered = (
        f"{count:,} of {parts.rows:,} rows, every row with the same probability, from {len(draw)} of "
        f"{len(parts.groups)} row groups ({size / 1e6:.1f} MB), which were drawn with probability "
        "proportional to their rows; rows of one row group are drawn together, so that the sample varies "
        "more than one of independent rows if neighbouring rows are alike"
    )
    return {
        "method": "rows" if megabytes is None else "row groups",
        "says": exactly if megabytes is None else clustered,
        "bytes_read": size,
        "row_groups_read": [
            {"part": g.part, "row_group": g.number, "rows": g.rows, "bytes": g.bytes, "prompts": len(rows)}
            for g, rows in draw.items()
        ],
    }


def _bos_record(without: int) -> dict[str, Any]:
    says = "all rows begin with BOS"
    if without:
        says = f"{without} rows did not begin with BOS: it was put in front, and their last token left out"
    return {"rows_without_bos": without, "bos": says}


def check_count(count: int, rows: int, where: str) -> None:
    """Refuse to draw more prompts than there are rows."""
    if count > rows:
        raise PolyheadError(f"prompts: {count} asked for; {where} has {rows} rows to draw from")


def prompts_table(
    rows: Int32[ndarray, " prompt"],
    source: Any,
    kind: Any,
    tokens: Int32[ndarray, "prompt pos"],
    first: int = 0,
) -> pa.Table:
    """Lay out prompts, numbered from `first` on, as the table that `prompts.parquet` holds.

    Columns: prompt (int32), row (int32, place in the split), source, kind, tokens (list<int32>).
    """
    return pa.table(
        {
            "prompt": np.arange(first, first + len(rows), dtype=np.int32),
            "row": rows,
            "source": pa.array(source, pa.string()),
            "kind": pa.array(kind, pa.string()),
            "tokens": pa.array(list(tokens), pa.list_(pa.int32())),
        }
    )


@contextmanager
def open_split(split: Path | str) -> Iterator[pq.ParquetFile]:
    """Open a corpus split; raise `PolyheadError` where it is missing, damaged or lacks a column."""
    try:
        check_sum(split)
        with pq.ParquetFile(split) as file:
            missing = ", ".join(name for name in SPLIT_COLUMNS if name not in file.schema_arrow.names)
            if missing:
                raise PolyheadError(f"cannot read the corpus split {split}: it has no column {missing}")
            yield file
    except (OSError, pa.ArrowInvalid) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:  # of what is written meanwhile
            raise
        raise PolyheadError(f"cannot read the corpus split {split}: {error}") from error


def prompt_tokens(
    column: pa.ChunkedArray, context: int, vocabulary: Vocabulary, where: Path | str
) -> tuple[Int32[ndarray, "prompt pos"], Bool[ndarray, " prompt"]]:
    """Return the first `context` tokens of every row, and which rows began with BOS; others get one in front.

    Raises:
        PolyheadError: a row is shorter, or holds a token that the vocabulary does not have.
    """
    tokens = token_matrix(column, context, where)
    size = vocabulary.tokenizer.get_vocab_size()
    if tokens.min(initial=0) < 0 or tokens.max(initial=0) >= size:
        raise PolyheadError(
            f"{where}: token {tokens.max()} is in the rows, the model's tokenizer has {size} tokens; "
            "the rows must be made with the model's own tokenizer"
        )
    had_bos = tokens[:, 0] == vocabulary.bos
    tokens[~had_bos] = np.roll(tokens[~had_bos], 1, axis=1)
    tokens[~had_bos, 0] = vocabulary.bos
    return tokens, had_bos


def token_matrix(column: pa.ChunkedArray, context: int, where: Path | str) -> Int32[ndarray, "prompt pos"]:
    """Return the first `context` tokens of every row; raise `PolyheadError` where a row is shorter."""
    lengths = pa.compute.list_value_length(column).to_numpy().astype(np.int64)
    if lengths.min(initial=context) < context:
        raise PolyheadError(f"{where}: a row has {lengths.min()} tokens; context: {context} was asked for")
    flat = column.combine_chunks().flatten().to_numpy()
    starts = lengths.cumsum() - lengths
    return flat[starts[:, None] + np.arange(context)].astype(np.int32)


def read_prompts(path: Path | str, first: int = 0, count: int | None = None) -> Int32[ndarray, "prompt pos"]:
    """Return the tokens of a study's prompts, or of `count` of them from `first` on."""
    table = read_parquet(path, ["tokens"], first, count)
    return np.stack(table["tokens"].to_numpy(zero_copy_only=False)).astype(np.int32)


def pick_prompts(path: Path | str, numbers: Sequence[int]) -> Int32[ndarray, "picked pos"]:
    """Return the tokens of some of a study's prompts, in the order of their numbers as given."""
    numbers = np.asarray(numbers)
    first, parts, places = 0, [], []
    for table in read_chunks(path, ["tokens"]):
        here = np.flatnonzero((numbers >= first) & (numbers < first + len(table)))
        parts += table["tokens"].take(pa.array(numbers[here] - first)).to_pylist()
        places.append(here)
        first += len(table)
    return np.array(parts, np.int32)[np.argsort(np.concatenate(places))]
