"""Any decoder of transformers, layer by layer, for the stages of a study: a kind of `Model`.

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
from jaxtyping import Float
from torch import Tensor, nn

from polyhead.model.attend import AttentionHook, CaptureDone, LayerQKV, attention_hook, capture
from polyhead.model.protocol import Layer, Mixed, Model, Positions, Residual, Tokens

CALLS_KEPT = 64
"""Sets of positions for which it is kept how the layers are called."""


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
class DecoderLayer(Layer):
    """One layer of a decoder."""

    decoder: Decoder
    number: int

    def run(self, residual: Residual, hook: AttentionHook, positions: Positions | None = None) -> Residual:
        if positions is None:
            positions = torch.arange(residual.shape[1], device=residual.device)
        call = self.decoder.calls(positions)[self.number]
        with attention_hook(hook):
            return call.run(self.decoder.blocks[self.number], residual)

    def qkv(self, residual: Residual, positions: Positions | None = None) -> LayerQKV:
        """Return queries, keys and values; nothing behind them runs."""
        try:
            self.run(residual, capture, positions)
        except CaptureDone as captured:
            return captured.inputs
        raise RuntimeError(f"layer {self.number} never called its attention")

    def write_head(self, z: Mixed, head: int) -> Float[Tensor, "*some d_model"]:
        """See `Layer`. A norm behind the heads, as Gemma has, is not part of it."""
        output, width = self.decoder.outputs[self.number], z.shape[-1]
        flat = z.new_zeros(*z.shape[:-1], self.decoder.n_heads * width)
        flat[..., head * width : (head + 1) * width] = z
        return output(flat) - output(torch.zeros_like(flat).flatten(0, -2)[:1])


@dataclass(frozen=True)
class Decoder(Model):
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
    def layers(self) -> tuple[DecoderLayer, ...]:
        return tuple(DecoderLayer(self, number) for number in range(len(self.blocks)))

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

    def embedded(self, tokens: Tokens) -> Residual:
        streams: list[Residual] = []

        def keep(number: int, call: Call, stream: Residual) -> Residual:
            streams.append(stream)
            return stream

        tokens = tokens.to(self.device)
        with self.replacing_blocks(keep):
            self._run(tokens, torch.arange(tokens.shape[1], device=self.device))
        return streams[0]

    def logits(self, residual: Float[Tensor, "... d_model"]) -> Float[Tensor, "... vocabulary"]:
        """Read the logits off a final residual stream: all that the model does behind its last layer."""
        flat = residual.reshape(-1, 1, residual.shape[-1])
        tokens = torch.zeros(flat.shape[:2], dtype=torch.long, device=self.device)
        with self.replacing_blocks(lambda number, call, stream: flat):
            found = self.model(input_ids=tokens, use_cache=False).logits
        return found.view(*residual.shape[:-1], -1)
