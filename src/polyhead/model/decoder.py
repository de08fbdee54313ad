"""Any decoder of transformers, layer by layer, for the stages of a study: implements `AblationModel`.

The layers are those of transformers, weights and all. How a layer is called (masks, rotary positions) is how
the model itself would call it: the model is run once with its layers replaced by a function that only keeps
what it is given. Their attention goes through one function (`polyhead.model.attend`), in which patterns
are read and what a head mixes is changed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from polyhead.model.attend import (
    AttentionHook,
    CaptureDone,
    LayerQKV,
    OfHeads,
    attend_after,
    attend_from,
    attention_hook,
    capture,
    mix,
)
from polyhead.model.protocol import (
    Changes,
    Dests,
    Edited,
    EditedAfter,
    HeadEdits,
    Heads,
    HeadVectors,
    LastResiduals,
    Mixed,
    Pattern,
    Residual,
    Tokens,
    Values,
)

EDITS_AT_ONCE = 512
"""Edited vectors that run through a layer at a time."""
CALLS_KEPT = 64
"""Sets of positions for which it is kept how the layers are called."""

Positions = Int[Tensor, " pos"]


@dataclass(frozen=True)
class Call:
    """How a layer is called besides the stream: what the model hands all its layers."""

    args: tuple[Any, ...]
    fields: dict[str, Any]

    def run(self, block: nn.Module, residual: Residual) -> Residual:
        """Call the layer on a stream."""
        if "hidden_states" in self.fields:
            return block(*self.args, **{**self.fields, "hidden_states": residual})
        return block(residual, *self.args, **self.fields)


@dataclass(frozen=True)
class DecoderLayer:
    """One layer of a decoder."""

    decoder: Decoder
    number: int

    def run(self, residual: Residual, hook: AttentionHook, positions: Positions | None = None) -> Residual:
        """Run the layer on vectors at some positions (default: all from 0 on)."""
        if positions is None:
            positions = torch.arange(residual.shape[1], device=residual.device)
        call = self.decoder.calls(positions)[self.number]
        with attention_hook(hook):
            return call.run(self.decoder.blocks[self.number], residual)

    def __call__(self, residual: Residual) -> Residual:
        return self.run(residual, mix)

    def qkv(self, residual: Residual, positions: Positions | None = None) -> LayerQKV:
        """Return queries, keys and values; nothing behind them runs."""
        try:
            self.run(residual, capture, positions)
        except CaptureDone as captured:
            return captured.inputs
        raise RuntimeError(f"layer {self.number} never called its attention")

    def pattern(self, residual: Residual, heads: list[int]) -> Pattern:
        return self.qkv(residual).pattern(heads)

    def read(self, residual: Residual, heads: list[int]) -> tuple[Pattern, Values]:
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

    def write_head(self, z: Mixed, head: int) -> Float[Tensor, "*some d_model"]:
        """See `Layer`. A norm behind the heads, as Gemma has, is not part of it."""
        output, width = self.decoder.outputs[self.number], z.shape[-1]
        flat = z.new_zeros(*z.shape[:-1], self.decoder.n_heads * width)
        flat[..., head * width : (head + 1) * width] = z
        return output(flat) - output(torch.zeros_like(flat).flatten(0, -2)[:1])


@dataclass(frozen=True)
class Decoder:
    """A causal language model of transformers whose attention is `attend`; see `polyhead.model.decoders`.

    `blocks` are its layers, `outputs` the output matrix of each layer's heads.
    """

    model: Any
    blocks: Sequence[nn.Module]
    outputs: Sequence[nn.Module]
    n_heads: int
    n_context: int
    kept: OrderedDict[bytes, list[Call]] = field(default_factory=OrderedDict, repr=False)

    @property
    def n_layers(self) -> int:
        return len(self.blocks)

    @property
    def layers(self) -> tuple[DecoderLayer, ...]:
        return tuple(DecoderLayer(self, number) for number in range(self.n_layers))

    @property
    def device(self) -> torch.device:
        return self.model.device

    def to(self, device: str, dtype: torch.dtype) -> Decoder:
        """Move the model to a device, in a dtype, and forget how its layers were called."""
        self.model.to(device=device, dtype=dtype)
        self.kept.clear()
        return self

    @contextmanager
    def replacing_blocks(self, instead: Callable[[int, Call, Residual], Residual]) -> Iterator[None]:
        """Within the block, `instead` (number, call, stream → stream) takes the place of every layer."""

        def replaced(number: int) -> Callable[..., Any]:
            def forward(*args: Any, **fields: Any) -> Any:
                named = "hidden_states" in fields
                stream = fields["hidden_states"] if named else args[0]
                return instead(number, Call(args if named else args[1:], fields), stream)

            return forward

        for number, block in enumerate(self.blocks):
            block.forward = replaced(number)
        try:
            yield
        finally:
            for block in self.blocks:
                del block.forward

    def calls(self, positions: Positions) -> list[Call]:
        """Return how the model calls each of its layers for tokens at some positions."""
        key = positions.cpu().numpy().tobytes()
        if key not in self.kept:
            found: list[Call] = []

            def keep(number: int, call: Call, stream: Residual) -> Residual:
                found.append(call)
                return stream

            with self.replacing_blocks(keep):
                self._run(torch.zeros_like(positions)[None], positions)
            self.kept[key] = found
            while len(self.kept) > CALLS_KEPT:
                self.kept.popitem(last=False)
        self.kept.move_to_end(key)
        return self.kept[key]

    def _run(self, tokens: Tokens, positions: Positions) -> None:
        self.model.base_model(input_ids=tokens, position_ids=positions[None], use_cache=False)

    def residual_before(self, layer: int, tokens: Tokens) -> Residual:
        streams: list[Residual] = []

        def keep(number: int, call: Call, stream: Residual) -> Residual:
            streams.append(stream)
            return stream

        tokens = tokens.to(self.device)
        with self.replacing_blocks(keep):
            self._run(tokens, torch.arange(tokens.shape[1], device=self.device))
        residual = streams[0]
        for below in self.layers[:layer]:
            residual = below(residual)
        return residual

    def logits(self, residual: Float[Tensor, "... d_model"]) -> Float[Tensor, "... vocabulary"]:
        """Read the logits off a final residual stream: all that the model does behind its last layer."""
        flat = residual.reshape(-1, 1, residual.shape[-1])
        tokens = torch.zeros(flat.shape[:2], dtype=torch.long, device=self.device)
        with self.replacing_blocks(lambda number, call, stream: flat):
            found = self.model(input_ids=tokens, use_cache=False).logits
        return found.view(*residual.shape[:-1], -1)

    def layer_patterns(self, tokens: Tokens, heads: Heads) -> Iterator[tuple[int, Pattern]]:
        residual, top = self.residual_before(0, tokens), max(layer for layer, _ in heads)
        for number, layer in enumerate(self.layers[: top + 1]):
            here = sorted({head for at, head in heads if at == number})
            if number == top:
                yield number, layer.pattern(residual, here)
                return
            residual, qkv, _ = layer.run_and_capture(residual)
            if here:
                yield number, qkv.pattern(here)

    def two_streams(
        self, layer: int, head: int, residual: Residual, change: HeadVectors
    ) -> tuple[Residual, Residual]:
        everywhere = torch.arange(residual.shape[1], device=residual.device)
        clean, _, z = self.layers[layer].run_and_capture(residual)
        single = self.layers[layer].with_mixed(residual, changed(z, head, change))

        def hook(module: nn.Module, qkv: LayerQKV) -> OfHeads:
            both, own = qkv.halves()
            return torch.cat([both.mix(), attend_from(own, both, everywhere)])

        streams = torch.cat([clean, single])
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
        here = self.layers[layer]
        after, qkv, z = here.run_and_capture(clean)
        parts = [edited[:0]]
        for some, at in _split(edited, dests):
            parts.append(here.run(some[None], _beside(qkv, at), at)[0])
        if new is not None:
            for own, at in _split(new.mixed(z)[0].transpose(0, 1), new.dests):
                parts.append(here.with_mixed(clean[:, at], own.transpose(0, 1)[None], at)[0])
        return after, torch.cat(parts)

    def clean_runs(self, layer: int, residual: Residual) -> list[DecoderRun]:
        streams, mixed, clean, layers = [residual], [], [], self.layers[layer:]
        for one in layers:
            after, qkv, z = one.run_and_capture(streams[-1])
            streams.append(after)
            mixed.append(z)
            clean.append(qkv)
        return [
            DecoderRun(one, streams[k], streams[k + 1], mixed[k], layers[k + 1 :], clean[k + 1 :])
            for k, one in enumerate(layers)
        ]


def _beside(clean: LayerQKV, dests: Positions) -> AttentionHook:
    return lambda _, own: attend_from(own, clean, dests)


def _after(clean: LayerQKV, firsts: Sequence[int]) -> AttentionHook:
    return lambda _, own: attend_after(own, clean, firsts)


def _split(vectors: Tensor, dests: Dests) -> Iterator[tuple[Tensor, Dests]]:
    """Yield vectors and their positions, some at a time."""
    if len(dests):
        yield from zip(vectors.split(EDITS_AT_ONCE), dests.split(EDITS_AT_ONCE), strict=True)


def changed(z: OfHeads, head: int, change: HeadVectors) -> OfHeads:
    """Return what all heads mix when one of them mixes something else."""
    z = z.clone()
    z[:, head] += change
    return z


@dataclass(frozen=True)
class DecoderRun:
    """A run without an ablation: what its layers mixed and saw, for runs that differ at one position."""

    layer: DecoderLayer
    before: Residual
    after: Residual
    z: OfHeads
    above: Sequence[DecoderLayer]
    clean: Sequence[LayerQKV]

    @property
    def n_positions(self) -> int:
        return self.after.shape[1]

    def last_residuals(self, heads: Sequence[int], changes: Changes, dests: Sequence[int]) -> LastResiduals:
        """See `CleanRun`. The runs' changed positions go through the layers one run after the other."""
        everywhere = torch.arange(self.n_positions, device=self.before.device)
        positions = torch.cat([everywhere[dest:] for dest in dests])
        at, last = everywhere[list(dests)], positions == self.n_positions - 1
        z = self.z[:, :, at]
        z[:, list(heads), everywhere[: len(at)]] += changes
        here = self.layer.with_mixed(self.before[:, at], z, at).split(1, 1)
        runs = zip(here, dests, strict=True)
        stream = torch.cat([part for one, dest in runs for part in (one, self.after[:, dest + 1 :])], 1)
        for above, clean in zip(self.above[:-1], self.clean, strict=False):
            stream = above.run(stream, _after(clean, dests), positions)
        for top, clean in zip(self.above[-1:], self.clean[-1:], strict=True):
            z = attend_after(top.qkv(stream, positions), clean, dests, slice(-1, None))
            return top.with_mixed(stream[:, last], z, positions[last])
        return stream[:, last]
