"""From patterns to rows: the attention mass on each atom, for every destination of every prompt.

A row is what the study keeps of one destination's attention: the mass on each exact set of behaviours (atoms
are disjoint and sum to 1), and the source that received most. A pattern itself is never written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Float32, Int, Int32, UInt8
from numpy import ndarray
from torch import Tensor

from polyhead.behaviours import BEHAVIOURS, Context, sparse_atoms
from polyhead.tokens import Vocabulary
from polyhead.transformer import AttentionOnly

LARGEST_WINDOW = 8


@dataclass(frozen=True)
class HeadRows:
    """Rows of one head for one prompt: destinations 1 … n−1 (row 0 is not counted)."""

    masses: dict[int, Float32[ndarray, " dest"]]
    top_source: Int32[ndarray, " dest"]
    top_weight: Float32[ndarray, " dest"]
    near: Float32[ndarray, "dest distance"]


def atom_masses(
    pattern: Float[ndarray, "head dest src"], context: Context
) -> tuple[Float[ndarray, "head dest atom"], list[int]]:
    """Return each row's mass on every atom that occurs in the prompt, and the atoms' bitmasks.

    The last atom is 0, no behaviour: what the others leave of the row.
    """
    pairs = sparse_atoms(context)
    n_dest = pattern.shape[1]
    cell = pairs.dest * len(pairs.masks) + pairs.atom
    weights = pattern[:, pairs.dest, pairs.src].astype(np.float64)
    size = n_dest * len(pairs.masks)
    known = np.stack([np.bincount(cell, head, size).reshape(n_dest, -1) for head in weights])
    rest = np.clip(1.0 - known.sum(-1, keepdims=True), 0.0, None)
    return np.concatenate([known, rest], -1), [*map(int, pairs.masks), 0]


def near_masses(pattern: Float[ndarray, "dest src"]) -> Float32[ndarray, "dest distance"]:
    """Return the mass on the sources 1 … `LARGEST_WINDOW` before each destination, position 0 left out.

    With `near_induction` it gives every window's masses later, without the model.
    """
    near = np.zeros((len(pattern), LARGEST_WINDOW), np.float32)
    for distance in range(1, LARGEST_WINDOW + 1):
        dest = np.arange(distance + 1, len(pattern))
        near[dest, distance - 1] = pattern[dest, dest - distance]
    return near


def near_induction(tokens: Int[ndarray, " pos"]) -> UInt8[ndarray, " pos"]:
    """Return a bitmask per destination: bit d − 1 is set where the source d before is an induction source."""
    flags = np.zeros(len(tokens), np.uint8)
    for distance in range(1, LARGEST_WINDOW + 1):
        dest = np.arange(distance + 2, len(tokens))
        flags[dest] |= (tokens[dest - distance - 1] == tokens[dest]).astype(np.uint8) << (distance - 1)
    return flags


def head_rows(pattern: Float[ndarray, "head dest src"], context: Context) -> list[HeadRows]:
    """Reduce the patterns of several heads on one prompt; its predicates are computed once."""
    masses, masks = atom_masses(pattern, context)
    top_source = pattern.argmax(-1).astype(np.int32)
    top_weight = np.take_along_axis(pattern, top_source[..., None], -1)[..., 0]
    return [
        HeadRows(
            {mask: masses[head, 1:, a].astype(np.float32) for a, mask in enumerate(masks)},
            top_source[head, 1:],
            top_weight[head, 1:],
            near_masses(pattern[head])[1:],
        )
        for head in range(len(pattern))
    ]


@torch.inference_mode()
def patterns(
    model: AttentionOnly, heads: list[tuple[int, int]], tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch head dest src"]:
    """Return the chosen heads' patterns in one pass, running no layer above the highest of them."""
    residual = model.embed(tokens)
    found: dict[tuple[int, int], Tensor] = {}
    top = max(layer for layer, _ in heads)
    for number, layer in enumerate(model.layers[: top + 1]):
        here = [head for at, head in heads if at == number]
        if here:
            pattern = layer.pattern(residual, here)
            found |= {(number, head): pattern[:, i] for i, head in enumerate(here)}
        if number < top:
            residual = layer(residual)
    return torch.stack([found[pair] for pair in heads], 1)


def shard_tables(
    model: AttentionOnly,
    vocabulary: Vocabulary,
    heads: list[tuple[int, int]],
    numbers: Int[ndarray, " prompt"],
    prompts: Int[ndarray, "prompt pos"],
    window: int,
    batch: int = 8,
) -> list[pa.Table]:
    """Run the model over a shard's prompts and return one table of rows for each head."""
    collected: list[list[HeadRows]] = [[] for _ in heads]
    for pattern, tokens in _batches(model, heads, prompts, batch):
        context = Context(tokens, vocabulary.indents[tokens], vocabulary.eos, window)
        for rows, head in zip(head_rows(pattern, context), collected, strict=True):
            head.append(rows)
    flags = np.concatenate([near_induction(tokens)[1:] for tokens in prompts])
    return [rows_table(rows, numbers, prompts, flags) for rows in collected]


def _batches(
    model: AttentionOnly, heads: list[tuple[int, int]], prompts: Int[ndarray, "prompt pos"], batch: int
) -> Iterator[tuple[Float[ndarray, "head dest src"], Int[ndarray, " pos"]]]:
    for first in range(0, len(prompts), batch):
        chunk = prompts[first : first + batch]
        found = patterns(model, heads, torch.from_numpy(chunk).long()).numpy()
        yield from zip(found, chunk, strict=True)


def rows_table(
    rows: list[HeadRows],
    numbers: Int[ndarray, " prompt"],
    prompts: Int[ndarray, "prompt pos"],
    flags: UInt8[ndarray, " row"],
) -> pa.Table:
    """Lay out the rows of one head as the table that `rows/<shard>.parquet` holds.

    Columns: prompt, position, token, `atom_<mask>` for every atom that occurs, top_source, top_weight,
    `near_<d>` and near_induction. The behaviours' order is the JSON list under the key `behaviours`.
    """
    positions = prompts.shape[1] - 1
    masks = sorted({mask for row in rows for mask in row.masses})
    empty = np.zeros(positions, np.float32)
    columns: dict[str, ndarray] = {
        "prompt": np.repeat(numbers, positions).astype(np.int32),
        "position": np.tile(np.arange(1, positions + 1, dtype=np.int32), len(rows)),
        "token": prompts[:, 1:].reshape(-1).astype(np.int32),
    }
    for mask in masks:
        columns[f"atom_{mask}"] = np.concatenate([row.masses.get(mask, empty) for row in rows])
    columns["top_source"] = np.concatenate([row.top_source for row in rows])
    columns["top_weight"] = np.concatenate([row.top_weight for row in rows]).astype(np.float32)
    near = np.concatenate([row.near for row in rows])
    columns |= {f"near_{d + 1}": np.ascontiguousarray(near[:, d]) for d in range(LARGEST_WINDOW)}
    columns["near_induction"] = flags
    return pa.table(columns).replace_schema_metadata({"behaviours": json.dumps(list(BEHAVIOURS))})
