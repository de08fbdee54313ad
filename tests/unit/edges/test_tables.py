"""Survey and tables of all heads, against sums over all rows."""

import hand_built
import numpy as np
import pytest
import torch

import polyhead.edges.tables as tables_module
from polyhead.attention.behaviours import Context
from polyhead.edges.classes import CLASS_BEHAVIOURS, CLASSES, FIRST, NONE, class_matrix
from polyhead.edges.costs import Fill, Question, cut_only, edge_costs, keep_only
from polyhead.edges.survey import counted, drawn, survey, uniform_masses
from polyhead.edges.tables import COLUMNS, OF_EVERY_HEAD, OF_STUDIED_HEADS, edge_tables, explained_shares
from polyhead.model.head import Head

HEAD, UNIFORM, PROMPTS = Head(1, 0), Head(1, 1), 24
DRAWS = {"n_resamples": 100, "seed": 0}


@pytest.fixture(scope="module")
def model():
    return hand_built.model_with(hand_built.glued_head())


@pytest.fixture(scope="module")
def text():
    return hand_built.real_text(hand_built.names_and_brackets(PROMPTS, 7))


@pytest.fixture(scope="module")
def found(model, text):
    return survey(model, text.contexts(), [UNIFORM, HEAD])


@pytest.fixture(scope="module")
def tables(model, text):
    return edge_tables(model, [Head(0, 1), HEAD, UNIFORM], text, [HEAD], **DRAWS)


@pytest.fixture(scope="module")
def lines(tables):
    return tables.edges[tables.edges["head"] == "1.0"].set_index("edges")


@torch.no_grad()
def test_the_survey_says_what_dominates_and_what_is_mixed_on_average(model, text, found):
    residual = model.residual_before(1, torch.from_numpy(text.prompts).long())
    pattern, values = (side[:, 0] for side in model.layers[1].read(residual, [0]))
    codes = np.stack([class_matrix(context) for context in text.contexts()])
    masses = np.stack([(pattern.numpy() * (codes == code)).sum(-1) for code in range(len(CLASSES))], -1)
    rows = counted(hand_built.CONTEXT)
    assert (rows.start, rows.stop) == (FIRST, hand_built.CONTEXT - 1)
    expected = np.where((masses >= 0.5).any(-1), (masses >= 0.5).argmax(-1), NONE)
    assert found.heads == (HEAD, UNIFORM)
    np.testing.assert_array_equal(found.dominating[0][:, rows], expected[:, rows])
    assert (found.dominating[:, :, :FIRST] == NONE).all()
    assert (found.dominating[:, :, -1] == NONE).all()
    np.testing.assert_allclose(found.mass[0], masses[:, rows].mean((0, 1)), atol=1e-6)
    entropy = -torch.xlogy(pattern, pattern).sum(-1)[:, rows].mean()
    assert found.entropy[0] == pytest.approx(entropy.item(), abs=1e-5)
    np.testing.assert_allclose(found.mean_of(HEAD), (pattern @ values)[:, FIRST:].mean((0, 1)), atol=1e-6)
    assert not found.lines


def test_what_uniform_attention_would_give_is_what_the_uniform_head_does(found):
    shares = [found.share(UNIFORM, name) for name in CLASSES]
    np.testing.assert_allclose(found.uniform, shares, atol=0.01)
    assert found.entropy[1] == pytest.approx(np.mean(np.log(np.arange(FIRST, 71) + 1)), abs=1e-3)


def test_uniform_attention_by_hand():
    tokens = np.array([0, 2, 3, 2])
    codes = torch.from_numpy(class_matrix(Context(tokens, np.full(4, -1), 1, 1))).long()
    masses = uniform_masses(codes)
    expected = {"sink": [1, 1 / 2, 1 / 3, 1 / 4], "current": [0, 1 / 2, 1 / 3, 1 / 4]}
    expected |= {"ambiguous": [0, 0, 0, 1 / 4], "duplicate": [0, 0, 0, 1 / 4], "previous": [0, 0, 1 / 3, 0]}
    for name, values in expected.items():
        np.testing.assert_allclose(masses[:, CLASSES.index(name)], values, rtol=1e-6)
    assert masses.sum() == pytest.approx(4)


