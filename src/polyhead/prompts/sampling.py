"""The two samples of a study: prompts that the report reads, and others on which a head is chosen."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int, Int32
from numpy import ndarray

from polyhead.errors import PolyheadError
from polyhead.files import parquet_writer, read_parquet, write_json
from polyhead.model.hub import progress
from polyhead.model.vocabulary import Vocabulary, count_ids
from polyhead.prompts.draws import RowGroup, draw_clustered, draw_exactly
from polyhead.prompts.parts import DOCUMENTS, TOKENS, Parts
from polyhead.prompts.texts import UNLABELLED

LISTS = pa.list_(pa.int32())
PROMPTS_AT_ONCE = 1000
"""Prompts per row group of `prompts.parquet`: so many are in memory when a few are read."""

Sample = tuple[pa.Table, dict[str, Any]]
"""Prompts, and a record of how they were drawn."""


def sample_prompts(
    parts: Parts,
    count: int,
    context: int,
    vocabulary: Vocabulary,
    seed: int,
    megabytes: float | None = None,
) -> Sample:
    """Draw `count` sequences without replacement, each equally likely, cut to `context` tokens.

    Args:
        parts: the sequences.
        count: prompts to draw.
        context: tokens of each prompt, BOS included; sequences of the hub without BOS get one in front.
        vocabulary: the model's.
        seed: the same seed gives the same prompts in the same order.
        megabytes: about how much to read of a data set on the hub; `None`: all, so that every set of
            sequences is equally likely.

    Returns:
        prompt (int32, from 0), sequence (int32, place in the split), source, source_type, tokens
        (list<int32>) and, where known, documents and starts (list<int32>), in the order of the draw; and a
        record of how they were drawn, plain data.

    Raises:
        PolyheadError: too few sequences, or too short, or of another tokenizer; a part cannot be read.
    """
    if count > parts.sequences:
        raise PolyheadError(
            f"prompts: {count} asked for; {parts.where} has {parts.sequences} sequences to draw from"
        )
    if megabytes is None:
        drawn = draw_exactly(parts.groups, count, seed)
    else:
        drawn = draw_clustered(parts.groups, count, int(megabytes * 1e6), seed)
    chosen = {
        group: inside
        for group in parts.groups
        if len(inside := np.sort(drawn[(drawn >= group.first) & (drawn < group.first + group.sequences)]))
    }
    tables, without_bos = [], 0
    for group, sequences in progress()(chosen.items(), desc="Reading row groups", unit="group", delay=1):
        table, had_bos = _cut(parts, group, sequences, context, vocabulary)
        tables.append(table)
        without_bos += int((~had_bos).sum())
    record = {"context": context, "seed": seed, **_method(chosen, parts, count, megabytes), **parts.record}
    record |= {"sequences_available": parts.sequences, "sequences_without_bos": without_bos}
    if off := vocabulary.switched_off:
        record |= {
            "switched_off": [*off],
            "says": f"{record['says']}; the tokenizer's {' and '.join(off)} is off",
        }
    return _in_order(tables, np.argsort(np.argsort(drawn))), record


def _cut(
    parts: Parts, group: RowGroup, sequences: Int[ndarray, " drawn"], context: int, vocabulary: Vocabulary
) -> tuple[pa.Table, Bool[ndarray, " drawn"]]:
    """Return sequences of a row group as prompts of `context` tokens, and whether each began with BOS."""
    read, sequences = parts.read(group).take(sequences - group.first), sequences.astype(np.int32)
    tokens, had_bos = prompt_tokens(read[TOKENS], context, vocabulary, group.part)
    if parts.with_bos and not had_bos.all():
        raise PolyheadError(f"{group.part}: sequence {sequences[had_bos.argmin()]} does not begin with BOS")
    known = set(read.column_names)
    columns: dict[str, Any] = {"prompt": sequences, "sequence": sequences}
    for name, default in (("source", group.part), ("source_type", UNLABELLED)):
        given = read[name].to_pylist() if name in known else [default] * len(tokens)
        columns[name] = pa.array(given, pa.string())
    columns[TOKENS] = pa.array(list(tokens), LISTS)
    if {*DOCUMENTS} <= known:
        documents, starts = (read[name].to_pylist() for name in DOCUMENTS)
        held = [bisect_left(some, context) for some in starts]
        for name, lists in zip(DOCUMENTS, (documents, starts), strict=True):
            columns[name] = pa.array([some[:end] for some, end in zip(lists, held, strict=True)], LISTS)
    return pa.table(columns), had_bos


def _in_order(parts: list[pa.Table], places: Int[ndarray, " prompt"]) -> pa.Table:
    """Return prompts in the order of the draw, numbered."""
    table = pa.concat_tables(parts).take(pa.array(places))
    return table.set_column(0, "prompt", pa.array(np.arange(len(table), dtype=np.int32)))


def _method(
    chosen: dict[RowGroup, Int[ndarray, " drawn"]], parts: Parts, count: int, megabytes: float | None
) -> dict[str, Any]:
    """Return how sequences were drawn and, where only some row groups were read, from which."""
    drawn = f"{count:,} of {parts.sequences:,} sequences"
    if megabytes is None:
        says = f"{drawn} of {Path(parts.where).name}, drawn without replacement"
        return {"method": "sequences", "says": says}
    size = sum(group.bytes for group in chosen)
    says = (
        f"{drawn}, each equally likely, from {len(chosen)} of {len(parts.groups)} row groups "
        f"({size / 1e6:.1f} MB), drawn in proportion to their sequences"
    )
    read = [
        {"part": group.part, "row_group": group.number, "bytes": group.bytes, "prompts": len(own)}
        for group, own in chosen.items()
    ]
    return {"method": "row groups", "says": says, "bytes_read": size, "row_groups_read": read}


def sample_apart(
    parts: Parts,
    count: int,
    report: tuple[Parts, pa.Table],
    context: int,
    vocabulary: Vocabulary,
    seed: int,
    megabytes: float | None = None,
) -> Sample:
    """Draw at most so many prompts to choose on, none of which the report reads.

    Args:
        parts: the sequences; where they are those of the report, the sequences that it reads are left out.
        count: prompts to draw.
        report: the report's sequences, and its prompts.
        context: see `sample_prompts`, as for the rest.
        vocabulary: the model's.
        seed: of the report's sample.
        megabytes: about how much to read.

    Raises:
        PolyheadError: see `sample_prompts`; or a prompt or a document is in both samples.
    """
    of_report, prompts = report
    more = len(prompts) if parts is of_report else 0
    wanted = min(count + more, parts.sequences)
    drawn, how = sample_prompts(parts, wanted, context, vocabulary, seed + 1, megabytes)
    if more:
        drawn = without_sequences(drawn, prompts["sequence"].to_numpy(), count)
    return drawn, {**how, "documents": check_apart(drawn, prompts)}


def without_sequences(prompts: pa.Table, sequences: Int[ndarray, " sequence"], most: int) -> pa.Table:
    """Return at most so many of the prompts, none of them from the given sequences of the split."""
    kept = np.flatnonzero(~np.isin(prompts["sequence"].to_numpy(), sequences))[:most]
    return _in_order([prompts], kept)


def check_apart(selection: pa.Table, report: pa.Table) -> int:
    """Return how many documents the selection sample holds; where they are unknown, how many prompts.

    Raises:
        PolyheadError: a prompt, or a document where both samples name them, is in both.
    """
    both = selection, report
    chosen, reported = ({tuple(tokens) for tokens in one[TOKENS].to_pylist()} for one in both)
    if shared := chosen & reported:
        raise PolyheadError(f"{len(shared)} prompts are in the selection sample and in the report's sample")
    if not all("documents" in one.column_names for one in both):
        return len(selection)
    chosen, reported = (set(one["documents"].combine_chunks().flatten().to_pylist()) for one in both)
    if shared := chosen & reported:
        raise PolyheadError(
            f"{len(shared)} documents are in the selection sample and in the report's sample, the first of "
            f"them document {min(shared)}; choose another split: selection.split"
        )
    return len(chosen)


def write_sample(folder: Path, prompts: pa.Table, how: dict[str, Any]) -> None:
    """Write `prompts.parquet`, in row groups of `PROMPTS_AT_ONCE` prompts, and `sampling.json`."""
    with parquet_writer(folder / "prompts.parquet") as append:
        for first in range(0, len(prompts), PROMPTS_AT_ONCE):
            append(prompts.slice(first, PROMPTS_AT_ONCE))
    write_json(folder / "sampling.json", {"prompts": len(prompts), **how})


def prompt_tokens(
    column: pa.ChunkedArray, context: int, vocabulary: Vocabulary, where: Path | str
) -> tuple[Int32[ndarray, "prompt pos"], Bool[ndarray, " prompt"]]:
    """Return the first `context` tokens of every sequence, and whether the sequence began with BOS.

    Sequences that do not begin with BOS get one in front.

    Raises:
        PolyheadError: a sequence is shorter, or holds a token that the vocabulary does not have.
    """
    tokens = token_matrix(column, context, where)
    size = count_ids(vocabulary.tokenizer)
    if tokens.min(initial=0) < 0 or tokens.max(initial=0) >= size:
        raise PolyheadError(
            f"{where}: token {tokens.max()} is in the sequences, the ids of the model's tokenizer end at "
            f"{size - 1}; the sequences must be made with the model's own tokenizer"
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
