"""What section 2 costs, beside the way a notebook would do it. Each pair is timed in turns, in one process.

Weights are random but scaled, so that patterns are sharp and the first choice has a probability that an
ablation can be seen to change: equal results on a model that never changes its mind would prove nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from polyhead.ablation.edge_costs import Fill, Question, cut_only, edge_costs
from polyhead.ablation.patching import ablate
from polyhead.ablation.real_text import single_position_effects
from polyhead.attention.behaviours import Context
from polyhead.attention.edge_classes import CLASSES
from polyhead.benchmarks.mechanism import all_inputs, hooked_inputs, usual_components
from polyhead.model.head import Head
from polyhead.model.transformer import AttentionOnly, from_state

LAYER, HEAD = 1, 4
ABLATED = 120, 40
"""Prompts, and tokens of each, that are ablated at every position."""
READ = 1024
"""Tokens of the prompt whose every position's effect is measured."""
SHARPER = {"q": 2.0, "k": 2.0, "v": 1.5, "o": 1.5, "unembed": 2.0}


@dataclass(frozen=True)
class Sizes:
    """A model's sizes."""

    d_model: int
    d_vocab: int
    n_layers: int = 4
    n_heads: int = 8
    n_ctx: int = 1024


SHAPES = {
    "published": Sizes(d_model=512, d_vocab=48262),
    "reference": Sizes(d_model=256, d_vocab=4096),
}


def random_models(sizes: Sizes, seed: int) -> tuple[Any, AttentionOnly]:
    """Return a TransformerLens bridge with random weights, and our form of the same weights."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    fields: dict[str, Any] = {
        "architecture": "TransformerLensNative",
        "attn_only": True,
        "normalization_type": "LN",
    }
    fields |= {"normalization_type": "LN", "act_fn": "gelu", "seed": seed}
    fields |= {"d_head": sizes.d_model // sizes.n_heads}
    bridge = TransformerBridge.boot_native(TransformerBridgeConfig(**asdict(sizes), **fields))
    state = bridge.state_dict()
    for name, weight in state.items():
        weight.mul_(SHARPER.get(name.split(".")[-2], 1.0))
    return bridge, from_state(state, sizes.n_heads, 1e-5)


def random_tokens(prompts: int, length: int, sizes: Sizes, seed: int) -> Int[Tensor, "batch pos"]:
    """Return prompts of random tokens."""
    return torch.randint(3, sizes.d_vocab, (prompts, length), generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def notebook_ablation(bridge: Any, tokens: Tensor, answers: Tensor, dests: list[int]) -> Tensor:
    """Return the answers' probabilities, a full hooked run of the batch for every position."""
    found = []
    for dest in dests:

        def hook(pattern: Tensor, hook: Any, dest: int = dest) -> Tensor:
            pattern[:, HEAD, dest] = 0
            pattern[:, HEAD, dest, 0] = 1
            return pattern

        logits = bridge.run_with_hooks(tokens, fwd_hooks=[(f"blocks.{LAYER}.attn.hook_pattern", hook)])
        found.append(logits[:, -1].softmax(-1).gather(1, answers[:, None])[:, 0])
    return torch.stack(found, 1)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def ablation_case(name: str, prompts: int, length: int, rounds: int, seed: int) -> dict[str, Any]:
    """Time every position of a batch of prompts against one hooked run per position.

    The slow way takes its positions in `rounds` parts, each after a whole run of the fast one.
    """
    bridge, model = random_models(SHAPES[name], seed)
    tokens, dests = random_tokens(prompts, length, SHAPES[name], seed), np.arange(1, length)
    with torch.inference_mode():
        answers = torch.cat([model(some)[:, -1].argmax(-1) for some in tokens.split(8)])
    ablate(model, tokens, answers, Head(LAYER, HEAD), "bos", destinations=[1, 2])
    notebook_ablation(bridge, tokens, answers, [1])
    ours, theirs, difference = [], [], []
    for part in np.array_split(dests, rounds):
        seconds, outcome = timed(lambda: ablate(model, tokens, answers, Head(LAYER, HEAD), "bos"))
        ours.append(seconds)
        seconds, slow = timed(partial(notebook_ablation, bridge, tokens, answers, part.tolist()))
        theirs.append(seconds)
        difference.append((outcome.probability[:, part] - slow).abs().max().item())
    effect = outcome.probability[:, 1:] - outcome.probability[:, :1]
    return {
        "comparison": "ablation at every position",
        "shape": name,
        "case": f"{prompts} prompts of {length} tokens",
        "baseline": "run_with_hooks for every position",
        "seconds": float(np.median(ours)),
        "baseline_seconds": sum(theirs),
        "times_faster": sum(theirs) / float(np.median(ours)),
        "largest_difference": max(difference),
        "largest_effect": effect.abs().max().item(),
    }


