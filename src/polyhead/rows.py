"""From patterns to rows: the attention mass on each atom, for every destination of every prompt.

A row is what the study keeps of one destination's attention: the mass on each exact set of behaviours (atoms
are disjoint and sum to 1), and the source that received most. A pattern itself is never written, and lives no
longer than its layer: memory does not grow with prompts, layers or heads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Float32, Int, Int32, UInt8, UInt16
from numpy import ndarray
from torch import Tensor

from polyhead.behaviours import BEHAVIOURS, Context, SparseAtoms, sparse_atoms
from polyhead.files import parquet_writer
from polyhead.tokens import Vocabulary
from polyhead.transformer import Heads, PatternModel

LARGEST_WINDOW = 8
GROUP_PROMPTS = 32
"""Prompts whose rows are in memory at a time: one row group of the parquet file."""
PATTERN_ENTRIES = 2**20
"""Patterns are made for as many prompts at a time as fit in this many entries (4 MiB), and at least one."""


@dataclass(frozen=True)
class Rows:
    """Rows of one head: destinations 1 … n−1 (row 0 is not counted) of some prompts, one after another."""

    masses: Float32[ndarray, "atom row"]
    top_source: Int32[ndarray, " row"]
    top_weight: Float32[ndarray, " row"]
    near: Float32[ndarray, "distance row"]


def atom_masses(
    pattern: Float[Tensor, "head dest src"], pairs: SparseAtoms, masks: UInt16[ndarray, " atom"]
) -> Float32[ndarray, "head atom dest"]:
    """Return each row's mass on each of `masks`: sorted, the first of them 0, no behaviour.

    Only pairs with a behaviour are looked at; atom 0 is what they leave of a row that sums to 1.
    """
    n = pattern.shape[-1]
    place = np.zeros(1 << len(BEHAVIOURS), np.int64)
    place[masks] = np.arange(len(masks))
    weights = pattern.flatten(1)[:, torch.from_numpy(pairs.dest * n + pairs.src)].cpu().numpy()
    cell = place[pairs.mask] * n + pairs.dest
    sums = [np.bincount(cell, head, len(masks) * n).reshape(-1, n) for head in weights]
    masses = np.stack(sums).astype(np.float32)
    masses[:, 0] = np.clip(1.0 - masses[:, 1:].sum(1), 0.0, None)
    return masses


def near_masses(pattern: Float[Tensor, "head dest src"]) -> Float32[ndarray, "head distance dest"]:
    """Return the mass on the sources 1 … `LARGEST_WINDOW` before each destination, position 0 left out.

    With `near_induction` it gives every window's masses later, without the model.
    """
    heads, n, _ = pattern.shape
    near = np.zeros((heads, LARGEST_WINDOW, n), np.float32)
    for distance in range(1, min(LARGEST_WINDOW, n - 2) + 1):
        near[:, distance - 1, distance + 1 :] = pattern.diagonal(-distance, -2, -1)[:, 1:].cpu()
    return near


def near_induction(tokens: Int[ndarray, " pos"]) -> UInt8[ndarray, " pos"]:
    """Return a bitmask per destination: bit d − 1 is set where the source d before is an induction source."""
    flags = np.zeros(len(tokens), np.uint8)
    for distance in range(1, LARGEST_WINDOW + 1):
        dest = np.arange(distance + 2, len(tokens))
        flags[dest] |= (tokens[dest - distance - 1] == tokens[dest]).astype(np.uint8) << (distance - 1)
    return flags


def head_rows(
    pattern: Float[Tensor, "head dest src"], pairs: SparseAtoms, masks: UInt16[ndarray, " atom"]
) -> list[Rows]:
    """Reduce the patterns of several heads on one prompt, whose predicates are computed once."""
    masses, near = atom_masses(pattern, pairs, masks), near_masses(pattern)
    weight, source = (found.cpu().numpy() for found in pattern.max(-1))
    return [
        Rows(masses[head, :, 1:], source[head, 1:].astype(np.int32), weight[head, 1:], near[head, :, 1:])
        for head in range(len(pattern))
    ]


@torch.inference_mode()
@torch.inference_mode()
def patterns(
    model: PatternModel, heads: Heads, tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch head dest src"]:
    """Return the chosen heads' patterns in one pass, in the order asked for."""
    found = {
        (layer, head): pattern[:, place]
        for layer, pattern in model.layer_patterns(tokens, heads)
        for place, head in enumerate(_in_layer(heads, layer))
    }
    return torch.stack([found[head] for head in heads], 1)


def _in_layer(heads: Heads, layer: int) -> list[int]:
    return sorted({head for at, head in heads if at == layer})


@torch.inference_mode()
def group_rows(
    model: PatternModel,
    heads: Heads,
    prompts: Int[ndarray, "prompt pos"],
    contexts: Sequence[Context],
    masks: UInt16[ndarray, " atom"],
) -> dict[tuple[int, int], Rows]:
    """Run the model once over some prompts and return the rows of every head."""
    at_once = batch_size(heads, prompts.shape[1])
    collected: dict[tuple[int, int], list[Rows]] = {head: [] for head in heads}
    for first in range(0, len(prompts), at_once):
        some = slice(first, first + at_once)
        pairs = [sparse_atoms(context) for context in contexts[some]]
        for layer, pattern in model.layer_patterns(torch.from_numpy(prompts[some]).long(), heads):
            for of_prompt, found in zip(pattern, pairs, strict=True):
                for head, rows in zip(
                    _in_layer(heads, layer), head_rows(of_prompt, found, masks), strict=True
                ):
                    collected[layer, head].append(rows)
    return {head: joined(rows) for head, rows in collected.items()}


