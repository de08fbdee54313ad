"""From patterns to rows: the attention mass on each atom, for every destination of every prompt.

A row is what a study stores of the attention of one destination: the mass on each atom (an exact set of
behaviours; atoms are disjoint, and their masses sum to 1) and the source with the largest weight. Patterns
are never written to disk, and are dropped layer by layer, so that memory does not grow with prompts, layers
or heads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Float32, Int, Int32, UInt8, UInt16
from numpy import ndarray
from torch import Tensor

from polyhead.attention.behaviours import BEHAVIOURS, Context, SparseAtoms, line_indents, sparse_atoms
from polyhead.files import parquet_writer
from polyhead.model.protocol import Heads, Model
from polyhead.model.vocabulary import Vocabulary

LARGEST_WINDOW = 8
ROWS_AT_ONCE = 2**17
"""Rows, of all heads together, that are in memory at a time (some 50 MiB), or those of one prompt."""
PATTERN_ENTRIES = 2**20
"""The patterns of one batch of prompts have at most this many entries (4 MiB), or are those of one prompt."""
TOKENS_AT_ONCE = 4096
"""A batch has at most this many tokens, or is one prompt: residual streams take memory, too."""


@dataclass(frozen=True)
class Rows:
    """Rows of one head, prompt after prompt: destinations 1 … n−1 of each (row 0 is not counted)."""

    masses: Float32[ndarray, "atom row"]
    top_source: Int32[ndarray, " row"]
    top_weight: Float32[ndarray, " row"]
    recent: Float32[ndarray, "distance row"]


def atom_masses(
    pattern: Float[Tensor, "head dest src"], pairs: SparseAtoms, masks: UInt16[ndarray, " atom"]
) -> Float32[ndarray, "head atom dest"]:
    """Return the mass of each row on each atom of `masks`, which are sorted and start with 0 (no behaviour).

    Only pairs with a behaviour are added up; the mass of atom 0 is one minus their sum.
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


def recent_mass(pattern: Float[Tensor, "head dest src"]) -> Float32[ndarray, "head distance dest"]:
    """Return the weight on the sources 1 … `LARGEST_WINDOW` before each destination, without position 0.

    Together with `recent_induction` these give the masses for every other window later, without the model.
    """
    heads, n, _ = pattern.shape
    recent = np.zeros((heads, LARGEST_WINDOW, n), np.float32)
    for distance in range(1, min(LARGEST_WINDOW, n - 2) + 1):
        recent[:, distance - 1, distance + 1 :] = pattern.diagonal(-distance, -2, -1)[:, 1:].cpu()
    return recent


def recent_induction(tokens: Int[ndarray, " pos"]) -> UInt8[ndarray, " pos"]:
    """Return a bitmask per destination; bit d − 1 is set if the source d before it is an induction source."""
    flags = np.zeros(len(tokens), np.uint8)
    for distance in range(1, LARGEST_WINDOW + 1):
        dest = np.arange(distance + 2, len(tokens))
        flags[dest] |= (tokens[dest - distance - 1] == tokens[dest]).astype(np.uint8) << (distance - 1)
    return flags


def head_rows(
    pattern: Float[Tensor, "head dest src"], pairs: SparseAtoms, masks: UInt16[ndarray, " atom"]
) -> list[Rows]:
    """Reduce the patterns of several heads on one prompt to rows; the pairs are the same for all heads."""
    masses, recent = atom_masses(pattern, pairs, masks), recent_mass(pattern)
    weight, source = (found.cpu().numpy() for found in pattern.max(-1))
    return [
        Rows(masses[head, :, 1:], source[head, 1:].astype(np.int32), weight[head, 1:], recent[head, :, 1:])
        for head in range(len(pattern))
    ]


