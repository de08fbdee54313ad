"""Sample a study's prompts from a corpus of packed token sequences."""

from __future__ import annotations

import errno
import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int, Int32, Shaped
from numpy import ndarray

from polyhead.errors import PolyheadError
from polyhead.files import check_sum, read_chunks, read_parquet, sha256
from polyhead.model.hub import progress_on
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.draws import Draw, draw_clustered, draw_exactly
from polyhead.prompts.hub_dataset import Parts

TOKENS, LABELS = "tokens", ("source", "source_type")
"""Columns of a corpus split: tokens, and optionally the name and the type of the source of a sequence."""
UNLABELLED = "unlabelled"
DOCUMENT_COLUMNS = ["documents", "starts"]
"""Optional columns of a corpus split: the documents in a sequence, and where each begins."""
PROMPTS_AT_ONCE = 1000
"""Prompts per row group of `prompts.parquet`: so many are in memory when a few are read."""


@dataclass(frozen=True)
class Sample:
    """The drawn prompts: number in the split, source, source type, and tokens (memory-mapped)."""

    sequences: Int32[ndarray, " prompt"]
    source: Shaped[ndarray, " prompt"]
    source_type: Shaped[ndarray, " prompt"]
    tokens: Int32[ndarray, "prompt pos"]
    documents: dict[str, Shaped[ndarray, " prompt"]] = field(default_factory=dict)
    """`documents` (numbers, in order) and `starts` (where each begins) of each prompt, where known."""

    def tables(self) -> Iterator[pa.Table]:
        """Yield the content of `prompts.parquet` in tables of `PROMPTS_AT_ONCE` prompts."""
        for first in range(0, len(self.sequences), PROMPTS_AT_ONCE):
            some = slice(first, first + PROMPTS_AT_ONCE)
            parts = self.sequences[some], self.source[some], self.source_type[some], self.tokens[some]
            table = prompts_table(*parts, first)
            for name, lists in self.documents.items():
                table = table.append_column(name, pa.array(lists[some], pa.list_(pa.int32())))
            yield table


