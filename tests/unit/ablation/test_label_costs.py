"""What rows of each label write and are worth: against other ways to compute the same, and by hand."""

import hand_built
import numpy as np
import pandas as pd
import pytest
import torch

from polyhead.ablation import label_costs as module
from polyhead.ablation.edge_costs import Fill, Question, cut_only, edge_costs
from polyhead.ablation.edge_survey import counted, survey
from polyhead.ablation.label_costs import (
    AT_BOS,
    EACH,
    Intervals,
    label_costs,
    rows_by_label,
    stands_for,
    written_lengths,
)
from polyhead.ablation.real_text import effect_rows
from polyhead.attention.edge_classes import CLASSES, FIRST
from polyhead.model.head import Head

HEAD, UNIFORM = Head(1, 0), Head(1, 1)
TAXONOMIES = ["post", "extended"]
PROMPTS = 24


@pytest.fixture(scope="module")
def model():
    return hand_built.model_with(hand_built.glued_head())


@pytest.fixture(scope="module")
def text():
    return hand_built.real_text(hand_built.names_and_brackets(PROMPTS, 7))


@pytest.fixture(scope="module")
def means(model, text):
    found = survey(model, text.contexts(), [HEAD, UNIFORM])
    return {head: found.mean_of(head) for head in (HEAD, UNIFORM)}


@pytest.fixture(scope="module")
def labels(text):
    """Label rows by their destination token; `extended` leaves only the rows of names unknown."""
    prompt, position = np.indices(text.prompts.shape)[:, :, 1:].reshape(2, -1)
    token = text.prompts[prompt, position]
    names, brackets = (np.isin(token, list(some)) for some in (hand_built.NAMES, hand_built.BRACKETS))
    post = np.select([names, brackets], ["unknown", "previous"], "inactive")
    extended = np.where(names, "unknown", "current")
    columns = {"prompt": prompt, "position": position, "post": post, "extended": extended}
    return pd.DataFrame(columns).astype({"post": "category", "extended": "category"})


@pytest.fixture(scope="module")
def tables(model, text, labels, means):
    of_heads = {HEAD: labels, UNIFORM: labels}
    return label_costs(model, text, of_heads, means, TAXONOMIES, Intervals(PROMPTS, 100, 0))


def costs(table, label):
    return table[table["label"] == label].set_index("method")["cost"]


def test_the_rows_of_a_label_are_destinations_that_count(text, labels):
    found = rows_by_label(labels, "post", text.prompts.shape)
    assert next(iter(found)) == "inactive"
    assert set(found) == {"inactive", "previous", "unknown"}
    every = np.sum(list(found.values()), 0)
    counts = counted(text.prompts.shape[1])
    assert (every[:, counts] == 1).all()
    assert every.sum() == PROMPTS * (counts.stop - counts.start)
    for name, tokens in (("unknown", hand_built.NAMES), ("previous", hand_built.BRACKETS)):
        assert np.isin(text.prompts[found[name]], list(tokens)).all()
    assert list(rows_by_label(labels, "post", text.prompts.shape, ["unknown"])) == ["unknown"]
    assert rows_by_label(labels, "post", text.prompts.shape, ["eos"]) == {}


@torch.no_grad()
def test_lengths_and_distances_are_those_of_what_is_written_relative_to_the_mean(model, text, means):
    found = written_lengths(model, text.contexts(), means)
    residual = model.residual_before(1, torch.from_numpy(text.prompts).long())
    for head in (HEAD, UNIFORM):
        z = model.layers[1].pattern(residual, [head.number])[:, 0] @ model.layers[1].values(
            residual, head.number
        )
        output = model.layers[1].write_head(torch.eye(z.shape[-1])[None], head.number)[0]
        mean = torch.from_numpy(means[head]) @ output
        usual = float((mean**2).sum() ** 0.5)
        for prompt, dest in ((0, 0), (3, 20), (PROMPTS - 1, 50)):
            written = z[prompt, dest] @ output
            assert found[head].norm[prompt, dest] == pytest.approx(
                float((written**2).sum() ** 0.5) / usual, abs=1e-5
            )
            distance = float(((written - mean) ** 2).sum() ** 0.5)
            assert found[head].distance[prompt, dest] == pytest.approx(distance / usual, abs=1e-5)


def test_a_three_and_a_four_are_as_long_as_a_five():
    norm, distance = module._lengths(torch.tensor([[3.0, 4.0], [0.0, 5.0]]), torch.tensor([[0.0, 5.0]]))
    assert norm.tolist() == [1, 1]
    assert distance.tolist() == pytest.approx([10**0.5 / 5, 0])
    assert module._lengths(torch.ones(1, 2), torch.zeros(1, 2)).isnan().all()


def test_the_cost_by_bos_is_that_of_the_ablation_of_real_text(model, text, labels, tables):
    effects = effect_rows(model, text.prompts, *HEAD).merge(labels, on=["prompt", "position"])
    effects = effects[effects["position"] >= FIRST]
    resting = tables[HEAD][0]
    for name, delta in effects.groupby("post", observed=True)["delta_logprob"]:
        assert costs(resting, name)["bos"] == pytest.approx(-delta.mean(), abs=1e-4)
    assert costs(resting, "all")["bos"] == pytest.approx(-effects["delta_logprob"].mean(), abs=1e-4)
    assert costs(resting, "unknown")["bos"] > 0.1


