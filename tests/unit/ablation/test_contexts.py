"""Contexts found by rule: which places fit, which are drawn, what the ablation there costs, by full runs."""

import hand_built
import numpy as np
import pytest
import torch
from test_patching import plain_run

from polyhead.ablation.contexts import (
    BEFORE,
    ablate_context,
    draw_places,
    drawn,
    drop_table,
    edits_of,
    find_contexts,
    head_contexts,
    predicted,
)
from polyhead.ablation.edge_costs import Fill, cut_only
from polyhead.ablation.patching import replacement
from polyhead.attention.edge_classes import CLASSES, class_matrix
from polyhead.model.head import Head

HEAD = Head(1, 0)
MEAN = np.full(hand_built.D_HEAD, 0.01, np.float32)


@pytest.fixture(scope="module")
def model():
    return hand_built.model_with(hand_built.glued_head())


@pytest.fixture(scope="module")
def text():
    return hand_built.real_text(hand_built.names_and_brackets(24, 5))


@pytest.fixture(scope="module")
def found(model, text):
    return find_contexts(model, text, [HEAD], most=30, seed=0)[HEAD]


@pytest.fixture(scope="module")
def tables(model, text, found):
    return head_contexts(model, found, text, n_resamples=100, seed=0)


def test_a_row_is_predicted_where_the_next_token_is_the_first_choice(model, text):
    rows = np.zeros(text.prompts.shape, bool)
    rows[[0, 3], 20:] = True
    right = predicted(model, text.prompts, rows)
    logits = model(torch.from_numpy(text.prompts).long())
    expected = logits[:, :-1].argmax(-1).numpy() == text.prompts[:, 1:]
    assert (right[:, :-1] == expected & rows[:, :-1]).all()
    assert not right[:, -1].any()  # nothing follows the last token
    assert 0 < right.sum() < rows.sum()


def test_one_place_of_every_document_comes_before_a_second_of_any():
    documents = np.array([7, 7, 7, 7, 8, 9, 9])
    for seed in range(5):
        assert sorted(documents[drawn(documents, 3, seed)]) == [7, 8, 9]
        assert sorted(documents[drawn(documents, 5, seed)]) == [7, 7, 8, 9, 9]
    assert drawn(documents, 100, 0).tolist() == list(range(7))
    assert len({tuple(drawn(documents, 3, seed)) for seed in range(20)}) > 1
    assert (drawn(documents, 3, 4) == drawn(documents, 3, 4)).all()
    assert len(drawn(documents[:0], 3, 0)) == 0


def test_places_are_drawn_from_those_that_fit():
    fit = np.zeros((3, 6), bool)
    fit[0, [2, 4]] = fit[2, 5] = True
    documents = np.array([[0, 0, 0, 1, 1, 1], [2] * 6, [3] * 6])
    places = draw_places(fit, documents, 10, 0)
    assert list(zip(places.prompts, places.destinations, places.documents, strict=True)) == [
        (0, 2, 0),
        (0, 4, 1),
        (2, 5, 3),
    ]
    assert (places.eligible, draw_places(fit, documents, 2, 0).eligible) == (3, 3)


def test_every_place_fits_the_rule(model, text, found):
    """The glued head does induction from names and previous from brackets."""
    kinds = {"induction": hand_built.NAMES, "previous": hand_built.BRACKETS}
    logits = model(torch.from_numpy(text.prompts).long())
    for name, kind in kinds.items():
        places = found.places[name]
        assert 0 < len(places.prompts) <= 30
        assert places.eligible >= len(places.prompts)
        assert (places.destinations >= 16).all()
        at = places.prompts, places.destinations
        assert np.isin(text.prompts[at], kind).all()
        assert (logits[at].argmax(-1).numpy() == text.prompts[at[0], at[1] + 1]).all()
    assert found.places["indent"].eligible == 0


