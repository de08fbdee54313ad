"""Effects on real text against one full run per position."""

import pandas as pd
import pytest
import torch
from test_patching import draw_tokens, toy

import polyhead.ablation.real_text
import polyhead.model.attend
from polyhead.ablation.patching import replacement
from polyhead.ablation.real_text import effect_rows, single_position_effects


def slow_effect(model, tokens, layer, head, dest):
    """Run the whole model up to `dest` with the head's row there replaced; read the next token there."""
    residual = model.residual_before(0, tokens[:, : dest + 1])
    for number, one in enumerate(model.layers):
        pattern = one.pattern(residual, [*range(one.n_heads)]).clone()
        if number == layer:
            pattern[:, head, dest] = replacement(pattern[:, head], "bos")[:, dest]
        residual = residual + one.write(pattern @ one.sides(one.ln1(residual))[2])
    after = model.logits(residual)[:, dest].log_softmax(-1).gather(1, tokens[:, dest + 1, None])
    before = model(tokens)[:, dest].log_softmax(-1).gather(1, tokens[:, dest + 1, None])
    return before[:, 0], (after - before)[:, 0]


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("at_once", [3, 128])
def test_equals_one_run_per_position(layer, at_once, monkeypatch):
    monkeypatch.setattr(polyhead.model.attend, "VECTORS_AT_ONCE", at_once)
    monkeypatch.setattr(polyhead.ablation.real_text, "LOGITS_AT_ONCE", 2 * at_once)
    model, tokens = toy(), draw_tokens(3, 11)
    before, delta, _ = single_position_effects(model, tokens, layer, 2)
    assert before.shape == delta.shape == (3, 9)
    for dest in range(1, 10):
        slow_before, slow_delta = slow_effect(model, tokens, layer, 2, dest)
        torch.testing.assert_close(before[:, dest - 1], slow_before, atol=1e-5, rtol=0)
        torch.testing.assert_close(delta[:, dest - 1], slow_delta, atol=1e-5, rtol=0)
    assert delta.abs().max() > 1e-3


def test_rows_do_not_depend_on_how_many_are_run_at_once(monkeypatch):
    model, prompts = toy(), draw_tokens(5, 8).numpy()
    done = []
    large = effect_rows(model, prompts, 1, 0, done.append)
    monkeypatch.setattr(polyhead.ablation.real_text, "TOKENS_AT_ONCE", 20)
    small = effect_rows(model, prompts, 1, 0, done.append)
    pd.testing.assert_frame_equal(small, large, atol=1e-6)
    assert done == [5, 2, 4, 5]
    assert small["position"].tolist() == [1, 2, 3, 4, 5, 6] * 5
    expected = slow_effect(model, torch.from_numpy(prompts[3:4]), 1, 0, 4)[1].item()
    [found] = small.query("prompt == 3 and position == 4")["delta_logprob"]
    assert found == pytest.approx(expected, abs=1e-5)


def test_first_choices_are_those_of_the_clean_run():
    model, prompts = toy(), draw_tokens(5, 8)
    choices = model(prompts)[:, 1:-1].argmax(-1)
    prompts[2, 2:] = choices[2]
    first = effect_rows(model, prompts.numpy(), 1, 0)["first"].to_numpy().reshape(5, 6)
    expected = model(prompts)[:, 1:-1].argmax(-1) == prompts[:, 2:]
    assert first.tolist() == expected.tolist()
    assert first[2, 0]


def test_prompts_of_two_tokens_have_no_row(monkeypatch):
    monkeypatch.setattr(polyhead.ablation.real_text, "require_change", lambda *_: None)
    assert effect_rows(toy(), draw_tokens(3, 2).numpy(), 1, 0).empty
