"""Tables of section 2 by hand, and the controls against plain runs."""

import numpy as np
import pytest
import torch
from test_patching import plain_run, toy

from polyhead.ablation.controls import attention_at_destination, behaviour_mass, head_controls, tasks_by_heads
from polyhead.ablation.patching import Outcome, replacement, without_edge
from polyhead.ablation.tables import outcome_table, positions_table, runs_table
from polyhead.attention.labels import Definitions
from polyhead.model.head import Head
from polyhead.prompts.templates import Task
from polyhead.stats import mean_intervals, ratio_intervals, share_interval

LABELS = [f"t{i}" for i in range(400)]


def task(destination=3, attended=2, behaviour=("previous",)):
    tokens = np.array([[0, 7, 8, 9], [0, 17, 18, 19], [0, 7, 28, 29]])
    answers = np.array([5, 6, 7])
    return Task("toy", "Toy", list(behaviour), destination, attended, [1], tokens, answers)


@pytest.fixture
def outcomes():
    """Clean: answer first in two prompts of three; at the destination in none; elsewhere nothing changes."""
    probability = torch.tensor([[0.8, 0.8, 0.8, 0.2], [0.6, 0.6, 0.6, 0.3], [0.1, 0.1, 0.1, 0.1]])
    rank = torch.tensor([[0, 0, 0, 2], [0, 0, 0, 1], [4, 4, 4, 5]])
    return outcome_table(task(), Outcome(probability, rank), "bos")


def test_one_line_per_prompt_and_run(outcomes):
    assert " ".join(outcomes.columns) == "prompt method position token answer probability rank"
    assert outcomes["position"].tolist() == [-1, 1, 2, 3] * 3
    assert outcomes["token"].tolist() == [-1, 7, 8, 9, -1, 17, 18, 19, -1, 7, 28, 29]
    assert outcomes["answer"].tolist() == [5] * 4 + [6] * 4 + [7] * 4


def test_clean_and_ablated(outcomes):
    table = runs_table([(task(), outcomes)], n_resamples=300, seed=0).set_index("run")
    assert table["prompts"].tolist() == [3, 3]
    np.testing.assert_allclose(table["top1"], [2 / 3, 0])
    np.testing.assert_allclose(table["mean_probability"], [0.5, 0.2], rtol=1e-6)
    low, high = table.loc["clean", ["mean_probability_low", "mean_probability_high"]]
    assert 0.1 <= low < 0.5 < high <= 0.8 + 1e-6
    assert table.loc["ablated", "top1_high"] > 0.5  # three prompts prove little


def test_what_the_ablation_takes_away_is_paired(outcomes):
    """Drops 0.6, 0.3, 0 of probability and 1, 1, 0 of first choices."""
    table = runs_table([(task(), outcomes)], n_resamples=300, seed=0).set_index("run")
    clean, ablated = table.loc["clean"], table.loc["ablated"]
    assert ablated["drop"] == pytest.approx(0.3)
    assert ablated["top1_drop"] == pytest.approx(2 / 3)
    assert clean[["drop", "drop_low", "drop_high", "top1_drop", "top1_drop_low"]].isna().all()
    paired = mean_intervals(np.array([[0.6, 1], [0.3, 1], [0, 0]]), 300, 0)
    sides = [[ablated[f"{name}_{side}"] for name in ("drop", "top1_drop")] for side in ("low", "high")]
    np.testing.assert_allclose(sides, paired, atol=1e-6)


def test_prompts_are_paired_by_number_not_by_line(outcomes):
    shuffled = outcomes.sample(frac=1, random_state=3)
    tables = [runs_table([(task(), table)], n_resamples=100, seed=0) for table in (outcomes, shuffled)]
    assert tables[0].loc[1, "drop"] == pytest.approx(tables[1].loc[1, "drop"])
    assert tables[0].loc[1, "top1_drop"] == pytest.approx(tables[1].loc[1, "top1_drop"])