def effects_case(name: str, length: int, rounds: int, seed: int) -> dict[str, Any]:
    """Time the effects at all positions of one prompt against one plain forward pass, in turns."""
    bridge, model = random_models(SHAPES[name], seed)
    tokens = random_tokens(1, length, SHAPES[name], seed)
    plain = torch.inference_mode()(lambda: model(tokens))
    ours, theirs = [], []
    for _ in range(1 + rounds):
        seconds, (_, delta) = timed(lambda: single_position_effects(model, tokens, LAYER, HEAD))
        ours.append(seconds)
        theirs.append(timed(plain)[0])
    ours_median, plain_median = (float(np.median(seconds[1:])) for seconds in (ours, theirs))
    checked = torch.randperm(length - 2, generator=torch.Generator().manual_seed(seed))[:5] + 1
    slow = torch.stack([hooked_effect(bridge, tokens, int(dest)) for dest in checked])
    return {
        "comparison": "effect on real text, every position",
        "shape": name,
        "case": f"1 prompt of {length} tokens",
        "baseline": "one forward pass",
        "seconds": ours_median,
        "baseline_seconds": plain_median,
        "times_faster": plain_median / ours_median,
        "largest_difference": (delta[0, checked - 1] - slow).abs().max().item(),
        "largest_effect": delta.abs().max().item(),
    }


def edges_case(name: str, length: int, rounds: int, seed: int) -> dict[str, Any]:
    """Time each further edit of a head's edges against the effect of ablating its whole row, in turns.

    Beside one clean stream, one edit at every position, then one for every class and way to fill: what the
    others add is divided by their number.
    """
    _, model = random_models(SHAPES[name], seed)
    tokens = random_tokens(1, length, SHAPES[name], seed)
    context = Context(tokens[0].numpy(), np.full(length, -1), eos=-1, window=4)
    rows = np.zeros((1, length), bool)
    rows[:, 1:-1] = True
    edits = [cut_only("all", Fill.BOS), *(cut_only(*one) for one in product(CLASSES, Fill))]
    nothing = np.zeros(model.layers[LAYER].d_head, np.float32)
    one, all_ = (Question(Head(LAYER, HEAD), rows, tuple(some), nothing) for some in (edits[:1], edits))
    few, many, whole = [], [], []
    for _ in range(1 + rounds):
        few.append(timed(lambda: edge_costs(model, [context], [one]))[0])
        seconds, (answer,) = timed(lambda: edge_costs(model, [context], [all_]))
        many.append(seconds)
        seconds, (_, delta) = timed(lambda: single_position_effects(model, tokens, LAYER, HEAD))
        whole.append(seconds)
    further = float(np.median(np.subtract(many, few)[1:])) / (len(edits) - 1)
    return {
        "comparison": "each further edit of edges, every position",
        "shape": name,
        "case": f"1 prompt of {length} tokens",
        "baseline": "effect of the whole row, every position",
        "seconds": further,
        "baseline_seconds": float(np.median(whole[1:])),
        "times_faster": float(np.median(whole[1:])) / further,
        "largest_difference": float(np.abs(answer.costs[:, 0] + delta[0].numpy()).max()),
        "largest_effect": float(np.abs(answer.costs).max()),
    }


def inputs_case(name: str, length: int, rounds: int, seed: int) -> dict[str, Any]:
    """Time every component replaced in a head's query and key, against one hooked run for each, in turns."""
    bridge, model = random_models(SHAPES[name], seed)
    tokens, place = random_tokens(4, length, SHAPES[name], seed), (model.n_layers - 1, HEAD)
    means = usual_components(model, tokens, place[0])
    ours, theirs, difference = [], [], []
    for _ in range(1 + rounds):
        seconds, found = timed(lambda: all_inputs(model, tokens[0], *place, means))
        ours.append(seconds)
        seconds, slow = timed(lambda: hooked_inputs(bridge, model, tokens[0], *place, means))
        theirs.append(seconds)
        difference.append((found - slow).abs().max().item())
    ours_median, theirs_median = (float(np.median(seconds[1:])) for seconds in (ours, theirs))
    return {
        "comparison": "every input of a head replaced",
        "shape": name,
        "case": f"{len(found)} inputs, 1 prompt of {length} tokens",
        "baseline": "run_with_hooks for every input",
        "seconds": ours_median,
        "baseline_seconds": theirs_median,
        "times_faster": theirs_median / ours_median,
        "largest_difference": max(difference),
        "largest_effect": (found - found.mean(0)).abs().max().item(),
    }


@torch.inference_mode()
def hooked_effect(bridge: Any, tokens: Tensor, dest: int) -> Tensor:
    """Return the effect at one position from two full runs of the bridge."""

    def hook(pattern: Tensor, hook: Any) -> Tensor:
        pattern[:, HEAD, dest] = 0
        pattern[:, HEAD, dest, 0] = 1
        return pattern

    runs = (
        bridge(tokens),
        bridge.run_with_hooks(tokens, fwd_hooks=[(f"blocks.{LAYER}.attn.hook_pattern", hook)]),
    )
    clean, ablated = (logits[0, dest].log_softmax(-1)[tokens[0, dest + 1]] for logits in runs)
    return ablated - clean


def run(shapes: list[str], rounds: int, seed: int = 0) -> pd.DataFrame:
    """Run all comparisons for every shape; one line each.

    Columns: comparison, shape, case, baseline, seconds (median), baseline_seconds, times_faster,
    largest_difference from the slow way's results, largest_effect of the ablation (both in the result's unit:
    probability, or nats), threads.
    """
    lines = [ablation_case(name, *ABLATED, rounds, seed) for name in shapes]
    lines += [effects_case(name, READ, 3 * rounds, seed) for name in shapes]
    lines += [edges_case(name, READ // 2, rounds, seed) for name in shapes]
    lines += [inputs_case(name, READ // 2, rounds, seed) for name in shapes]
    return pd.DataFrame(lines).assign(threads=torch.get_num_threads())
