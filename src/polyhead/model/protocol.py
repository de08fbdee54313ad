"""What the stages of a study ask of a model. Another architecture joins by offering the same.

Section 1 asks for patterns alone (`PatternModel`). Ablation (`AblationModel`) changes what one head mixes
(its `z`: its values averaged by its pattern) at one position, and leaves it to the model what that does to
the residual stream: a layer may have an MLP or a norm behind its heads. It runs the layers above in the ways
in which such a change costs little: as a second stream beside the clean one (all positions, each on its own),
as many edits beside the clean stream of one prompt, and from the clean prefix that the runs share (the last
position alone is read).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

if TYPE_CHECKING:
    from polyhead.model.attend import LayerQKV

Tokens = Int[Tensor, "batch pos"]
Residual = Float[Tensor, "batch pos d_model"]
Changes = Float[Tensor, "batch ablation d_head"]
LastResiduals = Float[Tensor, "batch ablation d_model"]
Pattern = Float[Tensor, "batch head dest src"]
Edited = Float[Tensor, "edit d_model"]
EditedAfter = Float[Tensor, "edit_after d_model"]
Dests = Int[Tensor, " edit"]
HeadVectors = Float[Tensor, "batch pos d_head"]
Values = Float[Tensor, "batch head src d_head"]
Mixed = Float[Tensor, "*some d_head"]
Heads = Sequence[tuple[int, int]]
"""Heads as (layer, number); `Head` is such a pair."""


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


@runtime_checkable
class PatternModel(Protocol):
    """A model whose heads can be asked who attends to whom."""

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        ...

    @property
    def n_heads(self) -> int:
        """Number of heads in each layer."""
        ...

    @property
    def n_context(self) -> int:
        """Longest prompt that the model can read, in tokens."""
        ...

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    def layer_patterns(self, tokens: Tokens, heads: Heads) -> Iterator[tuple[int, Pattern]]:
        """Yield (layer, float32 pattern of its chosen heads by number), lowest first; run no layer above."""
        ...


@runtime_checkable
class Layer(Protocol):
    """One layer, whose heads can be read and replaced one by one."""

    def __call__(self, residual: Residual) -> Residual:
        """Return the residual stream after the layer."""
        ...

    def qkv(self, residual: Residual) -> LayerQKV:
        """Return queries, keys and values of all heads on the stream before the layer."""
        ...

    def pattern(self, residual: Residual, heads: list[int]) -> Pattern:
        """Return the chosen heads' patterns on the stream before the layer, in float32."""
        ...

    def read(self, residual: Residual, heads: list[int]) -> tuple[Pattern, Values]:
        """Return the chosen heads' patterns and their value vectors at every source."""
        ...

    def write_head(self, z: Mixed, head: int) -> Float[Tensor, "*some d_model"]:
        """Return what one head writes for mixed values `z`: the output matrix, no bias, so linear in `z`."""
        ...


@runtime_checkable
class CleanRun(Protocol):
    """A run without an ablation, from which runs that differ at one position share what they can."""

    @property
    def before(self) -> Residual:
        """The stream before the layer whose heads are ablated."""
        ...

    @property
    def n_positions(self) -> int:
        """Length of the prompts."""
        ...

    def last_residuals(self, heads: Sequence[int], changes: Changes, dests: Sequence[int]) -> LastResiduals:
        """Return the last position's final stream of several runs.

        In each run the `z` of one head differs, by its change, at one destination.
        """
        ...


@runtime_checkable
class AblationModel(PatternModel, Protocol):
    """A model one of whose heads can be made to write something else at one position."""

    @property
    def layers(self) -> Sequence[Layer]:
        """The layers, lowest first."""
        ...

    def residual_before(self, layer: int, tokens: Tokens) -> Residual:
        """Run the layers below `layer` and no others."""
        ...

    def two_streams(
        self, layer: int, head: int, residual: Residual, change: HeadVectors
    ) -> tuple[Residual, Residual]:
        """Run from the stream before `layer` to the end: the clean stream, and one of single ablations.

        At every position the second stream holds what this position would be if there alone the head's `z`
        were changed.
        """
        ...

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
        ...

    def clean_runs(self, layer: int, residual: Residual) -> Sequence[CleanRun]:
        """Run from the stream before `layer` to the end once, keeping what ablations share.

        Returns a run for `layer` and one for each layer above it: that in which heads are ablated.
        """
        ...

    def logits(self, residual: Float[Tensor, "... d_model"]) -> Float[Tensor, "... vocabulary"]:
        """Read the logits off a final residual stream."""
        ...