def test_zero_is_nothing_in_the_place_of_the_row(model, text, labels, means, tables):
    rows = rows_by_label(labels, "post", text.prompts.shape)["unknown"]
    question = Question(HEAD, rows, (cut_only("all", Fill.RESCALED),), means[HEAD])
    nothing_left = edge_costs(model, text.contexts(), [question])[0].costs.mean()
    found = costs(tables[HEAD][0], "unknown")
    assert found["zero"] == pytest.approx(nothing_left, abs=1e-3)
    assert found["zero"] != pytest.approx(found["mean"], abs=1e-2)


def test_what_the_head_writes_at_bos_has_a_line_without_a_cost(model, text, means, tables):
    line = tables[HEAD][0].set_index("label").loc[AT_BOS]
    assert (line["rows"], line["documents"], line["method"]) == (PROMPTS, PROMPTS, "")
    assert np.isnan(line["cost"])
    lengths = written_lengths(model, text.contexts(), means)[HEAD]
    assert line["norm"] == pytest.approx(lengths.norm[:, 0].mean())
    assert line["distance"] == pytest.approx(lengths.distance[:, 0].mean())


def test_every_label_has_a_line_for_each_method(tables):
    resting = tables[UNIFORM][0]
    some = resting[resting["label"] != AT_BOS]
    assert some["label"].tolist()[:3] == ["all"] * 3
    assert some.groupby("label")["method"].agg(list).tolist() == [["mean", "bos", "zero"]] * 4
    assert (some["low"] < some["cost"]).all()
    assert (some["norm_low"] <= some["norm"] + 1e-9).all()
    by_label = some[some["method"] == "mean"].set_index("label")
    assert by_label.loc["all", "rows"] == by_label["rows"].drop("all").sum()
    for column in ("norm", "cost"):
        weighted = (by_label[column] * by_label["rows"]).drop("all").sum() / by_label.loc["all", "rows"]
        assert by_label.loc["all", column] == pytest.approx(weighted, abs=1e-6)


def test_unknown_rows_are_taken_apart_by_class(model, text, labels, means, tables):
    unknown = tables[HEAD][1]
    assert unknown["taxonomy"].tolist() == [name for name in TAXONOMIES for _ in EACH]
    part = unknown[unknown["taxonomy"] == "post"].set_index("edges")
    assert part.loc["all", "mass"] == 1
    assert part.loc[list(CLASSES), "mass"].sum() == pytest.approx(1, abs=1e-5)
    rows = rows_by_label(labels, "post", text.prompts.shape)["unknown"]
    edits = tuple(cut_only(name, Fill.MEAN) for name in ("all", "induction"))
    answer = edge_costs(model, text.contexts(), [Question(HEAD, rows, edits, means[HEAD])])[0]
    assert part.loc[["all", "induction"], "cost"].tolist() == pytest.approx(answer.costs.mean(0).tolist())
    assert part.loc["induction", "mass"] == pytest.approx(answer.masses[:, CLASSES.index("induction")].mean())
    assert part.loc["induction", "mass"] > 0.5
    assert (part["rows"] == rows.sum()).all()
    assert part.loc["induction", "cost"] > 0.1
    assert part.loc["induction", "low"] > 0


def test_each_measured_row_stands_for_as_many_as_it_was_drawn_from(
    model, text, labels, means, tables, monkeypatch
):
    monkeypatch.setattr(module, "MOST_ROWS", 120)
    thin = label_costs(model, text, {HEAD: labels}, means, TAXONOMIES, Intervals(PROMPTS, 50, 1))[HEAD][0]
    full = tables[HEAD][0]
    assert thin["measured"].tolist()[0] == 360
    pd.testing.assert_series_equal(thin["rows"], full["rows"])
    pd.testing.assert_series_equal(thin["norm"], full["norm"])
    by_label = thin[thin["method"] == "bos"].set_index("label")
    weighted = (by_label["cost"] * by_label["rows"]).drop("all").sum() / by_label.loc["all", "rows"]
    assert by_label.loc["all", "cost"] == pytest.approx(weighted)
    assert by_label.loc["all", "cost"] != pytest.approx(by_label["cost"].drop("all").mean(), abs=1e-3)


def test_weights_by_hand():
    many, few = np.array([[True, True, True, False]]), np.array([[False, False, False, True]])
    measured = np.array([[True, False, False, True]])
    assert stands_for({"a": many, "b": few}, measured).tolist() == [3, 1]


def test_prompts_without_a_row_that_counts_give_empty_tables(model, labels, means):
    text = hand_built.real_text(hand_built.names_and_brackets(2, 0)[:, :17])
    some = labels[(labels["prompt"] < 2) & (labels["position"] < 17)]
    found = label_costs(model, text, {HEAD: some}, means, TAXONOMIES, Intervals(2, 20, 0))
    assert all(table.empty for table in found[HEAD])
