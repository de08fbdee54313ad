"""What must come out: heads that are known by construction get the verdict that they deserve."""

import hand_built
import numpy as np
import pytest
import torch
from toys import random_state

from polyhead.ablation.edge_profile import profile_heads
from polyhead.ablation.edge_survey import survey
from polyhead.ablation.edge_tables import context_matrix, head_edge_costs
from polyhead.ablation.verdict import verdict_table
from polyhead.model.head import Head, all_heads
from polyhead.model.transformer import from_state

TESTED, UNIFORM = "1.0", "1.1"


def verdicts(model, prompts):
    heads = all_heads(model.n_layers, model.n_heads)
    profile = profile_heads(model, heads, hand_built.real_text(prompts), n_resamples=200, seed=0)
    return verdict_table(profile.costs, profile.explained).set_index("head"), profile


@pytest.fixture(scope="module")
def glued():
    model, prompts = hand_built.model_with(hand_built.glued_head()), hand_built.names_and_brackets(60, 3)
    return model, prompts, *verdicts(model, prompts)


def test_the_glued_head_predicts_both_kinds_of_next_token(glued):
    model, prompts, *_ = glued
    first = model(torch.from_numpy(prompts).long())[:, :-1].argmax(-1).numpy()
    for tokens in (hand_built.NAMES, hand_built.BRACKETS):
        rows = np.isin(prompts[:, 40:-1], tokens)
        assert (first[:, 40:] == prompts[:, 41:])[rows].mean() > 0.85


def test_two_heads_glued_into_one_are_polysemantic_with_rest(glued):
    line = glued[2].loc[TESTED]
    assert line["verdict"] == line["verdict_halved"] == line["verdict_doubled"] == "polysemantic"
    assert line["behaviours"] == "previous+induction"
    assert line["with_rest"]
    assert line["explained"] > 0.9
    assert not line["mostly_unexplained"]
    assert line["smallest_cost"] > 0.5


def test_each_of_the_two_matters_in_its_own_context(glued):
    model, prompts, _, profile = glued
    text = hand_built.real_text(prompts)
    found = survey(model, text.contexts(), [Head(1, 0)])
    costs = head_edge_costs(model, found, text, n_resamples=50, seed=0)[Head(1, 0)]
    for table in (profile.contexts[profile.contexts["head"] == TESTED], context_matrix(costs)):
        matrix = table.pivot(index="rows_dominated_by", columns="edges", values="cost")
        for name, other in (("previous", "induction"), ("induction", "previous")):
            assert matrix.loc[name, name] > 0.5
            assert abs(matrix.loc[name, other]) < 0.01


def test_a_head_of_uniform_attention_does_nothing(glued):
    line = glued[2].loc[UNIFORM]
    assert line["verdict"] == "none"
    assert line["behaviours"] == ""
    assert np.isnan(line["explained"])
    assert not line["with_rest"]


def test_a_head_that_attends_to_copies_of_its_token_does_one_thing():
    model = hand_built.model_with(hand_built.duplicate_head())
    table, _ = verdicts(model, hand_built.round_and_round(40, 5))
    line = table.loc[TESTED]
    assert (line["verdict"], line["behaviours"]) == ("one behaviour", "duplicate")
    assert line["duplicate_cost"] > 0.5
    assert line["explained"] > 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_an_untrained_model_has_no_head_that_does_anything(seed):
    sizes = {"n_layers": 2, "n_heads": 2, "d_model": 32, "d_head": 16, "n_ctx": hand_built.CONTEXT}
    state = random_state(**sizes, d_vocab=hand_built.WORDS, seed=seed)
    for name, weight in state.items():
        if ".attn." in name:
            weight.mul_(0.3)
    table, _ = verdicts(from_state(state, 2, 1e-5), hand_built.names_and_brackets(40, seed))
    assert (table["verdict"] == "none").all()


def test_few_documents_leave_it_undecided():
    model = hand_built.model_with(hand_built.glued_head())
    table, profile = verdicts(model, hand_built.names_and_brackets(12, 3))
    assert table.loc[TESTED, "verdict"] == "undecided"
    assert table.loc[TESTED, "undecided"] == "previous+induction"
    measured = profile.costs[(profile.costs["head"] == TESTED) & (profile.costs["measured"] > 0)]
    assert measured[["low", "high", "joint_low", "joint_high"]].isna().all(axis=None)
    assert measured["cost"].notna().all()