@torch.inference_mode()
def patterns(
    model: Model, heads: Heads, tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch head dest src"]:
    """Return the patterns of the given heads, in their order, from one pass through the model."""
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
    model: Model,
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
                rows = head_rows(of_prompt, found, masks)
                for head, of_head in zip(_in_layer(heads, layer), rows, strict=True):
                    collected[layer, head].append(of_head)
    return {head: joined(rows) for head, rows in collected.items()}


def batch_size(heads: Heads, positions: int) -> int:
    """Return how many prompts make a batch, within `PATTERN_ENTRIES` of a layer and `TOKENS_AT_ONCE`."""
    most = max(len(_in_layer(heads, layer)) for layer, _ in heads)
    return max(1, min(PATTERN_ENTRIES // (most * positions**2), TOKENS_AT_ONCE // positions))


def joined(rows: Sequence[Rows]) -> Rows:
    """Concatenate the rows of several prompts."""
    return Rows(*(np.concatenate([getattr(one, each.name) for one in rows], -1) for each in fields(Rows)))


def prompt_contexts(
    prompts: Int[ndarray, "prompt pos"], vocabulary: Vocabulary, window: int
) -> Iterator[Context]:
    """Yield the context of each prompt, which caches the pairs that its predicates find."""
    for tokens in prompts:
        yield Context(tokens, line_indents(tokens, vocabulary), vocabulary.eos, window)


def occurring_atoms(contexts: Iterable[Context]) -> UInt16[ndarray, " atom"]:
    """Return the bitmasks of all atoms that occur in the prompts, sorted, starting with 0 (no behaviour)."""
    seen = np.zeros(1 << len(BEHAVIOURS), bool)
    seen[0] = True
    for context in contexts:
        seen[sparse_atoms(context).mask] = True
    return np.flatnonzero(seen).astype(np.uint16)


def tables_of_heads(
    model: Model,
    vocabulary: Vocabulary,
    heads: Heads,
    prompt_ids: Int[ndarray, " prompt"],
    prompts: Int[ndarray, "prompt pos"],
    window: int,
) -> Iterator[list[pa.Table]]:
    """Run the model over prompts, `ROWS_AT_ONCE` rows at a time; yield their rows, one table per head."""
    masks = occurring_atoms(prompt_contexts(prompts, vocabulary, window))
    at_once = max(1, ROWS_AT_ONCE // (len(heads) * prompts.shape[1]))
    for first in range(0, len(prompts), at_once):
        some = slice(first, first + at_once)
        contexts = list(prompt_contexts(prompts[some], vocabulary, window))
        rows = group_rows(model, heads, prompts[some], contexts, masks)
        yield [rows_table(rows[head], masks, prompt_ids[some], prompts[some]) for head in heads]


def shard_tables(
    model: Model,
    vocabulary: Vocabulary,
    heads: Heads,
    prompt_ids: Int[ndarray, " prompt"],
    prompts: Int[ndarray, "prompt pos"],
    window: int,
) -> list[pa.Table]:
    """Run the model over a shard's prompts and return one table of rows for each head, in memory."""
    groups = tables_of_heads(model, vocabulary, heads, prompt_ids, prompts, window)
    return [pa.concat_tables(tables) for tables in zip(*groups, strict=True)]


def write_tables(paths: Sequence[Path | str], groups: Iterable[list[pa.Table]]) -> None:
    """Write the tables of `tables_of_heads`, those of each head to its file, a group at a time."""
    with ExitStack() as files:
        writers = [files.enter_context(parquet_writer(path)) for path in paths]
        for tables in groups:
            for write, table in zip(writers, tables, strict=True):
                write(table)


def rows_table(
    rows: Rows,
    masks: UInt16[ndarray, " atom"],
    prompt_ids: Int[ndarray, " prompt"],
    prompts: Int[ndarray, "prompt pos"],
) -> pa.Table:
    """Return the rows of one head as a table, as `rows/<shard>.parquet` holds it.

    Columns: prompt, position, token, `atom_<mask>` for every atom that occurs in the shard, top_source,
    top_weight, `recent_<d>` and recent_induction. The behaviours' order is the JSON list under the metadata
    key `behaviours`.
    """
    count, positions = len(prompts), prompts.shape[1] - 1
    columns: dict[str, ndarray] = {
        "prompt": np.repeat(prompt_ids, positions).astype(np.int32),
        "position": np.tile(np.arange(1, positions + 1, dtype=np.int32), count),
        "token": prompts[:, 1:].reshape(-1).astype(np.int32),
    }
    columns |= {f"atom_{mask}": masses for mask, masses in zip(masks, rows.masses, strict=True)}
    columns |= {"top_source": rows.top_source, "top_weight": rows.top_weight}
    columns |= {f"recent_{d}": masses for d, masses in enumerate(rows.recent, start=1)}
    columns["recent_induction"] = np.concatenate([recent_induction(tokens)[1:] for tokens in prompts])
    return pa.table(columns).replace_schema_metadata({"behaviours": json.dumps(list(BEHAVIOURS))})
