"""A decoder of transformers whose stream is a sum of known components: a `DecomposableModel`.

What a layer is made of is found by running it once and watching its modules: the norm before the heads, the
matrix behind them, a norm behind that (Gemma), and what the MLP adds. Norms are linear once their scale is
held, those of queries and keys as well (Qwen 3, Gemma 3); rotary positions turn both. Weights of a head are
read off by what its attention makes of every unit vector, at a position that turns nothing.

Whatever else an architecture does would make numbers wrong. So what was found is compared with the model's
own streams and patterns before it is used, and a model is refused where they differ.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property, partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from polyhead.errors import PolyheadError
from polyhead.model.attend import LayerQKV, OfHeads
from polyhead.model.components import (
    EMBED,
    POS,
    QKV,
    DecomposableModel,
    HeadReader,
    LayerParts,
    Norm,
    Prompt,
    Stream,
    Vector,
)
from polyhead.model.decoder import Decoder
from polyhead.model.decoders import PROBE, TOLERANCE, watching
from polyhead.model.loading import one_line
from polyhead.model.protocol import Model
from polyhead.model.transformer import AttentionOnly

INNER = ("q_norm", "k_norm")
"""What transformers calls the norms of a head's queries and keys."""


class InexactError(PolyheadError):
    """The architecture's scores are not a sum that this module knows."""


def read_norm(module: nn.Module) -> Norm:
    """Read a module of transformers as a norm: by what it makes of a few vectors, whatever it is called."""
    like: Tensor = module.weight  # type: ignore[assignment]
    eps = float(getattr(module, "eps", getattr(module, "variance_epsilon", 0.0)))
    signs = torch.ones_like(like)
    signs[1::2] = -1
    bias = module(torch.zeros_like(like))
    weight = (module(signs) - bias) * signs * (1 + eps) ** 0.5
    tried = torch.linspace(-1, 2, len(like), device=like.device, dtype=like.dtype)
    for centred in (False, True):
        norm = Norm(weight, bias, eps, centred)
        if torch.allclose(norm(tried), module(tried), rtol=1e-4, atol=1e-5 * float(weight.abs().max())):
            return norm
    raise InexactError(f"{type(module).__name__} is no norm that is known")


