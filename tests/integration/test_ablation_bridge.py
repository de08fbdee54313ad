"""Ablation against TransformerLens: the plain `run_with_hooks` on a native bridge, one position at a time."""

import pytest
import torch

from polyhead.ablation.patching import Method, ablate, head_pattern, replacement, without_edge
from polyhead.model.head import Head
from polyhead.model.opening import open_bridge, open_native

POSITIONS = 10


@pytest.fixture(scope="module")
def both(model_dir):
    return open_native(model_dir), open_bridge(model_dir)


@pytest.fixture(scope="module")
def tokens(prompts):
    return torch.from_numpy(prompts[:, :POSITIONS]).long()


@pytest.fixture(scope="module")
def answers(both, tokens):
    """The model's first choices: a change of their probability can be seen."""
    return both[0](tokens)[:, -1].argmax(-1)


@torch.inference_mode()
def hooked(bridge, tokens, layer, head, dest, edit):
    """Return the logits of a run in which the hook replaces one row of one head's pattern."""

    def hook(pattern, hook):
        edited = pattern.clone()
        edited[:, head, dest] = edit(pattern[:, head])[:, dest]
        return edited

    return bridge.run_with_hooks(tokens, fwd_hooks=[(f"blocks.{layer}.attn.hook_pattern", hook)])


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("head", [0, 2])
def test_every_method_and_position(both, tokens, answers, method, layer, head):
    model, bridge = both
    donors = tokens.roll(1, 0)
    outcome = ablate(model, tokens, answers, Head(layer, head), method, donors=donors)
    others = head_pattern(model, donors, layer, head)
    for dest in range(1, POSITIONS):
        logits = hooked(bridge, tokens, layer, head, dest, lambda rows: replacement(rows, method, others))
        last = logits[:, -1].softmax(-1).gather(1, answers[:, None])[:, 0]
        torch.testing.assert_close(outcome.probability[:, dest], last, atol=1e-5, rtol=0)
    assert (outcome.probability[:, 1:] - outcome.probability[:, :1]).abs().max() > 1e-3


def test_one_edge(both, tokens, answers):
    model, bridge = both
    outcome = ablate(model, tokens, answers, Head(0, 1), lambda rows: without_edge(rows, 4), destinations=[8])
    logits = hooked(bridge, tokens, 0, 1, 8, lambda rows: without_edge(rows, 4))
    last = logits[:, -1].softmax(-1).gather(1, answers[:, None])[:, 0]
    torch.testing.assert_close(outcome.probability[:, 1], last, atol=1e-5, rtol=0)
    assert (outcome.probability[:, 1] - outcome.probability[:, 0]).abs().max() > 1e-3
