"""A decoder of transformers whose stream can be taken apart: implements `DecomposableModel`.

What a block is made of is found by running it once and watching its modules: the norm before the heads, the
matrix behind them, a norm behind that (Gemma), and what the feed-forward part adds. Norms are linear once
their scale is held, those of queries and keys as well (Qwen 3, Gemma 3); rotary positions turn both. Weights
of a head are read off by what its attention makes of every unit vector, at a position that turns nothing.

Whatever else an architecture does would make numbers wrong. So what was found is compared with the model's
own streams and patterns before it is used, and a model is refused where they differ.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from polyhead.errors import PolyheadError
from polyhead.model.attend import LayerQKV, OfHeads
from polyhead.model.components import (
    BIAS,
    EMBED,
    POS,
    QKV,
    DecomposableModel,
    Grouping,
    HeadStreams,
    StreamParts,
    Streams,
    Tokens,
)
from polyhead.model.decoder import Decoder
from polyhead.model.decoders import watching
from polyhead.model.protocol import PatternModel

PROBE = 12
"""Tokens of the prompt that a model is tried on."""
TOLERANCE = 1e-4
"""Largest error of patterns; of streams and logits, as a share of the largest entry."""
INNER = ("q_norm", "k_norm")
"""What transformers calls the norms of a head's queries and keys."""

Vector = Float[Tensor, " d"]


class InexactError(PolyheadError):
    """The architecture's scores are not a sum that this module knows."""


@dataclass(frozen=True)
class Norm:
    """A LayerNorm (`centred`) or RMSNorm: linear, once the scale is given."""

    weight: Vector
    bias: Vector
    eps: float
    centred: bool

    def moved(self, vectors: Float[Tensor, "*more d"]) -> Float[Tensor, "*more d"]:
        """Return vectors minus their mean, where the norm subtracts it."""
        return vectors - vectors.mean(-1, keepdim=True) if self.centred else vectors

    def scale(self, vectors: Float[Tensor, "*more d"]) -> Float[Tensor, "*more 1"]:
        """Return what whole vectors are divided by."""
        return (self.moved(vectors).square().mean(-1, keepdim=True) + self.eps).sqrt()

    def linear(self, parts: Float[Tensor, "*more d"]) -> Float[Tensor, "*more d"]:
        """Apply the norm to parts of vectors, without dividing by the scale and without the bias."""
        return self.moved(parts) * self.weight

    def __call__(self, vectors: Float[Tensor, "*more d"]) -> Float[Tensor, "*more d"]:
        """Norm whole vectors."""
        return self.linear(vectors) / self.scale(vectors) + self.bias


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
        raise InexactError("what a layer adds is not what its heads and its feed-forward part add")
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


