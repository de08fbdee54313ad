"""What a head's rows need: one component at a time is taken out of its query, its key, or its value.

A component's output is replaced by its mean over prompts at each position, in the head's query input alone,
key input alone or value input alone; position 0 is kept as it is, or no head could rest. The norm acts on the
stream so changed. The pattern follows (query, key), or what the head hands on (value).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from polyhead.edges.costs import log_probability
from polyhead.model.components import DecomposableModel, Parts, Reader, Sides
from polyhead.model.head import Head
from polyhead.model.protocol import Change

PATTERN_ENTRIES = 2**20
"""Patterns that are in memory at a time have at most this many entries (4 MiB), or are one."""


def sides_of(streams: Float[Tensor, "*more pos d_model"], reader: Reader) -> Sides:
    """Return a head's queries and keys as they are compared, and its values, on whole streams."""
    read = reader.read(streams / reader.scale(streams))
    whole = Sides(*(side + constant for side, constant in zip(read, reader.constants, strict=True)))
    return reader.met(whole, whole)


def replaced_sides(stream: Parts, reader: Reader, means: Float[Tensor, "component pos d_model"]) -> Sides:
    """Return the head's sides with each component in turn replaced by its mean: component, pos, d_head."""
    change = means - stream.parts[: len(means)]
    change[:, 0] = 0
    return sides_of(stream.whole + change, reader)


def pattern(
    query: Float[Tensor, "*#more dest d_head"],
    key: Float[Tensor, "*#more src d_head"],
    hidden: Bool[Tensor, "dest src"],
) -> Float[Tensor, "... dest src"]:
    """Return who attends to whom."""
    scores = (query @ key.mT).masked_fill_(hidden, -torch.inf)
    return torch.softmax(scores, -1, out=scores)


def replaced_patterns(
    clean: Sides, replaced: Sides, hidden: Bool[Tensor, "dest src"]
) -> Iterator[Float[Tensor, "some dest src"]]:
    """Yield the patterns of each component replaced in the query, then in the key, some at a time."""
    at_once = max(1, PATTERN_ENTRIES // clean.query.shape[-2] ** 2)
    for queries in replaced.query.split(at_once):
        yield pattern(queries, clean.key, hidden)
    for keys in replaced.key.split(at_once):
        yield pattern(clean.query, keys, hidden)


def edited_log_probabilities(
    model: DecomposableModel,
    head: Head,
    tokens: Int[Tensor, " pos"],
    clean: Float[Tensor, "pos d_model"],
    dests: Int[Tensor, " row"],
    changes: Float[Tensor, "row edit d_head"],
) -> tuple[Float[Tensor, " row"], Float[Tensor, "row edit"], Float[Tensor, "row d_model"]]:
    """Return the next token's log probability at some destinations: clean, and under each change there.

    A change is made to what the head mixes (`z`) at one destination alone. `clean` is the stream before its
    layer; the clean run's final stream at the destinations is returned, too.
    """
    dest = dests.repeat_interleave(changes.shape[1])
    edits = [Change(head.number, changes.flatten(0, 1), dest)]
    after, streams = model.edits_beside(head.layer, clean[None], clean[:0], dest[:0], edits)
    for above in range(head.layer + 1, model.n_layers):
        after, streams = model.edits_beside(above, after, streams, dest)
    final = after[0, dests]
    before = log_probability(model, final, tokens[dests + 1])
    return before, log_probability(model, streams, tokens[dest + 1]).view(len(dests), -1), final
