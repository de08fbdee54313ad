"""Muon for the attention matrices, AdamW for the rest, and the schedule they share."""

from functools import partial

import torch
from torch import nn

from training.recipe import TrainingRecipe


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
    muon = partial(torch.optim.Muon, momentum=recipe.muon_momentum)
    return [*(muon([group]) for group in groups), _adam(rest, recipe)]


def _adam(parameters: list[nn.Parameter], recipe: TrainingRecipe) -> torch.optim.AdamW:
    group = {"params": parameters, "full_rate": recipe.adam_rate}
    first, second = recipe.adam_betas
    return torch.optim.AdamW([group], betas=(first, second), weight_decay=0.0, fused=True)


def rate_factor(step: int | float, steps: int, warm_up: int, decay_share: float) -> float:
    """Return the share of the full rate at `step` of `steps`: linear rise, plateau, linear fall to zero.

    It depends on these arguments alone, so that a training that was stopped continues as if it had not been.
    """
    rise = (step + 1) / warm_up if warm_up else 1.0
    fall = (steps - step) / max(1.0, decay_share * steps)
    return max(0.0, min(1.0, rise, fall))