class DecoderReader:
    """How one head of a decoder reads the stream."""

    def __init__(self, model: DecomposedDecoder, layer: int, head: int) -> None:
        self.model, self.layer, self.head = model, layer, head
        self.block, self.maps = model.block(layer), model.maps(layer)
        group = self.maps.weights.query.shape[0] // self.maps.weights.key.shape[0]
        self.own = QKV(head, head // group, head // group)  # type: ignore[arg-type]
        self.before = read_norm(self.block.before) if self.block.before is not None else None
        self.norms = {name: self._inner(module) for name, module in self.block.inner.items()}

    def _inner(self, module: nn.Module) -> Norm:
        norm = read_norm(module)
        if norm.centred or norm.bias.any() or len(norm.weight) != self.maps.weights.query.shape[1]:
            raise InexactError("queries or keys are normed otherwise than head by head")
        return norm

    def _of_head(self, sides: QKV) -> QKV:
        return QKV(*(side[place] for side, place in zip(sides, self.own, strict=True)))

    @cached_property
    def constants(self) -> QKV:
        """What the head reads from an empty stream."""
        biases = self._of_head(self.maps.biases)
        if self.before is None:
            return biases
        weights, at_zero = self._of_head(self.maps.weights), self.before.bias
        return QKV(*(weight @ at_zero + bias for weight, bias in zip(weights, biases, strict=True)))

    def scale(self, stream: Streams) -> Float[Tensor, "*more 1"]:
        """Return what the norm before the heads divides a whole stream by."""
        return torch.ones_like(stream[..., :1]) if self.before is None else self.before.scale(stream)

    def read(self, parts: Streams) -> QKV:
        """Return raw queries, keys and values of parts of a stream."""
        moved = parts if self.before is None else self.before.linear(parts)
        return QKV(*(functional.linear(moved, weight) for weight in self._of_head(self.maps.weights)))

    def compared(self, whole: QKV, part: QKV) -> QKV:
        """Return parts of queries and keys as they are compared: normed by the whole, rotated, scaled."""
        query, key = (
            part_side * self.norms[name].weight / self.norms[name].scale(whole_side)
            if name in self.norms
            else part_side
            for name, whole_side, part_side in zip(INNER, whole, part, strict=False)
        )
        query, key = (self.model.rotated(side, self.layer) for side in (query * self.maps.scaling, key))
        return QKV(query, key, part.value)

    def hidden(self, positions: int) -> Bool[Tensor, "dest src"]:
        """Return the mask of the sources that each destination does not see: later, or out of a window."""
        return self.model.hidden(self.layer, positions)


@dataclass(frozen=True)
class DecomposedDecoder(Decoder):
    """A decoder whose stream is a sum of components that are known."""

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

    @cached_property
    def hidden(self) -> Callable[[int, int], Bool[Tensor, "dest src"]]:
        """The mask of unseen sources, by number of the layer and length of the prompt; found once."""

        def find(number: int, positions: int) -> Bool[Tensor, "dest src"]:
            stream = self._zeros(1, positions)
            return ~self.layers[number].sides(stream).visible[0, 0]

        return cache(find)

    def _zeros(self, *shape: int) -> Tensor:
        width = self.block(0).bias
        return torch.zeros(*shape, len(width), dtype=width.dtype, device=width.device)

    def _maps(self, number: int) -> Maps:
        """Read the weights off what the attention makes of every unit vector, at position 0."""
        block, layer = self.block(number), self.layers[number]
        norms = [module for module in (block.before, *block.inner.values()) if module is not None]
        eye = torch.eye(len(block.bias), dtype=block.bias.dtype, device=block.bias.device)
        with passing_through(norms):
            of_units, of_nothing = layer.sides(eye[:, None]), layer.sides(self._zeros(1, 1))
        if of_units.softcap is not None:
            raise InexactError("its scores are squashed, so that they are no sum")
        pairs = zip(_sides(of_units), _sides(of_nothing), strict=True)
        raw = [(units[:, :, 0] - nothing[:, :, 0], nothing[0, :, 0]) for units, nothing in pairs]
        turn = self.rotated(torch.ones_like(raw[0][0][:1, 0]), number)  # at position 0: by how much it scales
        turns = (turn, turn, torch.ones_like(raw[2][0][:1, 0]))
        weights = QKV(*((units / by).permute(1, 2, 0) for (units, _), by in zip(raw, turns, strict=True)))
        biases = QKV(*(nothing / by for (_, nothing), by in zip(raw, turns, strict=True)))
        return Maps(weights, biases, of_units.scaling)

    def rotated(self, side: HeadStreams, number: int) -> HeadStreams:
        """Return queries or keys as rotary positions turn them, where the model has any."""
        positions = torch.arange(side.shape[-2], device=side.device)
        rotary = self.calls(positions)[number].fields.get("position_embeddings")
        if rotary is None:
            return side
        module = sys.modules[type(self.block(number).attention).__module__]
        flat = side.reshape(-1, 1, *side.shape[-2:])
        return module.apply_rotary_pos_emb(flat, flat, *rotary)[0].reshape(side.shape)

    def _attention(self, number: int, stream: Float[Tensor, "pos d_model"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the stream after a layer, what each head adds to it, and what the biases do."""
        block = self.block(number)
        after, _, z = self.layers[number].run_and_capture(stream[None])
        heads, bias = z[0] @ block.output, block.bias.expand_as(stream)
        if block.behind is None:
            return after[0], heads, bias
        scale = block.behind.scale(heads.sum(0) + bias)
        return (
            after[0],
            block.behind.linear(heads) / scale,
            block.behind.linear(bias) / scale + block.behind.bias,
        )

    def parts(self, tokens: Tokens, layer: int, grouping: Grouping) -> StreamParts:
        """Take the stream before a layer apart: embeddings, heads or layers of heads, `mlp<l>`, `bias`."""
        names, parts, stream = self._embedded(tokens)
        bias = torch.zeros_like(stream)
        for number in range(layer):
            after, heads, constant = self._attention(number, stream)
            rest = after - stream - heads.sum(0) - constant
            if grouping == "heads":
                names += [f"{number}.{head}" for head in range(self.n_heads)]
            else:
                names, heads = [*names, f"attn{number}"], heads.sum(0, keepdim=True)
            names, parts = [*names, f"mlp{number}"], [*parts, heads, rest[None]]
            stream, bias = after, bias + constant
        return StreamParts((*names, BIAS), torch.cat([*parts, bias[None]]), stream)

    def _embedded(self, tokens: Tokens) -> tuple[list[str], list[Tensor], Float[Tensor, "pos d_model"]]:
        """Return the stream before layer 0 by token and, where that is added, by position."""
        whole = self.residual_before(0, tokens[None])[0]
        same = self.residual_before(0, torch.zeros_like(tokens)[None])[0]
        if _near(same, same[:1].expand_as(same), same):
            return [EMBED], [whole[None]], whole
        embed = self.model.get_input_embeddings()
        placed = same - embed(torch.zeros_like(tokens).to(self.device))
        of_tokens = embed(tokens.to(self.device))
        if not _near(of_tokens + placed, whole, whole):
            raise InexactError("its embeddings are no sum of one for the token and one for the position")
        return [EMBED, POS], [of_tokens[None], placed[None]], whole

    def reader(self, layer: int, head: int) -> DecoderReader:
        """Return how a head reads the stream."""
        return DecoderReader(self, layer, head)

    def check(self, layer: int) -> None:
        """Hold parts and patterns to those of the model itself.

        Raises:
            InexactError: they are not met.
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
                raise InexactError("its patterns are not those of the scores that were taken apart")


def _sides(sides: LayerQKV) -> tuple[Tensor, Tensor, Tensor]:
    return sides.query, sides.key, sides.value


@torch.inference_mode()
def decomposable(model: PatternModel, layer: int) -> DecomposableModel:
    """Return the model as one whose stream before a layer can be taken apart.

    Raises:
        PolyheadError: how this architecture's stream comes apart is not known.
    """
    if isinstance(model, DecomposableModel):
        return model
    if not isinstance(model, Decoder):
        raise PolyheadError("a head's scores are taken apart of attention-only models and of decoders alone")
    apart = DecomposedDecoder(model.model, model.blocks, model.outputs, model.n_heads, model.n_context)
    try:
        apart.check(layer)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError, PolyheadError) as error:
        reason = str(error) if isinstance(error, InexactError) else " ".join(str(error).split())[:200]
        raise InexactError(
            f"the scores of {type(model.model).__name__} cannot be taken apart exactly: {reason}"
        ) from error
    return apart
