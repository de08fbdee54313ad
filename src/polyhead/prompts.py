"""Sample a study's prompts from a corpus of packed token rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int32
from numpy import ndarray

from polyhead.draws import Draw, draw_clustered, draw_exactly
from polyhead.errors import PolyheadError
from polyhead.files import check_sum, read_parquet, sha256
from polyhead.hub import progress_on
from polyhead.parts import Parts
from polyhead.tokens import Vocabulary


def sample_prompts(
    split: Path | str, count: int, context: int, vocabulary: Vocabulary, seed: int
) -> tuple[pa.Table, dict[str, Any]]:
    """Draw `count` rows of a corpus split uniformly, without replacement, cut to `context` tokens.

    Args:
        split: parquet with columns tokens (BOS first), source, kind.
        count: prompts to draw.
        context: tokens of each prompt, BOS included.
        vocabulary: the model's, with the BOS token that every row begins with.
        seed: the same seed gives the same prompts in the same order.

    Returns:
        Table with prompt (int32), row (int32, place in the split), source, kind, tokens (list<int32>); and a
        record of how it was drawn, plain data.

    Raises:
        PolyheadError: too few rows, rows too short, or rows of another tokenizer.
    """
    rows = read_split(split)
    check_count(count, rows.num_rows, str(split))
    chosen = np.random.default_rng(seed).choice(rows.num_rows, count, replace=False).astype(np.int32)
    taken = rows.take(pa.array(chosen))
    tokens, had_bos = prompt_tokens(taken["tokens"], context, vocabulary, split)
    if not had_bos.all():
        raise PolyheadError(f"{split}: row {chosen[had_bos.argmin()]} does not begin with BOS")
    record = {
        "method": "rows",
        "says": f"{count:,} of the {rows.num_rows:,} rows of {Path(split).name}, "
        "drawn uniformly without replacement",
        "path": str(split),
        "sha256": sha256(split),
        "rows_available": rows.num_rows,
    }
    return prompts_table(chosen, taken["source"], taken["kind"], tokens), record


def sample_parts(
    parts: Parts,
    count: int,
    context: int,
    vocabulary: Vocabulary,
    seed: int,
    megabytes: float | None,
    screen: Any = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Draw `count` rows of a data set in parts, uniformly per row, cut to `context` tokens.

    Args:
        parts: the data set's split.
        count: prompts to draw.
        context: tokens of each prompt, BOS included; rows without BOS get one in front.
        vocabulary: the model's.
        seed: the same seed gives the same prompts in the same order.
        megabytes: about how much to read; `None` draws exactly uniformly, whatever has to be read.
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
    order = np.random.default_rng([seed, count]).permutation(count)
    read = [
        prompt_tokens(parts.read(group).take(pa.array(rows)), context, vocabulary, group.part)
        for group, rows in progress_on(screen)(draw.items(), desc="Reading row groups", unit="group")
    ]
    chosen = np.concatenate([group.first + rows for group, rows in draw.items()])[order]
    names = np.concatenate([np.repeat(group.part, len(rows)) for group, rows in draw.items()])[order]
    tokens = np.concatenate([one for one, _ in read])[order]
    without = sum(int((~had_bos).sum()) for _, had_bos in read)
    table = prompts_table(chosen.astype(np.int32), pa.array(names), pa.array(["unlabelled"] * count), tokens)
    return table, {**_method(draw, parts, count, megabytes), **parts.describe(), **_bos_record(without)}


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
    rows: Int32[ndarray, " prompt"], source: Any, kind: Any, tokens: Int32[ndarray, "prompt pos"]
) -> pa.Table:
    """Lay out prompts as the table that `prompts.parquet` holds."""
    return pa.table(
        {
            "prompt": np.arange(len(rows), dtype=np.int32),
            "row": rows,
            "source": source,
            "kind": kind,
            "tokens": pa.array(list(tokens), pa.list_(pa.int32())),
        }
    )


def read_split(split: Path | str) -> pa.Table:
    """Read a corpus split; raise `PolyheadError` where it is missing, damaged or lacks a column."""
    try:
        check_sum(split)
        return pq.read_table(split, columns=["tokens", "source", "kind"])
    except (OSError, pa.ArrowInvalid, KeyError) as error:
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
