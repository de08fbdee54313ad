"""The queries and keys of one head: the smallest form in which all its rows are known.

A row is the softmax of a query times the keys that its destination sees. Both have `d_head` numbers a
position, so that a prompt of n tokens takes 2 · n · d_head numbers instead of n². Queries are divided by the
scale, and rotated to their positions where the model turns them: nothing else is needed to draw a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.model.protocol import Model, Tokens
from polyhead.model.transformer import causal_mask


@dataclass(frozen=True)
class HeadScores:
    """Of one head, on some prompts. `window`: sources that a destination sees, 0 for all before it.

    `softcap`: scores s become softcap · tanh(s / softcap), where the model squashes them.
    """

    query: Float[Tensor, "batch pos d_head"]
    key: Float[Tensor, "batch pos d_head"]
    window: int = 0
    softcap: float | None = None

    def pattern(self) -> Float[Tensor, "batch dest src"]:
        """Return who attends to whom."""
        scores = self.query @ self.key.mT
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        seen = in_window(scores.shape[-1], self.window).to(scores.device)
        return scores.masked_fill(~seen, -torch.inf).softmax(-1, dtype=torch.float32)

    def about_mean_key(self) -> HeadScores:
        """Take the mean key out: softmax does not see what is the same for all sources of a row.

        Smaller numbers lose less when they are rounded. Squashed scores are left as they are.
        """
        if self.softcap is not None:
            return self
        return HeadScores(self.query, self.key - self.key.mean(1, keepdim=True), self.window)


def in_window(positions: int, window: int) -> Bool[Tensor, "dest src"]:
    """Return which sources a destination sees: itself and those before it, at most `window` of them."""
    seen = ~causal_mask(positions)
    return seen.triu(1 - window) if window else seen


@torch.inference_mode()
def head_scores(model: Model, head: tuple[int, int], tokens: Tokens) -> HeadScores:
    """Run the layers below a head and return its queries and keys.

    Raises:
        PolyheadError: sources are hidden in another way than by a window.
    """
    layer, number = head
    qkv = model.layers[layer].qkv(model.residual_before(layer, tokens))
    query, key = qkv.query[:, number] * qkv.scaling, qkv.shared(qkv.key, [number])[:, 0]
    window = 0 if qkv.visible is None else _window(qkv.visible[0, 0])
    return HeadScores(query, key, window, qkv.softcap)


def _window(visible: Bool[Tensor, "dest src"]) -> int:
    seen = visible.sum(-1)
    window = int(seen.max())
    window = 0 if bool((seen == torch.arange(1, len(seen) + 1, device=seen.device)).all()) else window
    if not visible.equal(in_window(len(seen), window).to(visible.device)):
        raise PolyheadError("the model hides sources from destinations in another way than by a window")
    return window
