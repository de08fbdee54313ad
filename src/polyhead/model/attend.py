"""The one attention function of every architecture of transformers, and hooks that take its place.

transformers hands a registered function each layer's queries, keys and values as they are compared (rotated,
normalised), with the mask that says which sources a destination sees, and takes back the mixed values `z`
(https://huggingface.co/docs/transformers/attention_interface). A hook can mix plainly, capture a pattern and
stop, put given values in the place of what would be mixed, or let edited vectors attend to the keys and
values of a clean stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

NAME = "polyhead"
VECTORS_AT_ONCE = 128
"""Edited vectors whose scores are in memory at a time."""

OfHeads = Float[Tensor, "batch head pos d_head"]
Pattern = Float[Tensor, "batch head dest src"]
Values = Float[Tensor, "batch head src d_head"]


@dataclass(frozen=True)
class LayerQKV:
    """Queries, keys and values of a layer. Several query heads may share a key head.

    `visible`: which sources a destination sees; None: itself and all before it.
    """

    query: OfHeads
    key: Float[Tensor, "batch kv src d_head"]
    value: Float[Tensor, "batch kv src d_value"]
    visible: Bool[Tensor, "*_ pos src"] | None
    scaling: float
    softcap: float | None = None

    @property
    def heads(self) -> range:
        """Numbers of the query heads."""
        return range(self.query.shape[1])

    def shared(self, of_sources: Tensor, heads: Sequence[int]) -> Tensor:
        """Return keys or values for each of the query heads."""
        group = self.query.shape[1] // of_sources.shape[1]
        if group == 1 and heads == self.heads:
            return of_sources
        return of_sources[:, [head // group for head in heads]]

    def unseen(self, dests: Int[Tensor, " dest"], sources: int) -> Bool[Tensor, "*_ dest src"]:
        """Return which of the first sources each of the destinations does not see."""
        if self.visible is not None:
            return ~self.visible[:, :, dests, :sources]
        return torch.arange(sources, device=dests.device) > dests[:, None]

    def scored(self, products: Tensor) -> Tensor:
        """Scale products of queries and keys in place, and squash them where the architecture does."""
        scores = products.mul_(self.scaling)
        return scores if self.softcap is None else torch.tanh(scores / self.softcap) * self.softcap

    def pattern(self, heads: Sequence[int]) -> Pattern:
        """Return who attends to whom, for the chosen heads, in float32."""
        scores = self.scored(self.query[:, list(heads)] @ self.shared(self.key, heads).mT)
        everywhere = torch.arange(scores.shape[-2], device=scores.device)
        scores.masked_fill_(self.unseen(everywhere, scores.shape[-1]), -torch.inf)
        in_place = scores if scores.dtype == torch.float32 else None
        return torch.softmax(scores, -1, dtype=torch.float32, out=in_place)

    def values(self, heads: Sequence[int]) -> Values:
        """Return the chosen heads' value vectors at every source."""
        return self.shared(self.value, heads)

    def mix(self) -> OfHeads:
        """Return every head's values averaged by its pattern: `z`."""
        if self.softcap is not None:
            return self.pattern(self.heads).to(self.value.dtype) @ self.values(self.heads)
        key, value = self.shared(self.key, self.heads), self.values(self.heads)
        mask, causal = self.visible, self.visible is None
        return functional.scaled_dot_product_attention(
            self.query, key, value, mask, is_causal=causal, scale=self.scaling
        )

    def halves(self) -> tuple[LayerQKV, LayerQKV]:
        """Return the two streams of a batch of two."""
        streams = zip(self.query.chunk(2), self.key.chunk(2), self.value.chunk(2), strict=True)
        clean, edited = (replace(self, query=q, key=k, value=v) for q, k, v in streams)
        return clean, edited


def attend_from(own: LayerQKV, clean: LayerQKV, dests: Int[Tensor, " pos"]) -> OfHeads:
    """Return `z` of edited vectors: each attends to clean keys before its destination, and to itself."""
    key, value = clean.shared(clean.key, clean.heads), clean.values(clean.heads)
    own_key, own_value = own.shared(own.key, own.heads), own.values(own.heads)
    own_score = own.scored((own.query * own_key).sum(-1))
    z = torch.empty_like(own_value)
    for some in dests.argsort().split(VECTORS_AT_ONCE):
        dest, at = dests[some], torch.arange(len(some), device=dests.device)
        end = int(dest[-1]) + 1
        scores = own.scored(own.query[:, :, some] @ key[:, :, :end].mT)
        scores.masked_fill_(clean.unseen(dest, end), -torch.inf)
        scores[:, :, at, dest] = own_score[:, :, some]
        weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
        instead = own_value[:, :, some] - value[:, :, dest]
        z[:, :, some] = weights @ value[:, :, :end] + weights[:, :, at, dest][..., None] * instead
    return z


def attend_after(
    own: LayerQKV, clean: LayerQKV, firsts: Sequence[int], asking: slice = slice(None)
) -> OfHeads:
    """Return `z` of several runs' edited positions, one run after the other.

    A run's are all from its entry of `firsts` on; those before are the clean ones. `asking`: whose `z` is
    returned of each.
    """
    total = clean.key.shape[2]
    sides = (side.split([total - first for first in firsts], 2) for side in (own.query, own.key, own.value))
    parts = []
    for first, query, *new in zip(firsts, *sides, strict=True):
        key, value = (
            torch.cat([old[:, :, :first], of_run], 2)
            for old, of_run in zip((clean.key, clean.value), new, strict=True)
        )
        dests = torch.arange(first, total, device=key.device)[asking]
        seen = ~clean.unseen(dests, total)
        parts.append(LayerQKV(query[:, :, asking], key, value, seen, own.scaling, own.softcap).mix())
    return torch.cat(parts, 2)


AttentionHook = Callable[[nn.Module, LayerQKV], OfHeads]
"""Computes the head outputs `z` of a layer from its attention module and inputs; or raises `CaptureDone`."""


class CaptureDone(Exception):  # noqa: N818
    """Ends the run of a layer once its queries, keys and values were captured."""

    def __init__(self, inputs: LayerQKV) -> None:
        super().__init__("captured")
        self.inputs = inputs


def mix(module: nn.Module, inputs: LayerQKV) -> OfHeads:
    """Mix values by the pattern, as the model does."""
    return inputs.mix()


def capture(module: nn.Module, inputs: LayerQKV) -> OfHeads:
    """Hand over queries, keys and values, and end the run of the layer there."""
    raise CaptureDone(inputs)


_hooks: list[AttentionHook] = [mix]


@contextmanager
def attention_hook(hook: AttentionHook) -> Iterator[None]:
    """Within the block, `hook` computes the head outputs of every layer that runs."""
    _hooks.append(hook)
    try:
        yield
    finally:
        _hooks.pop()


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend as transformers' functions do, by the hook that is set.

    What an architecture hands over besides (a sink, a bias) is ignored. A model that needs it would then
    compute something else; `polyhead.model.decoders` checks this when a model is opened, and refuses it.
    """
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    z = _hooks[-1](module, LayerQKV(query, key, value, attention_mask, scaling, softcap))
    return z.transpose(1, 2).contiguous(), None


def whole_mask(*args: Any, **fields: Any) -> Tensor:
    """Return the mask of the architecture as it is, even where attention is plainly causal."""
    from transformers.masking_utils import sdpa_mask

    skips = {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
    mask = sdpa_mask(*args, **{**fields, **skips})
    assert mask is not None
    return mask


@cache
def register() -> str:
    """Make the function known to transformers; return its name."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, whole_mask)
    return NAME