@contextmanager
def passing_through(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Within the block these modules return what they are given."""
    for module in modules:
        module.forward = lambda given, *_, **__: given
    try:
        yield
    finally:
        for module in modules:
            del module.forward


@dataclass(frozen=True)
class Block:
    """What a layer is made of.

    `before` and `behind` are the norms around the heads, where there are any; `inner` those of queries and
    keys. `output` is the matrix behind the heads, head by head.
    """

    attention: nn.Module
    before: nn.Module | None
    behind: Norm | None
    inner: dict[str, nn.Module]
    output: Float[Tensor, "head d_value d_model"]
    bias: Vector


def read_block(decoder: Decoder, number: int, stream: Float[Tensor, "1 pos d_model"]) -> Block:
    """Find out what a layer is made of, by running it on a stream."""
    attention: list[nn.Module] = []

    def hook(module: nn.Module, inputs: LayerQKV) -> OfHeads:
        attention.append(module)
        return inputs.mix()

    layer, matrix = decoder.layers[number], decoder.outputs[number]
    with watching(decoder.blocks[number]) as runs:
        after = layer.run(stream, hook)
    [heads] = [run for run in runs if run.module is attention[0]]
    [wrote] = [run for run in runs if run.module is matrix]
    norms = [run for run in runs if run.is_norm]
    before = [n for n in norms if n.given.equal(stream) and n.returned.equal(heads.given)]
    if not before and not heads.given.equal(stream):
        raise InexactError("what its heads read is not its stream behind a norm")
    behind = [norm for norm in norms if norm.given.equal(wrote.returned)]
    added = behind[0].returned if behind else wrote.returned
    rest, parts = after - stream - added, [run.returned for run in runs if run.module not in attention]
    if not any(part.shape == rest.shape and _near(part, rest, after) for part in parts):
        raise InexactError("what a layer adds is not what its heads and its MLP add")
    inner = {name: m for name, m in attention[0].named_modules() if any(run.module is m for run in norms)}
    if set(inner) - set(INNER):
        raise InexactError(f"norms within its attention ({', '.join(inner)}) are not known")
    eye = torch.eye(wrote.given.shape[-1], dtype=stream.dtype, device=stream.device)
    bias = matrix(torch.zeros_like(eye[:1]))[0]
    output = (matrix(eye) - bias).unflatten(0, (decoder.n_heads, -1))
    first = before[0].module if before else None
    return Block(attention[0], first, read_norm(behind[0].module) if behind else None, inner, output, bias)


def _near(found: Tensor, wanted: Tensor, scale: Tensor) -> bool:
    return bool((found - wanted).abs().max() <= TOLERANCE * scale.abs().max())


@dataclass(frozen=True)
class Maps:
    """What all heads of a layer read from what is behind the norm: weights and biases, head by head."""

    weights: QKV
    biases: QKV
    scaling: float


@dataclass(frozen=True)
class DecomposedDecoder(Decoder, DecomposableModel):
    """A decoder that was taken apart."""

    @cached_property
    def block(self) -> Callable[[int], Block]:
        """What a layer is made of, by number; found once."""

        def find(number: int) -> Block:
            tokens = torch.arange(PROBE, device=self.device)[None] % self.model.config.vocab_size
            return read_block(self, number, self.residual_before(number, tokens))

        return cache(find)

    @cached_property
    def maps(self) -> Callable[[int], Maps]:
        """What all heads of a layer read, by number; found once."""
        return cache(self._maps)

    def _maps(self, number: int) -> Maps:
        """Read the weights off what the attention makes of every unit vector, at position 0."""
        block, layer = self.block(number), self.layers[number]
        norms = [module for module in (block.before, *block.inner.values()) if module is not None]
        eye = torch.eye(len(block.bias), dtype=block.bias.dtype, device=block.bias.device)
        with passing_through(norms):
            of_units, of_zero = layer.qkv(eye[:, None]), layer.qkv(torch.zeros_like(eye[:1, None]))
        if of_units.softcap is not None:
            raise InexactError("its scores are squashed, so that they are no sum")
        weights, biases = [], []
        for side in ("query", "key", "value"):
            units, zero = getattr(of_units, side)[:, :, 0], getattr(of_zero, side)[0, :, 0]
            scale = torch.ones_like(zero[:1])  # rotary positions turn nothing at position 0, but may scale
            scale = scale if side == "value" else self.rotated(number, scale)
            weights.append(((units - zero) / scale).permute(1, 2, 0))
            biases.append(zero / scale)
        return Maps(QKV(*weights), QKV(*biases), of_units.scaling)

    def rotated(self, number: int, side: Float[Tensor, "*more pos d_head"]) -> Tensor:
        """Return queries or keys as rotary positions turn them, where the model has any."""
        positions = torch.arange(side.shape[-2], device=side.device)
        rotary = self.calls(positions)[number].fields.get("position_embeddings")
        if rotary is None:
            return side
        module = sys.modules[type(self.block(number).attention).__module__]
        flat = side.reshape(-1, 1, *side.shape[-2:])
        return module.apply_rotary_pos_emb(flat, flat, *rotary)[0].reshape(side.shape)

    def _hidden(self, number: int, positions: int) -> Bool[Tensor, "dest src"]:
        qkv = self.layers[number].qkv(self.block(number).bias.expand(1, positions, -1))
        return qkv.unseen(torch.arange(positions, device=self.device), positions)[0, 0]

    def layer_parts(self, number: int, stream: Stream) -> LayerParts:
        block = self.block(number)
        after, _, z = self.layers[number].run_and_capture(stream[None])
        heads, bias = z[0] @ block.output, block.bias.expand_as(stream)
        if block.behind is not None:
            scale = block.behind.scale(heads.sum(0) + bias)
            heads = block.behind.linear(heads) / scale
            bias = block.behind.linear(bias) / scale + block.behind.bias
        return LayerParts(after[0], heads, after[0] - stream - heads.sum(0) - bias, bias)

    def embeddings(self, tokens: Prompt) -> dict[str, Stream]:
        whole = self.embedded(tokens[None])[0]
        same = self.embedded(torch.zeros_like(tokens)[None])[0]
        if _near(same, same[:1].expand_as(same), same):
            return {EMBED: whole}
        embed = self.model.get_input_embeddings()
        placed = same - embed(torch.zeros_like(tokens).to(self.device))
        of_tokens = embed(tokens.to(self.device))
        if not _near(of_tokens + placed, whole, whole):
            raise InexactError("its embeddings are no sum of one for the token and one for the position")
        return {EMBED: of_tokens, POS: placed}

    def reader(self, layer: int, head: int) -> HeadReader:
        block, maps = self.block(layer), self.maps(layer)
        group = len(maps.weights.query) // len(maps.weights.key)
        own = (head, head // group, head // group)
        weights, biases = (
            QKV(*(side[place] for side, place in zip(of_layer, own, strict=True)))
            for of_layer in (maps.weights, maps.biases)
        )
        inner = [read_norm(block.inner[name]) if name in block.inner else None for name in INNER]
        known = [norm for norm in inner if norm]
        if any(one.centred or one.bias.any() or len(one.weight) != len(weights.query) for one in known):
            raise InexactError("queries or keys are normed otherwise than head by head")
        return HeadReader(
            norm=read_norm(block.before) if block.before is not None else None,
            weights=weights,
            biases=biases,
            scaling=maps.scaling,
            hidden=cache(partial(self._hidden, layer)),
            inner=(inner[0], inner[1]),
            rotate=partial(self.rotated, layer),
        )

    def check(self, layer: int) -> None:
        """Compare components and patterns with those of the model itself.

        Raises:
            InexactError: they differ.
        """
        tokens = torch.arange(PROBE, device=self.device) * (self.model.config.vocab_size // PROBE)
        stream = self.parts(tokens, layer, "heads")
        if not _near(stream.parts.sum(0), self.residual_before(layer, tokens[None])[0], stream.whole):
            raise InexactError("its stream is not the sum of what was found in it")
        patterns = self.layers[layer].pattern(stream.whole[None], list(range(self.n_heads)))[0]
        for head, pattern in enumerate(patterns):
            reader = self.reader(layer, head)
            read = reader.read(stream.parts / reader.scale(stream.whole))
            whole = QKV(*(side.sum(0) + add for side, add in zip(read, reader.constants, strict=True)))
            query, key, _ = reader.compared(whole, whole)
            scores = (query @ key.mT).masked_fill(reader.hidden(PROBE), -torch.inf)
            if not (scores.softmax(-1) - pattern).abs().max() <= TOLERANCE:
                raise InexactError("its patterns are not those of the decomposed scores")


@torch.inference_mode()
def decomposable(model: Model, layer: int) -> DecomposableModel:
    """Return the model as one whose stream before a layer is a sum of known components.

    Raises:
        InexactError: what this architecture's stream is made of is not known.
    """
    if isinstance(model, AttentionOnly):
        return model
    assert isinstance(model, Decoder)
    apart = DecomposedDecoder(model.model, model.blocks, model.outputs, model.n_heads, model.n_context)
    try:
        apart.check(layer)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError, PolyheadError) as error:
        reason = str(error) if isinstance(error, InexactError) else one_line(error)
        raise InexactError(
            f"the scores of {type(model.model).__name__} cannot be taken apart exactly: {reason}"
        ) from error
    return apart
