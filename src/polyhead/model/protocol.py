"""A model as a study asks it: run layer by layer, its heads read and replaced.

An architecture offers its layers (`Layer`), the stream before the first and the logits behind the last; the
rest is here, the same for all. Ablation changes what one head mixes (its `z`: its values averaged by its
pattern) at one position p. That changes one vector after the head's layer, the one at p; above it only
positions ≥ p. Three uses of that:

- Effects read at p itself, for all p at once. A second stream beside the clean one holds, at every p, what
  position p would be if it alone were ablated: its queries ask the clean keys and values for all j < p and
  its own for j = p (`two_streams`).
- The same for many edits of one prompt, each at its own destination: the clean stream runs once, beside it
  one vector for every edit (`step_with_edits`).
- Effects read at the last position. Keys and values before p are those of the clean run, which all ablations
  share (`CleanRun`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from polyhead.model.attend import (
    AttentionHook,
    LayerQKV,
    OfHeads,
    Pattern,
    Values,
    attend_after,
    attend_from,
    mix,
)

Tokens = Int[Tensor, "batch pos"]
Positions = Int[Tensor, " pos"]
Residual = Float[Tensor, "batch pos d_model"]
Changes = Float[Tensor, "batch ablation d_head"]
LastResiduals = Float[Tensor, "batch ablation d_model"]
Edited = Float[Tensor, "edit d_model"]
EditedAfter = Float[Tensor, "edit_after d_model"]
Dests = Int[Tensor, " edit"]
HeadVectors = Float[Tensor, "batch pos d_head"]
Mixed = Float[Tensor, "*some d_head"]
Heads = Sequence[tuple[int, int]]
"""Heads as (layer, number); `Head` is such a pair."""

EDITS_AT_ONCE = 512
"""Edited vectors that run through a layer at a time."""


@dataclass(frozen=True)
class HeadEdits:
    """Edits of heads of one layer on one prompt: each adds to the `z` of one head at one destination."""

    heads: Int[Tensor, " edit"]
    z: Float[Tensor, "edit d_head"]
    dests: Dests

    def mixed(self, clean: Float[Tensor, "1 head pos d_head"]) -> Float[Tensor, "1 head edit d_head"]:
        """Return what all heads mix at the destination of each edit, from what they mix without any."""
        z = clean[:, :, self.dests]
        z[0, self.heads, torch.arange(len(self.heads), device=z.device)] += self.z
        return z


class Layer(ABC):
    """One layer, whose heads can be read and replaced one by one; behind them may be a norm, or an MLP."""

    @abstractmethod
    def run(self, residual: Residual, hook: AttentionHook, positions: Positions | None = None) -> Residual:
        """Run the layer, its heads mixing as `hook` says, at some positions (default: all from 0 on)."""

    @abstractmethod
    def qkv(self, residual: Residual, positions: Positions | None = None) -> LayerQKV:
        """Return queries, keys and values of all heads on the stream before the layer."""

    @abstractmethod
    def write_head(self, z: Mixed, head: int) -> Float[Tensor, "*some d_model"]:
        """Return what one head writes for mixed values `z`: the output matrix, no bias, so linear in `z`."""

    def __call__(self, residual: Residual) -> Residual:
        """Return the residual stream after the layer."""
        return self.run(residual, mix)

    def pattern(self, residual: Residual, heads: list[int]) -> Pattern:
        """Return the chosen heads' patterns on the stream before the layer, in float32."""
        return self.qkv(residual).pattern(heads)

    def read(self, residual: Residual, heads: list[int]) -> tuple[Pattern, Values]:
        """Return the chosen heads' patterns and their value vectors at every source."""
        qkv = self.qkv(residual)
        return qkv.pattern(heads), qkv.values(heads)

    def run_and_capture(self, residual: Residual) -> tuple[Residual, LayerQKV, OfHeads]:
        """Return the stream after the layer, its queries, keys and values, and what each head mixes."""
        kept: list[tuple[LayerQKV, OfHeads]] = []

        def hook(module: nn.Module, qkv: LayerQKV) -> OfHeads:
            kept.append((qkv, qkv.mix()))
            return kept[-1][1]

        return self.run(residual, hook), *kept[0]

    def with_mixed(self, residual: Residual, z: OfHeads, positions: Positions | None = None) -> Residual:
        """Return the stream after the layer when its heads mix `z`, at some positions (default: all)."""
        return self.run(residual, lambda module, qkv: z, positions)


