"""Scores as sums over pairs of components: exact on random models, and right on heads built by hand."""

import hand_built
import numpy as np
import pytest
import torch
from toys import random_state, scores

from polyhead.edges.classes import CLASSES, class_matrix
from polyhead.mechanism.scores import about_means, contrast, contributions, head_inputs
from polyhead.model.transformer import from_state

SIZES = {"n_layers": 3, "n_heads": 4, "d_model": 24, "d_head": 8, "n_ctx": 40, "d_vocab": 50}
EMBED, POS, EARLIER = 0, 1, 2
"""Places of the components of a hand-built model; head 0.0 is the first of the earlier ones."""


def random_model(dtype=torch.float64, seed=1):
    state = random_state(**SIZES, seed=seed)
    return from_state({name: weight.to(dtype) for name, weight in state.items()}, 4, 1e-5)


def random_tokens(count=40, seed=0):
    return torch.randint(0, 50, (count,), generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-5), (torch.float32, 1e-4)])
@pytest.mark.parametrize("grouping", ["heads", "layers"])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_all_pairs_together_are_the_score(dtype, error, grouping, layer):
    model, tokens = random_model(dtype), random_tokens()
    stream = model.parts(tokens, layer, grouping)
    inputs = head_inputs(stream, model.reader(layer, 3))
    sides = model.layers[layer].qkv(model.residual_before(layer, tokens[None]))
    expected = sides.scored(sides.query[0, 3] @ sides.key[0, 3].mT)
    by_pair = torch.einsum("aid,bjd->ijab", inputs.query, inputs.key)
    bound = error * (1 if dtype == torch.float64 else expected.abs().max())
    for found in (scores(inputs), by_pair.sum((-1, -2))):
        assert (found - expected).abs().max() < bound
    assert by_pair.abs().amax((0, 1)).max() > 0.1


@torch.inference_mode()
def test_means_counted_with_bias_leave_the_score_as_it_is():
    model, tokens = random_model(), random_tokens()
    stream = model.parts(tokens, 2, "heads")
    means = torch.randn(stream.parts[:-1].shape, generator=torch.Generator().manual_seed(2)).double()
    about = about_means(stream, means)
    reader = model.reader(2, 0)
    torch.testing.assert_close(scores(head_inputs(about, reader)), scores(head_inputs(stream, reader)))
    torch.testing.assert_close(about.parts[3], stream.parts[3] - means[3])


@torch.inference_mode()
def test_components_are_embeddings_what_each_head_adds_and_biases():
    model, tokens = random_model(), random_tokens()
    stream = model.parts(tokens, 2, "heads")
    heads = [f"{layer}.{head}" for layer in (0, 1) for head in range(4)]
    assert stream.names == ("embed", "pos", *heads, "bias")
    before = model.residual_before(1, tokens[None])
    pattern, values = (side[0, 0].double() for side in model.layers[1].read(before, [2]))
    written = model.layers[1].write_head(pattern @ values, 2)
    torch.testing.assert_close(stream.parts[stream.names.index("1.2")], written, rtol=0, atol=1e-5)
    torch.testing.assert_close(stream.parts.sum(0), model.residual_before(2, tokens[None])[0])
    layers = model.parts(tokens, 2, "layers")
    assert layers.names == ("embed", "pos", "attn0", "attn1", "bias")
    torch.testing.assert_close(layers.parts[3], stream.parts[6:10].sum(0))


def test_rows_without_a_named_or_another_source_have_no_weights():
    visible = torch.ones(2, 2, dtype=torch.bool).tril()
    weights = contrast(torch.zeros(2, 2), torch.tensor([[True, False], [False, False]]), visible)
    assert (weights == 0).all()


@torch.inference_mode()
def shares_of_pairs(head, label):
    """Return what every pair contributes to attending to edges of a class, as shares of their sum."""
    model, text = hand_built.model_with(head), hand_built.real_text(hand_built.names_and_brackets(3, 4))
    total = 0
    for context in text.contexts():
        tokens = torch.from_numpy(context.tokens).long()
        inputs = head_inputs(model.parts(tokens, 1, "heads"), model.reader(1, 0))
        named = torch.from_numpy(class_matrix(context) == CLASSES.index(label))
        visible = torch.ones_like(named).tril()
        rows = 16 + np.flatnonzero((named & visible)[16:].any(1))
        weights = contrast(scores(inputs)[rows], named[rows], visible[rows])
        total = total + contributions(inputs.query[:, rows], inputs.key, weights).sum(0)
    return total / total.sum()


def test_an_induction_head_reads_its_key_from_an_earlier_head_and_one_by_position_is_all_position():
    assert shares_of_pairs(hand_built.induction_head(), "induction")[EMBED, EARLIER] > 0.9
    assert shares_of_pairs(hand_built.one_back_head(), "previous")[POS, POS] > 0.9


@torch.inference_mode()
def test_a_head_that_asks_with_what_an_earlier_head_wrote_reads_its_query_from_it():
    model = hand_built.model_with(hand_built.head_by_what_stands_before())
    tokens = torch.from_numpy(hand_built.names_and_brackets(1, 4)[0]).long()
    inputs = head_inputs(model.parts(tokens, 1, "heads"), model.reader(1, 0))
    named = torch.zeros(len(tokens), len(tokens), dtype=torch.bool)
    named[1:] = tokens[:-1, None] == tokens
    visible = torch.ones_like(named).tril()
    rows = torch.arange(16, len(tokens))
    weights = contrast(scores(inputs)[rows], named[rows], visible[rows])
    total = contributions(inputs.query[:, rows], inputs.key, weights).sum(0)
    assert (total / total.sum())[EARLIER, EMBED] > 0.9
