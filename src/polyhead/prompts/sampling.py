"""Sample a study's prompts from a corpus of packed token sequences."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Int, Int32
from numpy import ndarray

from polyhead.errors import PolyheadError
from polyhead.files import check_sum, parquet_writer, read_chunks, read_parquet, sha256
from polyhead.model.hub import progress_on
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.draws import Draw, draw_clustered, draw_exactly
from polyhead.prompts.hub_dataset import Parts

TOKENS, SOURCES, DOCUMENTS = "tokens", ("source", "source_type"), ("documents", "starts")
"""Columns of a corpus split: tokens; optionally name and type of a sequence's source, and its documents
with the places where they begin."""
UNLABELLED = "unlabelled"
LISTS = pa.list_(pa.int32())
PROMPTS_AT_ONCE = 1000
"""Prompts per row group of `prompts.parquet`: so many are in memory when a few are read."""


def sample_prompts(
    split: Path | str, count: int, context: int, vocabulary: Vocabulary, seed: int
) -> tuple[pa.Table, dict[str, Any]]:
    """Draw `count` sequences of a corpus split uniformly, without replacement, cut to `context` tokens.

    Args:
        split: parquet with a column tokens (BOS first); source, source_type, documents, starts if known.
        count: prompts to draw.
        context: tokens of each prompt, BOS included.
        vocabulary: the model's, with the BOS token that every sequence begins with.
        seed: the same seed gives the same prompts in the same order.

    Returns:
        The prompts, see `prompts_table`; and a record of how they were drawn, plain data.

    Raises:
        PolyheadError: too few sequences, or too short, or of another tokenizer.
    """
    parts, first = [], 0
    with open_split(split) as file:
        total = file.metadata.num_rows
        check_count(count, total, str(split))
        chosen = np.random.default_rng(seed).choice(total, count, replace=False).astype(np.int32)
        for group in range(file.num_row_groups):
            end = first + file.metadata.row_group(group).num_rows
            here = np.sort(chosen[(chosen >= first) & (chosen < end)])
            read = file.read_row_group(group, [TOKENS, *SOURCES, *DOCUMENTS]).take(pa.array(here - first))
            parts.append(_cut(read, here, context, vocabulary, split))
            first = end
    ranks = np.argsort(np.argsort(chosen))
    return _in_order(parts, ranks), {
        "method": "sequences",
        "says": f"{count:,} of {total:,} sequences of {Path(split).name}, drawn without replacement",
        "path": str(split),
        "sha256": sha256(split),
        "sequences_available": total,
    }


def _cut(
    read: pa.Table,
    sequences: Int32[ndarray, " prompt"],
    context: int,
    vocabulary: Vocabulary,
    split: Path | str,
) -> pa.Table:
    """Return sequences of a split as prompts of `context` tokens."""
    tokens, had_bos = prompt_tokens(read[TOKENS], context, vocabulary, split)
    if not had_bos.all():
        raise PolyheadError(f"{split}: sequence {sequences[had_bos.argmin()]} does not begin with BOS")
    known = set(read.column_names)
    lists = {name: read[name].to_pylist() for name in DOCUMENTS} if {*DOCUMENTS} <= known else {}
    held = [bisect_left(starts, context) for starts in lists.get("starts", [])]
    lists = {
        name: [one[:end] for one, end in zip(column, held, strict=True)] for name, column in lists.items()
    }
    sources = (read[name].to_pylist() if name in known else [UNLABELLED] * len(tokens) for name in SOURCES)
    return prompts_table(sequences, *sources, tokens, **lists)


def _in_order(parts: list[pa.Table], places: Int[ndarray, " prompt"]) -> pa.Table:
    """Return prompts in the order of the draw, numbered."""
    table = pa.concat_tables(parts).take(pa.array(places))
    return table.set_column(0, "prompt", pa.array(np.arange(len(table), dtype=np.int32)))


def sample_parts(
    parts: Parts,
    count: int,
    context: int,
    vocabulary: Vocabulary,
    seed: int,
    megabytes: float | None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Draw `count` sequences of a data set in parts, each sequence equally likely, cut to `context` tokens.

    Args:
        parts: the data set's split.
        count: prompts to draw.
        context: tokens of each prompt, BOS included; sequences without BOS get one in front.
        vocabulary: the model's.
        seed: the same seed gives the same prompts in the same order.
        megabytes: about how much to read; `None`: all, so that every set of sequences is equally likely.

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
    tables, without = [], 0
    for group, sequences in progress_on()(draw.items(), desc="Reading row groups", unit="group"):
        read = parts.read(group).take(pa.array(sequences))
        tokens, had_bos = prompt_tokens(read, context, vocabulary, group.part)
        sources = [group.part] * len(tokens), [UNLABELLED] * len(tokens)
        tables.append(prompts_table((group.first + sequences).astype(np.int32), *sources, tokens))
        without += int((~had_bos).sum())
    order = np.random.default_rng([seed, count]).permutation(count)
    return _in_order(tables, order), {
        **_method(draw, parts, count, megabytes),
        **parts.describe(),
        "sequences_without_bos": without,
    }


def _method(draw: Draw, parts: Parts, count: int, megabytes: float | None) -> dict[str, Any]:
    """Return how sequences were drawn, and from which row groups, as plain data."""
    size = sum(group.bytes for group in draw)
    says = f"{count:,} of {parts.sequences:,} sequences, drawn uniformly without replacement"
    if megabytes is not None:
        says = (
            f"{count:,} of {parts.sequences:,} sequences, each equally likely, from {len(draw)} of "
            f"{len(parts.groups)} row groups ({size / 1e6:.1f} MB), drawn in proportion to their sequences"
        )
    names = ("part", "row_group", "sequences", "bytes", "prompts")
    rows = [(group.part, group.number, group.sequences, group.bytes, len(own)) for group, own in draw.items()]
    read = [dict(zip(names, row, strict=True)) for row in rows]
    method = "sequences" if megabytes is None else "row groups"
    return {"method": method, "says": says, "bytes_read": size, "row_groups_read": read}


def check_count(count: int, sequences: int, where: str) -> None:
    """Raise `PolyheadError` if more prompts are wanted than there are sequences."""
    if count > sequences:
        raise PolyheadError(f"prompts: {count} asked for; {where} has {sequences} sequences to draw from")


def prompts_table(
    sequences: Int32[ndarray, " prompt"],
    source: Any,
    source_type: Any,
    tokens: Int32[ndarray, "prompt pos"],
    **lists: Any,
) -> pa.Table:
    """Return prompts as a table, as `prompts.parquet` holds it.

    Columns: prompt (int32, from 0), sequence (int32, place in the split), source, source_type, tokens
    (list<int32>); `lists`, where known: documents and starts (list<int32>).
    """
    count, context = tokens.shape
    ends = np.arange(0, (count + 1) * context, context, dtype=np.int32)[: count + 1]
    return pa.table(
        {
            "prompt": np.arange(count, dtype=np.int32),
            "sequence": sequences,
            "source": pa.array(source, pa.string()),
            "source_type": pa.array(source_type, pa.string()),
            "tokens": pa.ListArray.from_arrays(pa.array(ends), pa.array(tokens.ravel()), LISTS),
            **{name: pa.array(column, LISTS) for name, column in lists.items()},
        }
    )


def write_prompts(path: Path | str, prompts: pa.Table) -> None:
    """Write `prompts.parquet`, in row groups of `PROMPTS_AT_ONCE` prompts."""
    with parquet_writer(path) as append:
        for first in range(0, len(prompts), PROMPTS_AT_ONCE):
            append(prompts.slice(first, PROMPTS_AT_ONCE))


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
    lengths = pc.list_value_length(column).to_numpy().astype(np.int64)
    if lengths.min(initial=context) < context:
        raise PolyheadError(
            f"{where}: a sequence has {lengths.min()} tokens; context: {context} was asked for"
        )
    flat = column.combine_chunks().flatten().to_numpy()
    starts = lengths.cumsum() - lengths
    return flat[starts[:, None] + np.arange(context)].astype(np.int32)


def read_prompts(path: Path | str, first: int = 0, count: int | None = None) -> Int32[ndarray, "prompt pos"]:
    """Return the tokens of a study's prompts, or of `count` prompts starting with `first`."""
    tokens = read_parquet(path, [TOKENS], first, count)[TOKENS]
    return token_matrix(tokens, len(tokens[0]), path)


def pick_prompts(path: Path | str, prompt_ids: Sequence[int]) -> Int32[ndarray, "picked pos"]:
    """Return the tokens of the prompts with the given ids, in the order of the ids."""
    wanted, first, parts = np.asarray(prompt_ids, np.int64), 0, []
    for table in read_chunks(path, [TOKENS]):
        here = np.unique(wanted[(wanted >= first) & (wanted < first + len(table))])
        parts.append(token_matrix(table[TOKENS].take(pa.array(here - first)), len(table[TOKENS][0]), path))
        first += len(table)
    return np.concatenate(parts)[np.searchsorted(np.unique(wanted), wanted)]


def without_sequences(prompts: pa.Table, sequences: Int[ndarray, " sequence"], most: int) -> pa.Table:
    """Return at most so many of the prompts, none of them from the given sequences of the split."""
    kept = np.flatnonzero(~np.isin(prompts["sequence"].to_numpy(), sequences))[:most]
    return _in_order([prompts], kept)