def empty_sample(count: int, context: int, scratch: Path | str | None) -> Sample:
    """Allocate a sample; its tokens are mapped to an unnamed temporary file in the folder `scratch`.

    Disk space for the file is reserved first, where the system can do that: without it, writing to mapped
    memory when the disk is full kills the process.
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
    """Draw `count` sequences of a corpus split uniformly, without replacement, cut to `context` tokens.

    Args:
        split: parquet with a column tokens (BOS first); source, source_type, documents, starts if known.
        count: prompts to draw.
        context: tokens of each prompt, BOS included.
        vocabulary: the model's, with the BOS token that every sequence begins with.
        seed: the same seed gives the same prompts in the same order.
        scratch: folder for the temporary file with the tokens; default: that of the system.

    Returns:
        The prompts; and a record of how they were drawn, plain data.

    Raises:
        PolyheadError: too few sequences, or too short, or of another tokenizer.
    """
    with open_split(split) as file:
        total = file.metadata.num_rows
        check_count(count, total, str(split))
        chosen = np.random.default_rng(seed).choice(total, count, replace=False).astype(np.int32)
        sample, first = empty_sample(count, context, scratch), 0
        known = DOCUMENT_COLUMNS if {*DOCUMENT_COLUMNS} <= {*file.schema_arrow.names} else []
        sample.documents.update({name: np.empty(count, object) for name in known})
        for group in range(file.num_row_groups):
            sequences = file.metadata.row_group(group).num_rows
            here = np.flatnonzero((chosen >= first) & (chosen < first + sequences))
            taken = file.read_row_group(group, [TOKENS, *LABELS, *known]).take(pa.array(chosen[here] - first))
            tokens, had_bos = prompt_tokens(taken[TOKENS], context, vocabulary, split)
            if not had_bos.all():
                raise PolyheadError(
                    f"{split}: sequence {chosen[here][had_bos.argmin()]} does not begin with BOS"
                )
            source, source_type = (
                taken[name] if name in taken.column_names else UNLABELLED for name in LABELS
            )
            put(sample, here, chosen[here], source, source_type, tokens)
            if known:
                put_documents(sample, here, taken)
            first += sequences
    record = {
        "method": "sequences",
        "says": f"{count:,} of the {total:,} sequences of {Path(split).name}, "
        "drawn uniformly without replacement",
        "path": str(split),
        "sha256": sha256(split),
        "sequences_available": total,
    }
    return sample, record


def put(
    sample: Sample,
    places: Int[ndarray, " some"],
    sequences: Int[ndarray, " some"],
    source: Any,
    source_type: Any,
    tokens: Int32[ndarray, "some pos"],
) -> None:
    """Write some prompts to the given places of a sample."""
    sample.sequences[places], sample.source[places] = sequences, source
    sample.source_type[places], sample.tokens[places] = source_type, tokens


def put_documents(sample: Sample, places: Int[ndarray, " some"], taken: pa.Table) -> None:
    """Put the documents that begin within some prompts into their places."""
    length = sample.tokens.shape[1]
    lists = (taken[name].to_pylist() for name in DOCUMENT_COLUMNS)
    for place, documents, starts in zip(places, *lists, strict=True):
        held = bisect_left(starts, length)
        sample.documents["documents"][place] = documents[:held]
        sample.documents["starts"][place] = starts[:held]


def sample_parts(
    parts: Parts,
    count: int,
    context: int,
    vocabulary: Vocabulary,
    seed: int,
    megabytes: float | None,
    *,
    scratch: Path | str | None = None,
    screen: Any = None,
) -> tuple[Sample, dict[str, Any]]:
    """Draw `count` sequences of a data set in parts, each sequence equally likely, cut to `context` tokens.

    Args:
        parts: the data set's split.
        count: prompts to draw.
        context: tokens of each prompt, BOS included; sequences without BOS get one in front.
        vocabulary: the model's.
        seed: the same seed gives the same prompts in the same order.
        megabytes: about how much to read; `None`: all, so that every set of sequences is equally likely.
        scratch: folder for the temporary file with the tokens; default: that of the system.
        screen: stream for progress; default: stderr.

    Returns:
        As `sample_prompts`; the record lists the row groups that were read.

    Raises:
        PolyheadError: too few sequences, or too short, or of another tokenizer; a part cannot be read.
    """
    check_count(count, parts.sequences, str(parts.dataset.repository))
    if megabytes is None:
        draw = draw_exactly(parts.groups, count, seed)
    else:
        draw = draw_clustered(parts.groups, count, int(megabytes * 1e6), seed)
    places = np.argsort(np.random.default_rng([seed, count]).permutation(count))
    sample, without = empty_sample(count, context, scratch), 0
    for group, sequences in progress_on(screen)(draw.items(), desc="Reading row groups", unit="group"):
        read = parts.read(group).take(pa.array(sequences))
        tokens, had_bos = prompt_tokens(read, context, vocabulary, group.part)
        here, places = np.split(places, [len(sequences)])
        put(sample, here, group.first + sequences, group.part, UNLABELLED, tokens)
        without += int((~had_bos).sum())
    return sample, {**_method(draw, parts, count, megabytes), **parts.describe(), **_bos_record(without)}


def _method(draw: Draw, parts: Parts, count: int, megabytes: float | None) -> dict[str, Any]:
    size = sum(group.bytes for group in draw)
    exactly = f"{count:,} of {parts.sequences:,} sequences, drawn uniformly without replacement"
    clustered = (
        f"{count:,} of {parts.sequences:,} sequences, each equally likely, from {len(draw)} of "
        f"{len(parts.groups)} row groups ({size / 1e6:.1f} MB), which were drawn with probability "
        "proportional to their sequences; sequences of one row group are drawn together, so that the sample "
        "varies more than one of independent sequences if neighbouring sequences are alike"
    )
    return {
        "method": "sequences" if megabytes is None else "row groups",
        "says": exactly if megabytes is None else clustered,
        "bytes_read": size,
        "row_groups_read": [
            {
                "part": g.part,
                "row_group": g.number,
                "sequences": g.sequences,
                "bytes": g.bytes,
                "prompts": len(sequences),
            }
            for g, sequences in draw.items()
        ],
    }


def _bos_record(without: int) -> dict[str, Any]:
    says = "all sequences begin with BOS"
    if without:
        says = (
            f"{without} sequences did not begin with BOS: it was put in front, and their last token left out"
        )
    return {"sequences_without_bos": without, "bos": says}


def check_count(count: int, sequences: int, where: str) -> None:
    """Raise `PolyheadError` if more prompts are wanted than there are sequences."""
    if count > sequences:
        raise PolyheadError(f"prompts: {count} asked for; {where} has {sequences} sequences to draw from")


def prompts_table(
    sequences: Int32[ndarray, " prompt"],
    source: Any,
    source_type: Any,
    tokens: Int32[ndarray, "prompt pos"],
    first: int = 0,
) -> pa.Table:
    """Return prompts, numbered from `first`, as a table, as `prompts.parquet` holds it.

    Columns: prompt (int32), sequence (int32, place in the split), source, source_type, tokens (list<int32>).
    """
    return pa.table(
        {
            "prompt": np.arange(first, first + len(sequences), dtype=np.int32),
            "sequence": sequences,
            "source": pa.array(source, pa.string()),
            "source_type": pa.array(source_type, pa.string()),
            "tokens": pa.array(list(tokens), pa.list_(pa.int32())),
        }
    )


def sequence_count(split: Path | str) -> int:
    """Return the number of sequences of a corpus split."""
    with open_split(split) as file:
        return file.metadata.num_rows


@contextmanager
def open_split(split: Path | str) -> Iterator[pq.ParquetFile]:
    """Open a corpus split; raise `PolyheadError` if it is missing, damaged or lacks a column."""
    try:
        check_sum(split)
        with pq.ParquetFile(split) as file:
            if TOKENS not in file.schema_arrow.names:
                raise PolyheadError(f"cannot read the corpus split {split}: it has no column {TOKENS}")
            yield file
    except (OSError, pa.ArrowInvalid) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:  # the disk is full; the split itself is fine
            raise
        raise PolyheadError(f"cannot read the corpus split {split}: {error}") from error


def prompt_tokens(
    column: pa.ChunkedArray, context: int, vocabulary: Vocabulary, where: Path | str
) -> tuple[Int32[ndarray, "prompt pos"], Bool[ndarray, " prompt"]]:
    """Return the first `context` tokens of every sequence, and whether the sequence began with BOS.

    Sequences that do not begin with BOS get one in front.

    Raises:
        PolyheadError: a sequence is shorter, or holds a token that the vocabulary does not have.
    """
    tokens = token_matrix(column, context, where)
    size = vocabulary.tokenizer.get_vocab_size()
    if tokens.min(initial=0) < 0 or tokens.max(initial=0) >= size:
        raise PolyheadError(
            f"{where}: token {tokens.max()} is in the sequences, the model's tokenizer has {size} tokens; "
            "the sequences must be made with the model's own tokenizer"
        )
    had_bos = tokens[:, 0] == vocabulary.bos
    tokens[~had_bos] = np.roll(tokens[~had_bos], 1, axis=1)
    tokens[~had_bos, 0] = vocabulary.bos
    return tokens, had_bos


def token_matrix(column: pa.ChunkedArray, context: int, where: Path | str) -> Int32[ndarray, "prompt pos"]:
    """Return the first `context` tokens of every sequence; raise `PolyheadError` if a sequence is shorter."""
    lengths = pa.compute.list_value_length(column).to_numpy().astype(np.int64)
    if lengths.min(initial=context) < context:
        raise PolyheadError(
            f"{where}: a sequence has {lengths.min()} tokens; context: {context} was asked for"
        )
    flat = column.combine_chunks().flatten().to_numpy()
    starts = lengths.cumsum() - lengths
    return flat[starts[:, None] + np.arange(context)].astype(np.int32)


def read_prompts(path: Path | str, first: int = 0, count: int | None = None) -> Int32[ndarray, "prompt pos"]:
    """Return the tokens of a study's prompts, or of `count` prompts starting with `first`."""
    table = read_parquet(path, ["tokens"], first, count)
    return np.stack(table["tokens"].to_numpy(zero_copy_only=False)).astype(np.int32)


def pick_prompts(path: Path | str, prompt_ids: Sequence[int]) -> Int32[ndarray, "picked pos"]:
    """Return the tokens of the prompts with the given ids, in the order of the ids."""
    wanted = np.asarray(prompt_ids)
    first, parts, places = 0, [], []
    for table in read_chunks(path, ["tokens"]):
        here = np.flatnonzero((wanted >= first) & (wanted < first + len(table)))
        picked = table["tokens"].take(pa.array(wanted[here] - first, pa.int64()))
        parts.append(token_matrix(picked, len(table["tokens"][0]), path))
        places.append(here)
        first += len(table)
    return np.concatenate(parts)[np.argsort(np.concatenate(places))]


def without_sequences(sample: Sample, sequences: Int[ndarray, " sequence"], most: int) -> Sample:
    """Return at most so many prompts of a sample, none of them from the given sequences of the split."""
    kept = np.flatnonzero(~np.isin(sample.sequences, sequences))[:most]
    documents = {name: lists[kept] for name, lists in sample.documents.items()}
    parts = (
        sample.sequences[kept],
        sample.source[kept],
        sample.source_type[kept],
        np.array(sample.tokens[kept]),
    )
    return Sample(*parts, documents)