def test_two_looks_are_at_different_rows_spread_evenly():
    rows = np.random.default_rng(0).random((20, 30)) < 0.5
    now, later = drawn(rows, 50, 100, seed=3)
    assert (now.sum(), later.sum()) == (50, 100)
    assert not (now & later).any()
    for look, step in ((now, rows.sum() / 50), (now | later, rows.sum() / 150)):
        assert not (look & ~rows).any()
        assert np.abs(np.diff(np.cumsum(rows)[look.ravel()]) - step).max() <= 2
    assert (now != drawn(rows, 50, 100, seed=4)[0]).any()
    for first, more, of_first in ((600, 10, rows.sum()), (50, 600, 50)):
        now, later = drawn(rows, first, more, seed=3)
        assert now.sum() == of_first
        assert ((now | later) == rows).all()


def test_a_studied_head_has_all_classes_and_others_what_a_verdict_needs(tables):
    assert tables.edges.columns.tolist() == COLUMNS
    names = tables.edges.groupby("head")["edges"].apply(tuple).to_dict()
    assert names == {"0.1": OF_EVERY_HEAD, "1.0": OF_STUDIED_HEADS, "1.1": OF_EVERY_HEAD}


def test_shares_are_of_the_rows_that_count_and_masses_sum_to_one(found, lines):
    of_all = lines.loc["all", ["rows", "documents", "share", "uniform", "mass"]]
    assert of_all.tolist() == [24 * 55, 24, 1, 1, 1]
    assert lines.loc[[*CLASSES], "mass"].sum() == pytest.approx(1, abs=1e-5)
    for name in CLASSES:
        rows = found.rows(HEAD, name)
        assert lines.loc[name, "rows"] == rows.sum()
        assert lines.loc[name, "documents"] == rows.any(1).sum()
        assert lines.loc[name, "share"] == pytest.approx(rows.sum() / (24 * 55))
    assert 0.1 < lines.loc["induction", "share"] < 0.2
    low, share, high = lines.loc["induction", ["share_low", "share", "share_high"]]
    assert low < share < high
    assert lines["entropy"].notna().tolist() == [True, *[False] * len(CLASSES)]


def test_costs_are_means_over_the_rows(model, text, found, lines):
    for name in ("all", "induction", "previous", "sink"):
        rows = found.rows(HEAD, name)
        edits = cut_only(name, Fill.MEAN), cut_only(name, Fill.BOS)
        question = Question(HEAD, rows, edits, found.mean_of(HEAD))
        costs = edge_costs(model, text.contexts(), [question])[0]
        assert lines.loc[name, "cost"] == pytest.approx(costs[:, 0].mean(), abs=1e-5)
        assert lines.loc[name, "bos"] == pytest.approx(costs[:, 1].mean(), abs=1e-5)
        assert lines.loc[name, "measured"] == rows.sum()
        by_prompt = np.array([costs[np.nonzero(rows)[0] == prompt, 0].mean() for prompt in range(PROMPTS)])
        error = by_prompt.std() / PROMPTS**0.5
        width = lines.loc[name, "cost_high"] - lines.loc[name, "cost_low"]
        assert width == pytest.approx(2 * 1.96 * error, rel=0.4)


def test_what_is_explained_is_one_minus_the_cost_of_cutting_the_rest(model, text, found, lines, tables):
    line = tables.verdicts.set_index("head").loc["1.0"]
    assert line["behaviours"] == "previous+induction"
    assert line["sink"] == lines.loc["sink", "share"]
    edits = (keep_only(["previous", "induction"], Fill.MEAN),)
    question = Question(HEAD, found.rows(HEAD, "all"), edits, found.mean_of(HEAD))
    rest = edge_costs(model, text.contexts(), [question])[0].mean()
    assert line["explained"] == pytest.approx(1 - rest / lines.loc["all", "cost"], abs=1e-4)
    assert line["explained_low"] <= line["explained"] <= line["explained_high"]