def test_every_run_of_a_context_against_a_full_run(model, text, found):
    places, contexts = found.places["induction"], list(text.contexts())
    number, dest = int(places.prompts[0]), int(places.destinations[0])
    tokens = torch.from_numpy(text.prompts[number, : dest + 2]).long()
    codes = torch.from_numpy(class_matrix(contexts[number])[dest : dest + 1, : dest + 1])
    edits = [cut_only("induction", Fill.BOS)]
    outcome = ablate_context(model, tokens, codes, HEAD, edits, MEAN)

    def without_induction(pattern):
        edited = pattern.clone()
        gone = codes[0] == CLASSES.index("induction")
        edited[:, dest, gone] = 0
        edited[:, dest, 0] += pattern[:, dest, gone].sum(-1)
        return edited

    def to_bos(pattern):
        return replacement(pattern, "bos")

    full = [plain_run(model, tokens[None, :-1])]
    full += [plain_run(model, tokens[None, :-1], *HEAD, dest, without_induction)]
    full += [plain_run(model, tokens[None, :-1], *HEAD, dest - k, to_bos) for k in range(1, BEFORE + 1)]
    expected = torch.stack([one[0, tokens[-1]] for one in full])
    torch.testing.assert_close(outcome.probability[0], expected, atol=1e-5, rtol=0)
    assert outcome.rank[0, 0] == 0
    assert expected[1] < expected[0] - 0.1


def test_mean_puts_the_mean_output_there(model, text, found):
    """Cutting the whole row under mean: the head writes the mean at the destination."""
    places = found.places["induction"]
    number, dest = int(places.prompts[0]), int(places.destinations[0])
    tokens = torch.from_numpy(text.prompts[number, : dest + 2]).long()
    codes = torch.zeros(1, dest + 1, dtype=torch.uint8)
    outcome = ablate_context(model, tokens, codes, HEAD, [cut_only("all", Fill.MEAN)], MEAN)
    residual = model.residual_before(1, tokens[None, :-1])
    layer = model.layers[1]
    z = layer.mix(residual)
    z[0, 0, dest] = torch.from_numpy(MEAN)
    expected = model.logits((residual + layer.write(z))[0, -1]).softmax(-1)[tokens[-1]]
    assert outcome.probability[0, 1].item() == pytest.approx(expected.item(), abs=1e-5)


def test_a_line_for_every_run_of_every_behaviour(tables):
    runs = tables[0].set_index(["behaviour", "run", "method", "edges"])
    assert edits_of("previous") == (
        ("bos", "all"),
        ("mean", "all"),
        ("bos", "previous"),
        ("mean", "previous"),
    )
    for name in ("induction", "previous"):
        clean = runs.loc[name, "clean", "", ""]
        assert clean["top1"] == 1  # by the rule
        assert np.isnan(clean["drop"])
        for method, edges in edits_of(name):
            line = runs.loc[name, "ablated", method.value, edges]
            assert line["drop"] == pytest.approx(clean["probability"] - line["probability"])
            assert line["drop"] > 0.1
            assert line["low"] <= line["drop"] <= line["high"]
    assert runs.loc["indent"].index.tolist() == [("clean", "", "")]
    assert runs.loc["indent"]["prompts"].tolist() == [0]


def test_a_head_of_the_top_layer_matters_at_no_other_position(tables):
    positions = tables[1]
    assert positions.groupby("behaviour")["distance"].agg(list).map(lambda d: d == [*range(1, 17)]).all()
    np.testing.assert_allclose(positions["drop"], 0, atol=1e-6)


def test_no_interval_for_fewer_than_twenty_documents():
    drops = np.array([[0.1, 0.3]] * 20)
    enough = drop_table(drops, np.arange(20) + 5, 50, 0)
    np.testing.assert_allclose(enough[["low", "high"]], [[0.1, 0.1], [0.3, 0.3]], atol=1e-6)
    few = drop_table(drops, np.array([*range(19), 0]), 50, 0)
    assert few["low"].isna().all()
    np.testing.assert_allclose(few["drop"], [0.1, 0.3])
