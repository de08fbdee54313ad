"""Survey, thinning and the full table of one head, against sums over all rows."""

import hand_built
import numpy as np
import pandas as pd
import pytest
import torch

from polyhead.ablation import edge_tables
from polyhead.ablation.edge_costs import Fill, Question, cut_only, edge_costs, keep_only
from polyhead.ablation.edge_profile import explained_shares, profile_heads, sums_by_cluster
from polyhead.ablation.edge_survey import RealText, counted, survey, thinned
from polyhead.ablation.edge_tables import context_matrix, head_edge_costs
from polyhead.ablation.verdict import verdict_table
from polyhead.attention.edge_classes import CLASSES, FIRST, NONE, class_matrix
from polyhead.model.head import Head
from polyhead.prompts.clusters import Clusters

HEAD = Head(1, 0)


@pytest.fixture(scope="module")
def model():
    return hand_built.model_with(hand_built.glued_head())


@pytest.fixture(scope="module")
def text():
    return hand_built.real_text(hand_built.names_and_brackets(24, 7))


@pytest.fixture(scope="module")
def found(model, text):
    return survey(model, text.contexts(), [Head(1, 1), HEAD])


@pytest.fixture(scope="module")
def table(model, text, found):
    return head_edge_costs(model, found, text, n_resamples=100, seed=0)[HEAD]


@torch.no_grad()
def test_the_survey_says_what_dominates_and_what_is_written_on_average(model, text, found):
    residual = model.residual_before(1, torch.from_numpy(text.prompts).long())
    pattern, values = model.layers[1].pattern(residual, [0])[:, 0], model.layers[1].values(residual, 0)
    codes = np.stack([class_matrix(context) for context in text.contexts()])
    masses = np.stack([(pattern.numpy() * (codes == code)).sum(-1) for code in range(len(CLASSES))], -1)
    rows = counted(hand_built.CONTEXT)
    assert (rows.start, rows.stop) == (FIRST, hand_built.CONTEXT - 1)
    expected = np.where((masses >= 0.5).any(-1), (masses >= 0.5).argmax(-1), NONE)
    assert found.heads == (HEAD, Head(1, 1))
    np.testing.assert_array_equal(found.dominating[0][:, rows], expected[:, rows])
    assert (found.dominating[:, :, :FIRST] == NONE).all()
    assert (found.dominating[:, :, -1] == NONE).all()
    np.testing.assert_allclose(found.mass[0], masses[:, rows].mean((0, 1)), atol=1e-6)
    np.testing.assert_allclose(found.mean_of(HEAD), (pattern @ values)[:, FIRST:].mean((0, 1)), atol=1e-6)


def test_shares_are_of_the_rows_that_count(found):
    shares = {name: found.share(HEAD, name) for name in CLASSES}
    assert shares["previous"] == pytest.approx(found.rows(HEAD, "previous").sum() / (24 * 55))
    assert 0.1 < shares["induction"] < 0.2
    assert shares["rest"] > 0.5
    assert found.share(HEAD, "all") == 1


def test_prompts_without_a_row_that_counts_leave_everything_open(model):
    text = hand_built.real_text(hand_built.names_and_brackets(2, 0)[:, :17])
    profile = profile_heads(model, [HEAD], text, n_resamples=20, seed=0)
    assert (profile.costs["rows"] == 0).all()
    assert profile.costs[["share", "cost"]].isna().all(axis=None)
    assert verdict_table(profile.costs, profile.explained)["verdict"].tolist() == ["undecided"]
    found = survey(model, text.contexts(), [HEAD])
    assert np.isfinite(found.mean_of(HEAD)).all()
    table = head_edge_costs(model, found, text, n_resamples=20, seed=0)[HEAD]
    assert table.empty
    assert context_matrix(table).empty


def test_thinning_draws_that_many_of_the_rows():
    rows = np.random.default_rng(0).random((20, 30)) < 0.5
    kept = thinned(rows, 50, seed=3)
    assert kept.sum() == 50
    assert not (kept & ~rows).any()
    assert (kept != thinned(rows, 50, seed=4)).any()
    assert thinned(rows, 600, seed=3) is rows


def lines(table, kind, method="mean"):
    return table[(table["rows_dominated_by"] == kind) & (table["method"] == method)].set_index("edges")


@pytest.mark.parametrize("method", list(Fill))
def test_costs_are_means_over_the_rows(model, text, found, table, method):
    edits = (cut_only("all", method), cut_only("induction", method), keep_only(["induction"], method))
    for kind in ("all", "induction", "previous"):
        rows = found.rows(HEAD, kind)
        question = Question(HEAD, rows, edits, found.mean_of(HEAD))
        whole, cut, kept = edge_costs(model, text.contexts(), [question])[0].costs.mean(0)
        part = lines(table, kind, method)
        assert part.loc["all", "cost"] == pytest.approx(whole, abs=1e-5)
        assert part.loc["induction", "cost"] == pytest.approx(cut, abs=1e-5)
        assert (part["rows"] == rows.sum()).all()
        assert (part["measured"] == rows.sum()).all()
        assert part.loc["induction", "kept"] == pytest.approx(1 - kept / whole, abs=1e-4)
        assert part.loc["all", "kept"] == 1