def batch_size(heads: Heads, positions: int) -> int:
    """Return how many prompts the model reads at a time; a layer's patterns stay within `PATTERN_ENTRIES`."""
    most = max(len(_in_layer(heads, layer)) for layer, _ in heads)
    return max(1, PATTERN_ENTRIES // (most * positions**2))


def joined(rows: Sequence[Rows]) -> Rows:
    """Put the rows of several prompts one after another."""
    return Rows(
        *(
            np.concatenate([getattr(one, field) for one in rows], -1)
            for field in ("masses", "top_source", "top_weight", "near")
        )
    )


def prompt_contexts(
    prompts: Int[ndarray, "prompt pos"], vocabulary: Vocabulary, window: int
) -> Iterator[Context]:
    """Yield what the predicates look at, for each prompt; a context keeps the pairs it has found."""
    for tokens in prompts:
        yield Context(tokens, vocabulary.indents[tokens], vocabulary.eos, window)


def occurring_atoms(contexts: Iterable[Context]) -> UInt16[ndarray, " atom"]:
    """Return the bitmasks of all atoms that occur in the prompts, sorted; 0, no behaviour, is the first."""
    seen = np.zeros(1 << len(BEHAVIOURS), bool)
    seen[0] = True
    for context in contexts:
        seen[sparse_atoms(context).mask] = True
    return np.flatnonzero(seen).astype(np.uint16)


def row_groups(
    model: PatternModel,
    vocabulary: Vocabulary,
    heads: Heads,
    numbers: Int[ndarray, " prompt"],
    prompts: Int[ndarray, "prompt pos"],
    window: int,
) -> Iterator[list[pa.Table]]:
    """Run the model over a shard, `GROUP_PROMPTS` prompts at a time; yield their rows, one table per head."""
    masks = occurring_atoms(prompt_contexts(prompts, vocabulary, window))
    for first in range(0, len(prompts), GROUP_PROMPTS):
        some = slice(first, first + GROUP_PROMPTS)
        contexts = list(prompt_contexts(prompts[some], vocabulary, window))
        rows = group_rows(model, heads, prompts[some], contexts, masks)
        yield [rows_table(rows[head], masks, numbers[some], prompts[some]) for head in heads]


def shard_tables(
    model: PatternModel,
    vocabulary: Vocabulary,
    heads: Heads,
    numbers: Int[ndarray, " prompt"],
    prompts: Int[ndarray, "prompt pos"],
    window: int,
) -> list[pa.Table]:
    """Run the model over a shard's prompts and return one table of rows for each head, in memory."""
    groups = row_groups(model, vocabulary, heads, numbers, prompts, window)
    return [pa.concat_tables(tables) for tables in zip(*groups, strict=True)]


def write_shard(
    paths: Sequence[Path | str],
    model: PatternModel,
    vocabulary: Vocabulary,
    heads: Heads,
    numbers: Int[ndarray, " prompt"],
    prompts: Int[ndarray, "prompt pos"],
    window: int,
) -> None:
    """Run the model over a shard's prompts and write each head's rows to its file, a group at a time."""
    with ExitStack() as files:
        writers = [files.enter_context(parquet_writer(path)) for path in paths]
        for tables in row_groups(model, vocabulary, heads, numbers, prompts, window):
            for write, table in zip(writers, tables, strict=True):
                write(table)


def rows_table(
    rows: Rows,
    masks: UInt16[ndarray, " atom"],
    numbers: Int[ndarray, " prompt"],
    prompts: Int[ndarray, "prompt pos"],
) -> pa.Table:
    """Lay out the rows of one head as the table that `rows/<shard>.parquet` holds.

    Columns: prompt, position, token, `atom_<mask>` for every atom that occurs in the shard, top_source,
    top_weight, `near_<d>` and near_induction. The behaviours' order is the JSON list under the metadata key
    `behaviours`.
    """
    count, positions = len(prompts), prompts.shape[1] - 1
    columns: dict[str, ndarray] = {
        "prompt": np.repeat(numbers, positions).astype(np.int32),
        "position": np.tile(np.arange(1, positions + 1, dtype=np.int32), count),
        "token": prompts[:, 1:].reshape(-1).astype(np.int32),
    }
    columns |= {f"atom_{mask}": masses for mask, masses in zip(masks, rows.masses, strict=True)}
    columns |= {"top_source": rows.top_source, "top_weight": rows.top_weight}
    columns |= {f"near_{d}": masses for d, masses in enumerate(rows.near, start=1)}
    columns["near_induction"] = np.concatenate([near_induction(tokens)[1:] for tokens in prompts])
    return pa.table(columns).replace_schema_metadata({"behaviours": json.dumps(list(BEHAVIOURS))})
