"""What a head attends to when one component of the residual stream is replaced by its mean.

The mean is over prompts, at each position. It takes the component's place in the head's query input alone or
key input alone, and the norm acts on the stream so changed. Position 0 is kept as it is, or the head would
lose its attention sink.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyhead.model.components import QKV, HeadReader, StreamParts

PATTERN_ENTRIES = 2**20
"""Patterns that are in memory at a time have at most this many entries (4 MiB), or are one."""


def read_streams(streams: Float[Tensor, "*more pos d_model"], reader: HeadReader) -> QKV:
    """Return a head's queries and keys as they are compared, and its values, on whole streams."""
    read = reader.read(streams / reader.scale(streams))
    whole = QKV(*(side + constant for side, constant in zip(read, reader.constants, strict=True)))
    return reader.compared(whole, whole)


def replaced_inputs(
    stream: StreamParts, reader: HeadReader, means: Float[Tensor, "component pos d_model"]
) -> QKV:
    """Return what the head reads with each component in turn replaced by its mean: component, pos, d_head."""
    change = means - stream.parts[: len(means)]
    change[:, 0] = 0
    return read_streams(stream.whole + change, reader)


def pattern(
    query: Float[Tensor, "*#more dest d_head"],
    key: Float[Tensor, "*#more src d_head"],
    hidden: Bool[Tensor, "dest src"],
) -> Float[Tensor, "... dest src"]:
    """Return who attends to whom."""
    scores = (query @ key.mT).masked_fill_(hidden, -torch.inf)
    return torch.softmax(scores, -1, out=scores)


def replaced_patterns(
    clean: QKV, replaced: QKV, hidden: Bool[Tensor, "dest src"]
) -> Iterator[Float[Tensor, "some dest src"]]:
    """Yield the patterns of each component replaced in the query, then in the key, some at a time."""
    at_once = max(1, PATTERN_ENTRIES // clean.query.shape[-2] ** 2)
    for queries in replaced.query.split(at_once):
        yield pattern(queries, clean.key, hidden)
    for keys in replaced.key.split(at_once):
        yield pattern(clean.query, keys, hidden)
