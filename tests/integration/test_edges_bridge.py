"""Cut edges against TransformerLens: hooks on a native bridge; random heads, destinations and classes."""

import numpy as np
import pytest
import torch

from polyhead.attention.rows import prompt_contexts
from polyhead.edges.classes import CLASS_BEHAVIOURS, CLASSES, mask_matrix
from polyhead.edges.costs import Fill, Question, cut_only, edge_costs, keep_only
from polyhead.model.head import all_heads
from polyhead.model.opening import open_bridge, open_native

WINDOW, POSITIONS, CASES = 3, 40, 24


@pytest.fixture(scope="module")
def both(model_dir):
    return open_native(model_dir), open_bridge(model_dir)


@torch.inference_mode()
def hooked_cost(bridge, tokens, head, dest, cut, fill, mean):
    """Return what one edit costs, from two full runs of the bridge; `cut` says which sources of `dest` go."""
    mass = []

    def hook_pattern(pattern, hook):
        row = pattern[0, head.number, dest]
        mass.append((row * cut).sum())
        edited = row * ~cut
        if fill == Fill.BOS:
            edited[0] += mass[0]
        pattern = pattern.clone()
        pattern[0, head.number, dest] = edited
        return pattern

    def hook_z(z, hook):
        z = z.clone()
        z[0, dest, head.number] += mass[0] * mean
        return z

    name = f"blocks.{head.layer}.attn"
    hooks = [(f"{name}.hook_pattern", hook_pattern)]
    hooks += [(f"{name}.hook_z", hook_z)] if fill == Fill.MEAN else []
    runs = bridge(tokens[None]), bridge.run_with_hooks(tokens[None], fwd_hooks=hooks)
    clean, edited = (logits[0, dest].log_softmax(-1)[tokens[dest + 1]] for logits in runs)
    return float(clean - edited)


def cases():
    """Draw heads, prompts, destinations, classes and fills."""
    rng = np.random.default_rng(17)
    heads, fills = all_heads(2, 3), list(Fill)
    for case in range(CASES):
        fill = fills[case % len(fills)]
        kept = rng.choice(CLASS_BEHAVIOURS, 2, replace=False).tolist()
        edit = keep_only(kept, fill) if case % 4 > 1 else cut_only(str(rng.choice(CLASSES[:-1])), fill)
        yield heads[rng.integers(6)], int(rng.integers(6)), int(rng.integers(4, POSITIONS - 1)), edit


def test_costs_at_random_heads_destinations_and_classes(both, prompts, vocabulary):
    model, bridge = both
    prompts = prompts[:, :POSITIONS]
    mean = np.random.default_rng(1).normal(size=8).astype(np.float32)
    contexts = list(prompt_contexts(prompts, vocabulary, WINDOW))
    largest = 0.0
    for head, prompt, dest, edit in cases():
        rows = np.zeros(prompts.shape, bool)
        rows[prompt, dest] = True
        answer = edge_costs(model, contexts, [Question(head, rows, (edit,), mean)])[0]
        masks = mask_matrix(contexts[prompt])[dest]
        cut = torch.tensor([j <= dest and bool(edit.cut[masks[j]]) for j in range(POSITIONS)])
        tokens = torch.from_numpy(prompts[prompt]).long()
        expected = hooked_cost(bridge, tokens, head, dest, cut, edit.fill, torch.from_numpy(mean))
        assert answer[0, 0] == pytest.approx(expected, abs=1e-5), (head, dest)
        largest = max(largest, abs(expected))
    assert largest > 1e-2