class Model(ABC):
    """A model whose heads can be asked who attends to whom, and made to write something else at one position.

    `n_heads`: in each layer. `n_context`: longest prompt that it can read, in tokens.
    """

    n_heads: int
    n_context: int

    @property
    @abstractmethod
    def layers(self) -> Sequence[Layer]:
        """The layers, lowest first."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where its weights are."""

    @abstractmethod
    def embedded(self, tokens: Tokens) -> Residual:
        """Return the stream before the first layer."""

    @abstractmethod
    def logits(self, residual: Float[Tensor, "... d_model"]) -> Float[Tensor, "... vocabulary"]:
        """Read the logits off a final residual stream."""

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)

    def residual_before(self, layer: int, tokens: Tokens) -> Residual:
        """Run the layers below `layer` and no others."""
        residual = self.embedded(tokens)
        for below in self.layers[:layer]:
            residual = below(residual)
        return residual

    def layer_patterns(self, tokens: Tokens, heads: Heads) -> Iterator[tuple[int, Pattern]]:
        """Yield (layer, float32 pattern of its chosen heads by number), lowest first; run no layer above."""
        residual, top = self.embedded(tokens), max(layer for layer, _ in heads)
        for number, layer in enumerate(self.layers[:top]):
            residual, qkv, _ = layer.run_and_capture(residual)
            if here := sorted({head for at, head in heads if at == number}):
                yield number, qkv.pattern(here)
        yield top, self.layers[top].pattern(residual, sorted({head for at, head in heads if at == top}))

    def two_streams(
        self, layer: int, head: int, residual: Residual, change: HeadVectors
    ) -> tuple[Residual, Residual]:
        """Run from the stream before `layer` to the end: the clean stream, and one of single ablations.

        At every position the second stream holds what this position would be if there alone the head's `z`
        were changed.
        """
        everywhere = torch.arange(residual.shape[1], device=residual.device)

        def hook(module: nn.Module, qkv: LayerQKV) -> OfHeads:
            both, own = qkv.halves()
            return torch.cat([both.mix(), attend_from(own, both, everywhere)])

        clean, _, z = self.layers[layer].run_and_capture(residual)
        z = z.clone()
        z[:, head] += change
        streams = torch.cat([clean, self.layers[layer].with_mixed(residual, z)])
        for above in self.layers[layer + 1 :]:
            streams = above.run(streams, hook)
        clean, single = streams.chunk(2)
        return clean, single

    def step_with_edits(
        self,
        layer: int,
        clean: Residual,
        edited: Edited,
        dests: Dests,
        new: HeadEdits | None = None,
    ) -> tuple[Residual, EditedAfter]:
        """Advance the clean stream of one prompt, and edited residual vectors beside it, by one layer.

        Each vector sits at one destination; it attends to clean keys before that and to itself. Edits of
        this layer's own heads, `new`, add vectors at the end of the result.
        """
        here = self.layers[layer]
        after, qkv, z = here.run_and_capture(clean)
        parts = [edited[:0]]
        for some, at in _split(edited, dests):
            parts.append(here.run(some[None], _beside(qkv, at), at)[0])
        if new is not None:
            for own, at in _split(new.mixed(z)[0].transpose(0, 1), new.dests):
                parts.append(here.with_mixed(clean[:, at], own.transpose(0, 1)[None], at)[0])
        return after, torch.cat(parts)

    def clean_runs(self, layer: int, residual: Residual) -> list[CleanRun]:
        """Run from the stream before `layer` to the end once, keeping what ablations share.

        Returns a run for `layer` and one for each layer above it: that in which heads are ablated.
        """
        streams, mixed, clean, layers = [residual], [], [], self.layers[layer:]
        for one in layers:
            after, qkv, z = one.run_and_capture(streams[-1])
            streams.append(after)
            mixed.append(z)
            clean.append(qkv)
        return [
            CleanRun(one, streams[k], streams[k + 1], mixed[k], layers[k + 1 :], clean[k + 1 :])
            for k, one in enumerate(layers)
        ]


@dataclass(frozen=True)
class CleanRun:
    """A run without an ablation: what its layers mixed and saw, for runs that differ at one position.

    `before`, `after` and `z` are of the layer whose heads are ablated; `clean` is of the layers above it.
    """

    layer: Layer
    before: Residual
    after: Residual
    z: OfHeads
    above: Sequence[Layer]
    clean: Sequence[LayerQKV]

    @property
    def n_positions(self) -> int:
        """Length of the prompts."""
        return self.after.shape[1]

    def last_residuals(self, heads: Sequence[int], changes: Changes, dests: Sequence[int]) -> LastResiduals:
        """Return the last position's final stream of several runs.

        In each run the `z` of one head differs, by its change, at one destination. The runs' changed
        positions go through the layers above one run after the other.
        """
        everywhere = torch.arange(self.n_positions, device=self.before.device)
        positions = torch.cat([everywhere[dest:] for dest in dests])
        at, last = everywhere[list(dests)], positions == self.n_positions - 1
        z = self.z[:, :, at]
        z[:, list(heads), everywhere[: len(at)]] += changes
        here = self.layer.with_mixed(self.before[:, at], z, at).split(1, 1)
        runs = zip(here, dests, strict=True)
        stream = torch.cat([part for one, dest in runs for part in (one, self.after[:, dest + 1 :])], 1)
        if not self.above:
            return stream[:, last]
        for above, clean in zip(self.above[:-1], self.clean, strict=False):
            stream = above.run(stream, _after(clean, dests), positions)
        top = self.above[-1]
        z = attend_after(top.qkv(stream, positions), self.clean[-1], dests, slice(-1, None))
        return top.with_mixed(stream[:, last], z, positions[last])


def _split(vectors: Tensor, dests: Dests) -> Iterator[tuple[Tensor, Dests]]:
    """Yield vectors and their positions, some at a time."""
    if len(dests):
        yield from zip(vectors.split(EDITS_AT_ONCE), dests.split(EDITS_AT_ONCE), strict=True)


def _beside(clean: LayerQKV, dests: Positions) -> AttentionHook:
    return lambda _, own: attend_from(own, clean, dests)


def _after(clean: LayerQKV, firsts: Sequence[int]) -> AttentionHook:
    return lambda _, own: attend_after(own, clean, firsts)
