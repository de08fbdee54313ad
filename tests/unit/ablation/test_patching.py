"""Ablation against a slow twin that runs the whole model anew for every position, and by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import random_state

from polyhead.ablation.patching import Method, ablate, donor_texts, head_pattern, replacement, without_edge
from polyhead.errors import PolyheadError
from polyhead.model.head import Head
from polyhead.model.transformer import from_state

ROWS = torch.tensor(
    [[[1.0, 0, 0], [0.2, 0.8, 0], [0.1, 0.6, 0.3]], [[1.0, 0, 0], [0.4, 0.6, 0], [0.5, 0.1, 0.4]]]
)
SIZES = {"d_model": 16, "d_head": 4, "n_ctx": 16, "d_vocab": 30}


def toy(n_layers=3, n_heads=3, seed=0):
    return from_state(random_state(**SIZES, n_layers=n_layers, n_heads=n_heads, seed=seed), n_heads, 1e-5)


def draw_tokens(prompts, length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, 30, (prompts, length), generator=generator)


def plain_run(model, tokens, layer=None, head=None, dest=None, edit=None):
    """Every layer, every head, every position, pattern by pattern; one row of one head replaced."""
    residual = model.residual_before(0, tokens)
    for number, one in enumerate(model.layers):
        pattern = one.pattern(residual, [*range(one.n_heads)])
        if number == layer:
            pattern = pattern.clone()
            pattern[:, head, dest] = edit(pattern[:, head])[:, dest]
        values = one.sides(one.ln1(residual))[2]
        residual = residual + one.write(pattern @ values)
    return model.logits(residual)[:, -1].softmax(-1)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(Method),
    st.tuples(*(st.integers(*ends) for ends in ((1, 4), (1, 3), (2, 40), (2, 8), (0, 10**6)))),
    st.data(),
)
def test_equals_a_full_run_for_every_position(method, sizes, data):
    n_layers, n_heads, prompts, length, seed = sizes
    model, tokens = toy(n_layers, n_heads, seed), draw_tokens(prompts, length, seed)
    layer, head = data.draw(st.integers(0, n_layers - 1)), data.draw(st.integers(0, n_heads - 1))
    answers, donors = plain_run(model, tokens).argmax(-1), draw_tokens(prompts, length, seed + 1)
    outcome = ablate(model, tokens, answers, Head(layer, head), method, donors=donors)
    assert outcome.probability.shape == (prompts, length)

    def edit(pattern):
        return replacement(pattern, method, head_pattern(model, donors, layer, head))

    edited = [plain_run(model, tokens, layer, head, dest, edit) for dest in range(1, length)]
    for run, full in enumerate([plain_run(model, tokens), *edited]):
        expected = full.gather(1, answers[:, None])[:, 0]
        torch.testing.assert_close(outcome.probability[:, run], expected, atol=1e-5, rtol=0)
        better = (full > expected[:, None] * (1 + 1e-4)).sum(1)
        worse = (full >= expected[:, None] * (1 - 1e-4)).sum(1)
        assert ((better <= outcome.rank[:, run]) & (outcome.rank[:, run] < worse)).all()


def test_an_ablation_in_the_top_layer_matters_at_the_last_position_alone():
    model, tokens = toy(), draw_tokens(4, 8)
    outcome = ablate(model, tokens, plain_run(model, tokens).argmax(-1), Head(2, 0), "bos")
    clean = outcome.probability[:, :1]
    torch.testing.assert_close(outcome.probability[:, 1:-1], clean.expand(-1, 6), atol=1e-6, rtol=0)
    assert (outcome.probability[:, -1:] - clean).abs().max() > 1e-4


def test_rows_that_take_the_place():
    assert replacement(ROWS, "bos")[1, 2].tolist() == [1, 0, 0]
    assert replacement(ROWS, "zero").abs().sum() == 0
    torch.testing.assert_close(replacement(ROWS, "mean")[0, 2], torch.tensor([0.3, 0.35, 0.35]))
    torch.testing.assert_close(replacement(ROWS, "mean")[1], replacement(ROWS, "mean")[0])
    torch.testing.assert_close(replacement(ROWS, "resample", ROWS.flip(0)), ROWS.flip(0))
    kept = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0.7, 0, 0.3]])
    torch.testing.assert_close(without_edge(ROWS, 1)[0], kept)


def test_donors_are_other_texts_cut_to_the_prompts_length():
    texts = np.arange(24).reshape(4, 6)
    drawn = donor_texts(texts, 4, 5, seed=0)
    assert sorted(drawn.tolist()) == texts[:, :5].tolist()  # each of four texts once, its first five tokens
    assert (donor_texts(texts, 4, 5, seed=0) == drawn).all()
    assert len({tuple(donor_texts(texts, 4, 5, seed)[:, 0]) for seed in range(10)}) > 1
    assert donor_texts(texts, 8, 5, seed=0).shape == (8, 5)  # more prompts than texts: some twice


@pytest.mark.parametrize("shape", [(3, 4), (0, 9)])
def test_a_study_without_a_text_that_long_is_told_what_to_do(shape):
    with pytest.raises(PolyheadError, match=r"at least 5 tokens, and there are none: raise `context`"):
        donor_texts(np.zeros(shape, int), 2, 5, seed=0)
    with pytest.raises(PolyheadError, match="resample needs other texts"):
        replacement(ROWS, "resample")


def test_an_ablation_that_changes_nothing_is_refused():
    state = random_state(**SIZES, n_layers=2, n_heads=3, seed=0)
    state["blocks.1.attn.o.weight"][:, 4:8] = 0  # head 1.1 writes nothing
    model, tokens = from_state(state, 3, 1e-5), draw_tokens(3, 6)
    with pytest.raises(PolyheadError, match=r"did not change the output of head 1\.1 .* 3 prompts"):
        ablate(model, tokens, tokens[:, 0], Head(1, 1), "bos")
    with pytest.raises(PolyheadError, match="already are what should replace them"):
        ablate(model, tokens[:1], tokens[:1, 0], Head(0, 0), "mean")
    ablate(model, tokens, tokens[:, 0], Head(1, 0), "bos")
    one_edge = ablate(
        model, tokens, tokens[:, 0], Head(1, 1), lambda rows: without_edge(rows, 1), destinations=[3]
    )
    torch.testing.assert_close(*one_edge.probability.T)  # an edge may be worth nothing
