"""The transformer against its definition, written out head by head in float64."""

import numpy as np
import pytest
import torch

from polyhead.attention.rows import patterns
from polyhead.model.opening import open_model, read_state, to_device
from polyhead.model.transformer import causal_mask


@pytest.fixture(scope="module")
def opened(model_dir):
    return open_model(model_dir)[0]


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def softmax_row(scores):
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def slow_forward(state, tokens, n_layers=2, n_heads=3, d_head=8):
    """Return patterns {(layer, head): (n, n)} and logits of one prompt, one destination at a time."""
    x = state["embed.weight"][tokens] + state["pos_embed.weight"][: len(tokens)]
    found = {}
    for layer in range(n_layers):
        block = f"blocks.{layer}"
        normed = layer_norm(x, state[f"{block}.ln1.weight"], state[f"{block}.ln1.bias"])
        q, k, v = (
            normed @ state[f"{block}.attn.{p}.weight"].T + state[f"{block}.attn.{p}.bias"] for p in "qkv"
        )
        z = np.zeros_like(q)
        for head in range(n_heads):
            part = slice(head * d_head, (head + 1) * d_head)
            pattern = np.zeros((len(tokens),) * 2)
            for i in range(len(tokens)):
                pattern[i, : i + 1] = softmax_row(k[: i + 1, part] @ q[i, part] / np.sqrt(d_head))
                z[i, part] = pattern[i, : i + 1] @ v[: i + 1, part]
            found[layer, head] = pattern
        x = x + z @ state[f"{block}.attn.o.weight"].T + state[f"{block}.attn.o.bias"]
    normed = layer_norm(x, state["ln_final.weight"], state["ln_final.bias"])
    return found, normed @ state["unembed.weight"].T + state["unembed.bias"]


def test_patterns_and_logits_by_definition(model_dir, opened, prompts):
    state = {name: weight.double().numpy() for name, weight in read_state(model_dir).items()}
    heads = [(layer, head) for layer in range(2) for head in range(3)]
    tokens = torch.from_numpy(prompts[:2]).long()
    found, logits = patterns(opened, heads, tokens), opened(tokens)
    for b in range(2):
        wanted, wanted_logits = slow_forward(state, prompts[b])
        for place, head in enumerate(heads):
            np.testing.assert_allclose(found[b, place], wanted[head], atol=1e-5)
        np.testing.assert_allclose(logits[b], wanted_logits, atol=1e-3, rtol=1e-4)


def test_patterns_are_causal_and_sum_to_one(opened, prompts):
    found = patterns(opened, [(1, 0)], torch.from_numpy(prompts).long())
    assert found.triu(1).abs().max() == 0
    torch.testing.assert_close(found.sum(-1), torch.ones(6, 1, 48))


def test_a_later_token_changes_no_earlier_row(opened, prompts):
    changed = prompts.copy()
    changed[:, 30:] = 41
    heads = [(1, 0), (1, 2)]
    before, after = (patterns(opened, heads, torch.from_numpy(p).long()) for p in (prompts, changed))
    torch.testing.assert_close(before[:, :, :30, :30], after[:, :, :30, :30])
    assert not torch.allclose(before[:, :, 30:], after[:, :, 30:])


def test_residual_before_layer_zero_is_the_embedding(opened, prompts):
    tokens = torch.from_numpy(prompts).long()
    embeddings = opened.embed.weight[tokens] + opened.pos_embed.weight[:48]
    torch.testing.assert_close(opened.residual_before(0, tokens), embeddings)
    torch.testing.assert_close(opened.residual_before(1, tokens), opened.layers[0](embeddings))


def test_bfloat16_is_close_and_its_patterns_are_float32(opened, prompts):
    tokens = torch.from_numpy(prompts).long()
    half = to_device(opened, "cpu", "bfloat16")
    assert {weight.dtype for weight in half.state_dict().values()} == {torch.bfloat16}
    assert {weight.dtype for weight in opened.state_dict().values()} == {torch.float32}
    found, wanted = (patterns(model, [(1, 1)], tokens) for model in (half, opened))
    assert found.dtype == torch.float32
    assert 0 < (found - wanted).abs().max() < 0.1
    torch.testing.assert_close(found.sum(-1), torch.ones(6, 1, 48))


def test_causal_mask():
    assert causal_mask(3).tolist() == [[False, True, True], [False, False, True], [False, False, False]]
