"""Open a model of transformers as a `Decoder`, and refuse what would not be measured as it is.

Every check is made on a few tokens whenever a model is opened: that attention goes through the one function,
that no destination sees what comes later, that rows sum to 1, that the model run layer by layer is the model
as transformers runs it, and that changing what a head mixes changes what the model predicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from polyhead.errors import PolyheadError
from polyhead.model.attend import NAME, LayerQKV, OfHeads, attention_hook, register
from polyhead.model.decoder import Decoder
from polyhead.model.loading import load_causal_lm, one_line

PROBE = 12
"""Tokens of the prompt that a model is tried on."""
TOLERANCE = 1e-4
"""Largest difference of logits, as a share of the largest logit."""


def open_decoder(directory: Path | str) -> Decoder:
    """Open a Hugging Face directory in float32.

    Raises:
        PolyheadError: it cannot be read, is no causal decoder, or its attention does not go through the
            function that patterns are read in.
    """
    options = {"attn_implementation": register(), "dtype": torch.float32}
    try:
        model = load_causal_lm(directory, repr(str(directory)), **options)
    except PolyheadError as error:
        if isinstance(error.__cause__, KeyError) and error.__cause__.args == (NAME,):
            raise PolyheadError(_does_not_go_through(f"model {str(directory)!r}")) from error
        raise
    return as_decoder(model, repr(str(directory)))


@torch.inference_mode()
def as_decoder(model: Any, name: str) -> Decoder:
    """Take a model of transformers, with `attn_implementation` as registered, for a study.

    Raises:
        PolyheadError: see `open_decoder`; names model and architecture.
    """
    model.requires_grad_(False).eval()
    subject = f"model {name}, architecture {type(model).__name__}"
    settings = model.config.get_text_config()
    rotary = getattr(settings, "rope_parameters", None) or {}
    if rotary.get("rope_type") in ("dynamic", "longrope"):
        raise PolyheadError(
            f"{subject}: its rotary positions ({rotary['rope_type']}) depend on the length of the text; an "
            "ablation at one position cannot be run on its own"
        )
    tokens = torch.arange(PROBE, device=model.device)[None] * (settings.vocab_size // PROBE)
    try:
        plain = _as_transformers_runs_it(model, tokens, subject)
        decoder = _found(model, tokens, subject, settings)
        _check(decoder, tokens, plain, subject)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise PolyheadError(f"{subject}: it cannot be run layer by layer: {one_line(error)}") from error
    return decoder


def _as_transformers_runs_it(model: Any, tokens: Tensor, subject: str) -> Tensor:
    """Return the logits of the model's own plain attention."""
    model.set_attn_implementation("eager")
    logits = model(input_ids=tokens, use_cache=False).logits
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:
        raise PolyheadError(_does_not_go_through(subject))
    return logits


def _does_not_go_through(subject: str) -> str:
    return (
        f"{subject}: its attention does not go through transformers' attention interface, so that patterns "
        "can be neither read nor changed; the study needs another model"
    )


def _found(model: Any, tokens: Tensor, subject: str, settings: Any) -> Decoder:
    """Run the model once, and find its layers and the output matrix of each."""
    seen: list[tuple[nn.Module, LayerQKV, OfHeads]] = []

    def hook(module: nn.Module, inputs: LayerQKV) -> OfHeads:
        seen.append((module, inputs, inputs.mix()))
        return seen[-1][2]

    n_layers, n_heads = settings.num_hidden_layers, getattr(settings, "num_attention_heads", 0)
    with attention_hook(hook), watching(model) as runs:
        model(input_ids=tokens, use_cache=False)
    if not seen:
        raise PolyheadError(_does_not_go_through(subject))
    if len(seen) != n_layers or any(qkv.query.shape[1] != n_heads for _, qkv, _ in seen):
        raise PolyheadError(
            f"{subject}: {n_layers} layers of {n_heads} heads were expected; attention ran {len(seen)} "
            f"times, with {sorted({qkv.query.shape[1] for _, qkv, _ in seen})} heads"
        )
    blocks = _layers(model, [module for module, _, _ in seen])
    matrices = [matrix for _, _, z in seen if (matrix := _module_given(z, runs))]
    if blocks is None or len(matrices) < n_layers:
        raise PolyheadError(f"{subject}: its layers could not be told apart: they are put together otherwise")
    return Decoder(model, blocks, matrices, n_heads, settings.max_position_embeddings)


