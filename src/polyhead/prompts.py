"""Sample a study's prompts from a corpus of packed token rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int32
from numpy import ndarray

from polyhead.errors import PolyheadError


def sample_prompts(split: Path | str, count: int, context: int, bos: int, seed: int) -> pa.Table:
    """Draw `count` rows of a corpus split uniformly, without replacement, cut to `context` tokens.

    Args:
        split: parquet with columns tokens (BOS first), source, kind.
        count: prompts to draw.
        context: tokens of each prompt, BOS included.
        bos: id of the BOS token that every row begins with.
        seed: the same seed gives the same prompts in the same order.

    Returns:
        Table with prompt (int32), row (int32, place in the split), source, kind, tokens (list<int32>).

    Raises:
        PolyheadError: too few rows, rows too short, or rows that do not begin with BOS.
    """
    rows = read_split(split)
    if count > rows.num_rows:
        raise PolyheadError(f"prompts: {count} asked for; {split} has {rows.num_rows} rows to draw from")
    chosen = np.random.default_rng(seed).choice(rows.num_rows, count, replace=False).astype(np.int32)
    taken = rows.take(pa.array(chosen))
    tokens = token_matrix(taken["tokens"], context, split)
    if (tokens[:, 0] != bos).any():
        raise PolyheadError(f"{split}: row {chosen[(tokens[:, 0] != bos).argmax()]} does not begin with BOS")
    return pa.table(
        {
            "prompt": np.arange(count, dtype=np.int32),
            "row": chosen,
            "source": taken["source"],
            "kind": taken["kind"],
            "tokens": pa.array(list(tokens), pa.list_(pa.int32())),
        }
    )


def read_split(split: Path | str) -> pa.Table:
    """Read a corpus split; raise `PolyheadError` where it is missing, damaged or lacks a column."""
    try:
        return pq.read_table(split, columns=["tokens", "source", "kind"])
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise PolyheadError(f"cannot read the corpus split {split}: {error}") from error


def token_matrix(column: pa.ChunkedArray, context: int, where: Path | str) -> Int32[ndarray, "prompt pos"]:
    """Return the first `context` tokens of every row; raise `PolyheadError` where a row is shorter."""
    lengths = pa.compute.list_value_length(column).to_numpy()
    if lengths.min(initial=context) < context:
        raise PolyheadError(f"{where}: a row has {lengths.min()} tokens; context: {context} was asked for")
    flat = column.combine_chunks().flatten().to_numpy().astype(np.int32)
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    return flat[starts[:, None] + np.arange(context)]


def read_prompts(path: Path | str, first: int = 0, count: int | None = None) -> Int32[ndarray, "prompt pos"]:
    """Return the tokens of a study's prompts, or of `count` of them from `first` on."""
    table = pq.read_table(path, columns=["tokens"]).slice(first, count)
    return np.stack(table["tokens"].to_numpy(zero_copy_only=False)).astype(np.int32)
