"""What section 2 costs, beside the way a notebook would do it: python -m benchmarks.section2 [table.csv].

Ablation at every position of 120 prompts against one hooked run of TransformerLens per position, and effects
at all positions of one text against a plain forward pass. Each pair is timed in turns, in one process.

Weights are random but scaled, so that patterns are sharp and the first choice has a probability that an
ablation can be seen to change: equal results on a model that never changes its mind would prove nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from polyhead.ablation.patching import ablate
from polyhead.ablation.real_text import single_position_effects
from polyhead.files import write_csv
from polyhead.model.head import Head
from polyhead.model.transformer import AttentionOnly, from_state

LAYER, NUMBER = HEAD = Head(1, 4)
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
    "small": Sizes(d_model=256, d_vocab=4096),
}


def random_models(sizes: Sizes, seed: int) -> tuple[Any, AttentionOnly]:
    """Return a TransformerLens bridge with random weights, and our form of the same weights."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    fields = {"architecture": "TransformerLensNative", "attn_only": True, "normalization_type": "LN"}
    fields |= {"act_fn": "gelu", "seed": seed, "d_head": sizes.d_model // sizes.n_heads}
    bridge = TransformerBridge.boot_native(TransformerBridgeConfig(**asdict(sizes), **fields))
    state = bridge.state_dict()
    for name, weight in state.items():
        weight.mul_(SHARPER.get(name.split(".")[-2], 1.0))
    return bridge, from_state(state, sizes.n_heads, 1e-5)


def random_tokens(prompts: int, length: int, sizes: Sizes, seed: int) -> Int[Tensor, "batch pos"]:
    """Return prompts of random tokens."""
    return torch.randint(3, sizes.d_vocab, (prompts, length), generator=torch.Generator().manual_seed(seed))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


@torch.inference_mode()
def hooked(bridge: Any, tokens: Int[Tensor, "batch pos"], dest: int) -> Float[Tensor, "batch pos vocabulary"]:
    """Return the logits of a full run in which the head's row at one position attends to BOS alone."""

    def hook(pattern: Tensor, hook: Any) -> Tensor:
        pattern[:, NUMBER, dest] = 0
        pattern[:, NUMBER, dest, 0] = 1
        return pattern

    return bridge.run_with_hooks(tokens, fwd_hooks=[(f"blocks.{LAYER}.attn.hook_pattern", hook)])


def notebook_ablation(bridge: Any, tokens: Tensor, answers: Tensor, dests: list[int]) -> Tensor:
    """Return the answers' probabilities, a full hooked run of the batch for every position."""
    runs = (hooked(bridge, tokens, dest)[:, -1].softmax(-1) for dest in dests)
    return torch.stack([run.gather(1, answers[:, None])[:, 0] for run in runs], 1)


def ablation_case(name: str, rounds: int, seed: int) -> dict[str, Any]:
    """Time every position of a batch of prompts against one hooked run per position.

    The slow way takes its positions in `rounds` parts, each after a whole run of the fast one.
    """
    bridge, model = random_models(SHAPES[name], seed)
    tokens, dests = random_tokens(*ABLATED, SHAPES[name], seed), np.arange(1, ABLATED[1])
    with torch.inference_mode():
        answers = torch.cat([model(some)[:, -1].argmax(-1) for some in tokens.split(8)])
    ablate(model, tokens, answers, HEAD, "bos", destinations=[1, 2])
    notebook_ablation(bridge, tokens, answers, [1])
    ours, theirs, difference = [], [], []
    for part in np.array_split(dests, rounds):
        seconds, outcome = timed(lambda: ablate(model, tokens, answers, HEAD, "bos"))
        ours.append(seconds)
        seconds, slow = timed(partial(notebook_ablation, bridge, tokens, answers, part.tolist()))
        theirs.append(seconds)
        difference.append((outcome.probability[:, part] - slow).abs().max().item())
    effect = outcome.probability[:, 1:] - outcome.probability[:, :1]
    return {
        "comparison": "ablation at every position",
        "shape": name,
        "case": f"{ABLATED[0]} prompts of {ABLATED[1]} tokens",
        "baseline": "run_with_hooks for every position",
        "seconds": float(np.median(ours)),
        "baseline_seconds": sum(theirs),
        "times_faster": sum(theirs) / float(np.median(ours)),
        "largest_difference": max(difference),
        "largest_effect": effect.abs().max().item(),
    }


def effects_case(name: str, rounds: int, seed: int) -> dict[str, Any]:
    """Time the effects at all positions of one prompt against one plain forward pass, in turns."""
    bridge, model = random_models(SHAPES[name], seed)
    tokens = random_tokens(1, READ, SHAPES[name], seed)
    plain = torch.inference_mode()(lambda: model(tokens))
    ours, theirs = [], []
    for _ in range(1 + rounds):
        seconds, (_, delta, _) = timed(lambda: single_position_effects(model, tokens, LAYER, NUMBER))
        ours.append(seconds)
        theirs.append(timed(plain)[0])
    ours_median, plain_median = (float(np.median(seconds[1:])) for seconds in (ours, theirs))
    checked = torch.randperm(READ - 2, generator=torch.Generator().manual_seed(seed))[:5] + 1
    slow = torch.stack([hooked_effect(bridge, tokens, int(dest)) for dest in checked])
    return {
        "comparison": "effect on real text, every position",
        "shape": name,
        "case": f"1 prompt of {READ} tokens",
        "baseline": "one forward pass",
        "seconds": ours_median,
        "baseline_seconds": plain_median,
        "times_faster": plain_median / ours_median,
        "largest_difference": (delta[0, checked - 1] - slow).abs().max().item(),
        "largest_effect": delta.abs().max().item(),
    }


@torch.inference_mode()
def hooked_effect(bridge: Any, tokens: Tensor, dest: int) -> Tensor:
    """Return the effect at one position from two full runs of the bridge."""
    runs = bridge(tokens), hooked(bridge, tokens, dest)
    clean, ablated = (logits[0, dest].log_softmax(-1)[tokens[0, dest + 1]] for logits in runs)
    return ablated - clean


def run(shapes: list[str], rounds: int = 3, seed: int = 0) -> pd.DataFrame:
    """Run both comparisons for every shape; one line each.

    Columns: comparison, shape, case, baseline, seconds (median), baseline_seconds, times_faster,
    largest_difference from the slow way's results, largest_effect of the ablation (both in the result's unit:
    probability, or nats), threads.
    """
    lines = [ablation_case(name, rounds, seed) for name in shapes]
    lines += [effects_case(name, 3 * rounds, seed) for name in shapes]
    return pd.DataFrame(lines).assign(threads=torch.get_num_threads())


if __name__ == "__main__":
    table = run([*SHAPES])
    print(table.to_string())
    for path in sys.argv[1:]:
        write_csv(path, table)