@dataclass(frozen=True)
class ModuleRun:
    """A module that ran: what it was given and what it returned, first tensors each."""

    module: nn.Module
    given: Tensor
    returned: Tensor

    @property
    def is_norm(self) -> bool:
        """Whether it is a module of one vector of weights."""
        weight = getattr(self.module, "weight", None)
        return isinstance(weight, Tensor) and weight.ndim == 1


@contextmanager
def watching(module: nn.Module) -> Iterator[list[ModuleRun]]:
    """Within the block, keep what all modules in a module are given and return."""
    runs: list[ModuleRun] = []

    def first(values: Sequence[Any]) -> Tensor | None:
        return next((value for value in values if isinstance(value, Tensor)), None)

    def keep(inner: nn.Module, args: tuple[Any, ...], fields: dict[str, Any], output: Any) -> None:
        given = first([*args, fields.get("hidden_states")])
        returned = first([output] if isinstance(output, Tensor) else list(output or ()))
        if given is not None and returned is not None:
            runs.append(ModuleRun(inner, given, returned))

    hooks = [inner.register_forward_hook(keep, with_kwargs=True) for inner in module.modules()]
    try:
        yield runs
    finally:
        for hook in hooks:
            hook.remove()


def _module_given(z: OfHeads, runs: Sequence[ModuleRun]) -> nn.Module | None:
    """Return the module with weights that was given what the heads mixed."""
    flat = z.transpose(1, 2).flatten(-2)
    with_weights = (run for run in runs if getattr(run.module, "weight", None) is not None)
    return next((run.module for run in with_weights if run.given.equal(flat)), None)


def _layers(model: nn.Module, attention: list[nn.Module]) -> list[nn.Module] | None:
    """Return the layers: a list of modules, each with the attention module of the same number in it."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == len(attention):
            pairs = zip(module, attention, strict=True)
            if all(inner in set(block.modules()) for block, inner in pairs):
                return list(module)
    return None


def _check(decoder: Decoder, tokens: Tensor, plain: Tensor, subject: str) -> None:
    """Compare a decoder with the model as transformers runs it."""
    residual = decoder.residual_before(0, tokens)
    first = decoder.layers[0].qkv(residual)
    for number, layer in enumerate(decoder.layers):
        qkv = layer.qkv(residual)
        if qkv.visible is None or qkv.visible.triu(1).any():
            raise PolyheadError(
                f"{subject}: layer {number} lets a destination see what comes after it; an encoder, or a "
                "model that reads both ways, has no causal patterns"
            )
        sums = qkv.pattern(qkv.heads).sum(-1)
        if not torch.allclose(sums, torch.ones_like(sums), atol=1e-4):
            raise PolyheadError(f"{subject}: rows of patterns in layer {number} do not sum to 1")
        residual = layer(residual)
    scale = float(plain.abs().max())
    apart = float((decoder.logits(residual) - plain).abs().max())
    if not apart <= TOLERANCE * scale:
        raise PolyheadError(
            f"{subject}: run layer by layer its logits differ by {apart:.2g} from those of transformers "
            f"(largest: {scale:.2g}); its attention or its layers are put together otherwise"
        )
    embedded, value = decoder.residual_before(0, tokens), first.values([0])[:, 0]
    _, same = decoder.two_streams(0, 0, embedded, torch.zeros_like(value))
    _, edited = decoder.two_streams(0, 0, embedded, value[:, :1] - first.pattern([0])[:, 0] @ value)
    if not float((decoder.logits(same) - plain).abs().max()) <= TOLERANCE * scale:
        raise PolyheadError(f"{subject}: a position run on its own is not what it is among the others")
    if not (decoder.logits(edited) - decoder.logits(same)).abs().max() > 0:
        raise PolyheadError(f"{subject}: another pattern of head 0.0 does not change the logits")
