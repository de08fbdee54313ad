"""Muon for the attention matrices, AdamW for the rest, and the schedule they share."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from polyhead.reference.recipe import TrainingRecipe

# Quintic iteration that drives every singular value into about [0.7, 1.2] (Jordan et al., 2024).
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(
    matrices: Float[Tensor, "batch row column"], steps: int = 5
) -> Float[Tensor, "batch row column"]:
    """Return matrices with the same singular vectors and singular values near 1."""
    a, b, c = NEWTON_SCHULZ
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised, all matrices of one shape at once.

    The step is scaled by sqrt(max(1, rows / columns)), so that a rate means the same for any shape.
    """

    def __init__(self, groups: Iterable[dict], momentum: float) -> None:
        super().__init__(groups, {"lr": 0.0, "momentum": momentum, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self) -> None:
        """Move every matrix by one step, against its averaged gradient."""
        for group in self.param_groups:
            for shape in {parameter.shape for parameter in group["params"]}:
                self._step_matrices([p for p in group["params"] if p.shape == shape], group)

    def _step_matrices(self, matrices: list[Tensor], group: dict) -> None:
        stepped = [self._with_momentum(matrix, group["momentum"]) for matrix in matrices]
        for matrix, update in zip(matrices, orthogonalise(torch.stack(stepped)), strict=True):
            scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(update, alpha=-group["lr"] * scale)

    def _with_momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        state = self.state[parameter]
        average = state.setdefault("momentum", torch.zeros_like(parameter))
        average.lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(average, momentum)  # Nesterov's look-ahead


def optimisers(model: nn.Module, recipe: TrainingRecipe) -> list[torch.optim.Optimizer]:
    """Return Muon over the attention matrices and AdamW over the rest, each group with its `full_rate`.

    With `optimiser: adamw` in the recipe, AdamW moves everything. No two share a weight, so that they may
    step at the same time.
    """
    named = dict(model.named_parameters())
    fast = [named[name] for name in named if name.endswith(("attn.q.weight", "attn.k.weight"))]
    slow = [named[name] for name in named if name.endswith(("attn.v.weight", "attn.o.weight"))]
    if recipe.optimiser == "adamw":
        return [_adam(list(named.values()), recipe)]
    taken = {id(parameter) for parameter in fast + slow}
    rest = [parameter for parameter in named.values() if id(parameter) not in taken]
    rates = (recipe.muon_rate * recipe.query_key_factor, recipe.muon_rate)
    groups = (
        {"params": matrices, "full_rate": rate, "weight_decay": recipe.weight_decay}
        for matrices, rate in zip((fast, slow), rates, strict=True)
    )
    return [*(Muon([group], recipe.muon_momentum) for group in groups), _adam(rest, recipe)]


def _adam(parameters: list[nn.Parameter], recipe: TrainingRecipe) -> torch.optim.AdamW:
    group = {"params": parameters, "full_rate": recipe.adam_rate}
    return torch.optim.AdamW([group], betas=tuple(recipe.adam_betas), weight_decay=0.0, fused=True)


def rate_factor(step: int | float, steps: int, warm_up: int, decay_share: float) -> float:
    """Return the share of the full rate at `step` of `steps`: linear rise, plateau, linear fall to zero.

    A function of its arguments alone, so that a changed budget takes effect on resuming.
    """
    rise = (step + 1) / warm_up if warm_up else 1.0
    fall = (steps - step) / max(1.0, decay_share * steps)
    return max(0.0, min(1.0, rise, fall))


def set_rates(optimisers: Iterable[torch.optim.Optimizer], factor: float) -> None:
    """Set every group's learning rate to `factor` times its full rate."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = factor * group["full_rate"]
