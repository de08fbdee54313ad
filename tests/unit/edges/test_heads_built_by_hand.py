"""What must come out: heads that are known by construction get the verdict that they deserve."""

import hand_built
import numpy as np
import pytest
import torch
from toys import random_state

from polyhead.edges.costs import Fill, Question, cut_only, edge_costs
from polyhead.edges.tables import edge_tables
from polyhead.model.head import Head, all_heads
from polyhead.model.transformer import from_state

TESTED, UNIFORM = "1.0", "1.1"


def tables_of(model, prompts):
    heads = all_heads(model.n_layers, model.n_heads)
    return edge_tables(model, heads, hand_built.real_text(prompts), n_resamples=200, seed=0)


def lines_of(tables, head):
    edges = tables.edges[tables.edges["head"] == head].set_index("edges")
    return edges, tables.verdicts.set_index("head").loc[head]


@pytest.fixture(scope="module")
def glued():
    model, prompts = hand_built.model_with(hand_built.glued_head()), hand_built.names_and_brackets(60, 3)
    return model, prompts, tables_of(model, prompts)


def test_the_glued_head_predicts_both_kinds_of_next_token(glued):
    model, prompts, _ = glued
    first = model(torch.from_numpy(prompts).long())[:, :-1].argmax(-1).numpy()
    for tokens in (hand_built.NAMES, hand_built.BRACKETS):
        rows = np.isin(prompts[:, 40:-1], tokens)
        assert (first[:, 40:] == prompts[:, 41:])[rows].mean() > 0.85


def test_two_heads_glued_into_one_are_polysemantic_beside_a_sink(glued):
    edges, line = lines_of(glued[2], TESTED)
    assert line["verdict"] == "polysemantic"
    assert line["behaviours"] == "previous+induction"
    assert line["sink"] > 0.5
    assert line["explained"] > 0.9
    assert (edges.loc[["previous", "induction"], "cost"] > 0.5).all()


def test_each_of_the_two_matters_in_its_own_context(glued):
    model, prompts, tables = glued
    found, names = tables.survey, ("previous", "induction")
    for rows in names:
        edits = tuple(cut_only(name, Fill.MEAN) for name in names)
        question = Question(Head(1, 0), found.rows(Head(1, 0), rows), edits, found.mean_of(Head(1, 0)))
        [answer] = edge_costs(model, hand_built.real_text(prompts).contexts(), [question])
        for name, cost in zip(names, answer.mean(0), strict=True):
            assert cost > 0.5 if name == rows else abs(cost) < 0.01


def test_a_head_of_uniform_attention_does_nothing(glued):
    _, line = lines_of(glued[2], UNIFORM)
    assert (line["verdict"], line["behaviours"], line["sink"]) == ("none", "", 0)
    assert np.isnan(line["explained"])


def test_a_head_that_attends_to_copies_of_its_token_does_one_thing():
    model = hand_built.model_with(hand_built.duplicate_head())
    edges, line = lines_of(tables_of(model, hand_built.round_and_round(40, 5)), TESTED)
    assert (line["verdict"], line["behaviours"]) == ("one", "duplicate")
    assert edges.loc["duplicate", "cost"] > 0.5
    assert line["explained"] > 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_an_untrained_model_has_no_head_that_does_anything(seed):
    sizes = {"n_layers": 2, "n_heads": 2, "d_model": 32, "d_head": 16, "n_ctx": hand_built.CONTEXT}
    state = random_state(**sizes, d_vocab=hand_built.WORDS, seed=seed)
    for name, weight in state.items():
        if ".attn." in name:
            weight.mul_(0.3)
    tables = tables_of(from_state(state, 2, 1e-5), hand_built.names_and_brackets(40, seed))
    assert (tables.verdicts["verdict"] == "none").all()


def test_few_documents_leave_it_undecided():
    model = hand_built.model_with(hand_built.glued_head())
    edges, line = lines_of(tables_of(model, hand_built.names_and_brackets(12, 3)), TESTED)
    assert (line["verdict"], line["behaviours"]) == ("undecided", "")
    assert edges.loc[["previous", "induction"], "does"].tolist() == ["undecided", "undecided"]
    measured = edges[edges["measured"] > 0]
    assert measured[["cost_low", "cost_high", "share_low", "share_high"]].isna().all(axis=None)
    assert measured["cost"].notna().all()