def test_masses_of_the_classes_are_those_of_the_rows(table):
    for kind in ("all", "induction", "rest"):
        masses = lines(table, kind)["mass"]
        assert masses["all"] == 1
        assert masses[list(CLASSES)].sum() == pytest.approx(1, abs=1e-5)
    assert lines(table, "induction").loc["induction", "mass"] > 0.9


def test_what_is_kept_is_empty_where_the_whole_row_costs_nothing_for_sure(table):
    resting = lines(table, "rest")
    assert abs(resting.loc["all", "cost"]) < 0.2
    assert resting["kept"].isna().all() == (not resting.loc["all", "low"] > 0)
    assert lines(table, "previous")["kept"].notna().all()


def test_each_measured_row_stands_for_as_many_as_it_was_drawn_from(model, text, found, table, monkeypatch):
    monkeypatch.setattr(edge_tables, "MOST_ROWS", 150)
    thin = head_edge_costs(model, found, text, n_resamples=50, seed=1)[HEAD]
    assert lines(thin, "rest").loc["all", "measured"] == 150
    assert lines(thin, "all").loc["all", "measured"] < lines(table, "all").loc["all", "measured"]
    for column, within in (("cost", 0.05), ("mass", 0.01), ("rows", 0), ("documents", 0), ("share", 0)):
        for edges in ("all", "induction", "previous"):
            full = lines(table, "all").loc[edges, column]
            assert lines(thin, "all").loc[edges, column] == pytest.approx(full, abs=within)


def test_documents_and_packages_are_the_units_of_the_intervals(model, text, found):
    codes = np.repeat(np.arange(24)[:, None], hand_built.CONTEXT, 1)
    packages = RealText(text.prompts, text.vocabulary, text.window, Clusters(codes, codes // 2))
    part = lines(head_edge_costs(model, found, packages, n_resamples=100, seed=0)[HEAD], "all")
    assert (part["documents"] == 24).all()
    assert part["low"].notna().all()
    assert part["package_low"].isna().all()  # of 12 packages no interval
    same = RealText(text.prompts, text.vocabulary, text.window, Clusters(codes, codes))
    part = lines(head_edge_costs(model, found, same, n_resamples=100, seed=0)[HEAD], "all")
    np.testing.assert_allclose(part["low"], part["package_low"])


def test_sums_by_cluster_by_hand():
    values = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert sums_by_cluster(values, np.array([2, 0, 2]), 4).tolist() == [[3, 4], [0, 0], [6, 8], [0, 0]]


def test_explained_shares_by_hand():
    counts = np.full((30, 3), 10.0)
    sums = np.full((30, 3), [4.0, 1.0, 3.0])
    first, second = explained_shares(sums, counts, 300, n_resamples=50, seed=0)
    assert first["whole"] == pytest.approx(0.4)
    assert (first["explained"], second["explained"]) == (pytest.approx(0.75), pytest.approx(0.25))
    assert first["explained_low"] == pytest.approx(0.75)
    for worthless in (-sums, sums * 0):
        none, _ = explained_shares(worthless, counts, 300, n_resamples=50, seed=0)
        assert np.isnan(none["explained"])
    few, _ = explained_shares(sums[:19], counts[:19], 190, n_resamples=50, seed=0)
    assert np.isnan(few["explained"])


def test_pairs_with_too_few_rows_get_no_cost(model, text):
    costs = profile_heads(model, [HEAD, Head(0, 1)], text, n_resamples=50, seed=0, most_rows=100).costs
    by_pair = costs.set_index(["head", "edges"])
    assert by_pair.loc[("1.0", "indent"), "measured"] == 0
    assert by_pair.loc[("1.0", "indent"), ["cost", "low", "bos", "rescaled"]].isna().all()
    assert by_pair.loc[("1.0", "previous"), "measured"] == 100
    assert by_pair.loc[("1.0", "previous"), "rows"] > 200
    assert (by_pair.loc["1.0", "rest"] > 0.5).all()
    assert by_pair["cost"].notna().sum() == 2


def test_a_model_none_of_whose_heads_has_a_candidate(model, text):
    profile = profile_heads(model, [Head(0, 1)], text, n_resamples=50, seed=0)
    assert profile.costs["cost"].isna().all()
    assert profile.contexts.empty
    assert profile.explained.empty
    assert isinstance(profile.explained, pd.DataFrame)