def test_open_behaviours_and_studied_heads_are_measured_on_more_rows(model, text, found, monkeypatch):
    monkeypatch.setattr(tables_module, "needs_more", lambda line: line["edges"] == "induction")
    sizes = {"rows": 60, "more_rows": 45}
    edges = edge_tables(model, [HEAD, UNIFORM], text, [UNIFORM], **sizes, **DRAWS).edges
    edges = edges[edges["measured"].notna()].set_index(["head", "edges"])
    measured = edges["measured"].to_dict()
    of_head = {name: count for (head, name), count in measured.items() if head == "1.0"}
    assert of_head == {"all": 60, "sink": 60, "previous": 60, "induction": 105}
    assert edges.loc["1.0", "bos"].dropna().index.tolist() == ["previous", "induction"]
    assert {count for (head, _), count in measured.items() if head == "1.1"} == {105}
    for head, name in ((HEAD, "induction"), (UNIFORM, "all")):
        rows = np.logical_or(*drawn(found.rows(head, name), 60, 45, seed=0))
        question = Question(head, rows, (cut_only(name, Fill.MEAN),), found.mean_of(head))
        cost = edge_costs(model, text.contexts(), [question])[0].mean()
        assert edges.loc[(str(head), name), "cost"] == pytest.approx(cost, abs=1e-5)


def test_only_classes_that_are_asked_for_have_a_cost(model, text):
    edges = edge_tables(model, [HEAD], text, cut=["induction"], **DRAWS).edges
    assert edges[edges["cost"].notna()]["edges"].tolist() == ["induction"]


def test_only_some_rows_are_measured_and_rare_classes_not_at_all(model, text, lines):
    edges = edge_tables(model, [HEAD], text, [HEAD], rows=150, **DRAWS).edges.set_index("edges")
    assert edges.loc["all", "measured"] == edges.loc["sink", "measured"] == 150
    assert edges.loc["sink", "cost"] == pytest.approx(lines.loc["sink", "cost"], abs=0.05)
    unchanged = ["rows", "documents", "share", "share_low", "mass", "entropy", "uniform"]
    np.testing.assert_allclose(edges[unchanged].astype(float), lines[unchanged].astype(float))
    assert edges.loc["other", "share"] < 0.005
    assert edges.loc["other", ["cost", "cost_low", "bos", "measured"]].isna().all()


def test_line_starts_and_indents_are_not_asked_for_where_no_token_breaks_a_line(tables):
    asked = tables.edges[tables.edges["edges"].isin(CLASS_BEHAVIOURS)]
    unasked = asked["edges"].isin(["line_start", "indent"])
    assert (asked.loc[unasked, "does"] == "not asked").all()
    assert asked.loc[~unasked, "does"].isin(["yes", "no"]).all()
    assert tables.edges.loc[~tables.edges["edges"].isin(CLASS_BEHAVIOURS), "does"].isna().all()


def test_prompts_without_a_row_that_counts_leave_everything_open(model):
    text = hand_built.real_text(hand_built.names_and_brackets(2, 0)[:, :17])
    tables = edge_tables(model, [HEAD], text, [HEAD], **DRAWS)
    assert (tables.edges["rows"] == 0).all()
    assert tables.edges[["share", "cost"]].isna().all(axis=None)
    assert tables.verdicts["verdict"].tolist() == ["undecided"]
    assert np.isfinite(tables.survey.mean_of(HEAD)).all()


def test_explained_shares_by_hand():
    counts, whole = np.full((30, 1), 10.0), np.full((30, 1), 4.0)
    [found] = explained_shares(whole, whole / 4, counts, **DRAWS).to_numpy()
    assert found == pytest.approx(0.75)
    for worthless in (-whole, whole * 0):
        assert explained_shares(worthless, whole, counts, **DRAWS).isna().all(axis=None)
    assert explained_shares(whole[:19], whole[:19], counts[:19], **DRAWS).isna().all(axis=None)
    both = [np.hstack(sides) for sides in ((whole, -whole), (whole / 4, whole), (counts, counts))]
    assert explained_shares(*both, **DRAWS)["explained"].isna().tolist() == [False, True]