def test_drop_by_position(outcomes):
    table = positions_table([(task(), outcomes)], LABELS, n_resamples=300, seed=0)
    assert table["token_label"].tolist() == ["t7", "t8", "t9"]
    assert table["role"].tolist() == ["slot", "attended", "destination"]
    np.testing.assert_allclose(table["drop"], [0, 0, 0.3], atol=1e-6)
    np.testing.assert_allclose(table["mean_probability"], [0.5, 0.5, 0.2], rtol=1e-6)
    assert (table["drop_low"] <= table["drop"]).all()
    assert (table["drop_high"] >= table["drop"]).all()
    assert table["drop_low"].iloc[2] >= 0  # paired: no prompt gains


def test_intervals_by_hand():
    same = np.full((5, 1), 0.25)
    np.testing.assert_allclose(mean_intervals(same, 50, 0), [[0.25], [0.25]])
    np.testing.assert_allclose(ratio_intervals(same * 2, same * 8, 50, 0), [[0.25], [0.25]], rtol=1e-6)
    # Wilson for 8 of 10, as published: 0.490 to 0.943
    np.testing.assert_allclose(share_interval(np.arange(10) < 8), [0.490, 0.943], atol=5e-4)
    assert share_interval(np.ones(50, bool))[0] < 0.95


def full_drop(model, chosen, layer, head, edit):
    tokens = torch.from_numpy(chosen.tokens)
    answers = torch.from_numpy(chosen.answers)[:, None]
    clean = plain_run(model, tokens).gather(1, answers)
    ablated = plain_run(model, tokens, layer, head, chosen.destination, edit).gather(1, answers)
    return (clean - ablated)[:, 0].numpy()


@pytest.mark.parametrize("destination", [2, 3])
def test_every_head_against_full_runs(destination):
    model, chosen = toy(), task(destination, attended=1)
    table = tasks_by_heads(model, [chosen], n_resamples=20, seed=0).set_index("head")
    assert table.index.tolist() == [f"{layer}.{head}" for layer in range(3) for head in range(3)]
    for name, row in table.iterrows():
        layer, head = Head.parse(name)
        drops = full_drop(model, chosen, layer, head, lambda pattern: replacement(pattern, "bos"))
        assert row["drop"] == pytest.approx(drops.mean(), abs=1e-5)
        assert row["low"] - 1e-9 <= row["drop"] <= row["high"] + 1e-9
        pattern = model.layers[layer].pattern(model.residual_before(layer, torch.from_numpy(chosen.tokens)))
        assert row["attention"] == pytest.approx(pattern[:, head, destination, 1].mean().item(), abs=1e-6)
    assert (table["drop"].abs() > 1e-4).any()


def test_controls_of_a_head_against_full_runs(vocabulary):
    model, chosen = toy(), task()
    table = head_controls(
        model, vocabulary, chosen, Head(1, 2), Definitions(window=1, threshold=0.95), n_resamples=20, seed=0
    )
    found = table.set_index(["control", "quantity"])["value"]
    rows = attention_at_destination(model, chosen, [(1, 2)])[:, 0]
    assert found["attention", "mean"] == pytest.approx(rows[:, 2].mean().item(), abs=1e-6)
    assert found["attention", "share"] == (rows.argmax(1) == 2).float().mean()
    assert found["behaviour", "mean"] == pytest.approx(found["attention", "mean"])  # window 1: the same token
    for control, edit in (
        ("head", lambda pattern: replacement(pattern, "bos")),
        ("edge", lambda pattern: without_edge(pattern, 2)),
    ):
        expected = full_drop(model, chosen, 1, 2, edit).mean()
        assert found[control, "drop"] == pytest.approx(expected, abs=1e-5)
    assert abs(found["head", "drop"] - found["edge", "drop"]) > 1e-5


def test_expected_behaviours_are_a_union(vocabulary):
    rows = np.array([[0.1, 0.2, 0.3, 0.4]] * 3)
    by_hand = {("previous",): 0.5, ("previous", "current"): 0.9, ("bos", "previous", "current"): 1.0}
    for behaviour, mass in by_hand.items():
        found = behaviour_mass(rows, task(behaviour=behaviour), vocabulary, window=2)
        np.testing.assert_allclose(found, [mass] * 3)
    assert isinstance(task().behaviour, list)
