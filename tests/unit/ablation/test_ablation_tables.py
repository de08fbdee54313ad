"""Tables of the tasks by hand, and what they are made from against plain runs."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from test_patching import draw_tokens, plain_run, toy

from polyhead.ablation.patching import Outcome, replacement, without_edge
from polyhead.ablation.tables import outcome_table, positions_table, runs_table
from polyhead.ablation.tasks import task_outcomes, tasks_by_heads
from polyhead.errors import PolyheadError
from polyhead.model.head import Head
from polyhead.prompts.templates import Task
from polyhead.stats import mean_intervals

LABELS = [f"t{i}" for i in range(400)]


def task(destination=3, source=2):
    tokens = np.array([[0, 7, 8, 9], [0, 17, 18, 19], [0, 7, 28, 29]])
    return Task("toy", "Toy", ["previous"], destination, source, [1], tokens, np.array([5, 6, 7]))


@pytest.fixture
def outcomes():
    """Clean: answer first in two prompts of three; at the destination in none; position 1 takes a little.

    The edge alone takes 0.1 from every prompt, and the first choice from the first.
    """
    probability = torch.tensor([[0.8, 0.5, 0.8, 0.2], [0.6, 0.6, 0.6, 0.3], [0.1, 0.1, 0.1, 0.1]])
    rank = torch.tensor([[0, 2, 0, 2], [0, 0, 0, 1], [4, 4, 4, 5]])
    edge_p = torch.tensor([[0.8, 0.7], [0.6, 0.5], [0.1, 0]])
    edge = Outcome(edge_p, torch.tensor([[0, 1], [0, 0], [4, 4]]))
    every = outcome_table(Outcome(probability, rank), "bos", [1, 2, 3])
    return pd.concat([every, outcome_table(edge, "edge", [3])], ignore_index=True)


def test_one_line_per_prompt_and_run(outcomes):
    assert " ".join(outcomes.columns) == "prompt method position probability rank"
    assert outcomes["position"].tolist() == [-1, 1, 2, 3] * 3 + [-1, 3] * 3


def test_runs_of_a_task(outcomes):
    """At the destination 0.6, 0.3, 0 of probability and 1, 1, 0 of first choices are lost."""
    shuffled = outcomes.sample(frac=1, random_state=3).sort_values("method", kind="stable")
    table = runs_table([(task(), shuffled)], n_resamples=300, seed=0)
    lines = [("clean", -1), ("ablated", 3), ("elsewhere", 1), ("edge", 3)]
    found = table[["method", "run", "position", "prompts"]]
    assert found.to_records(index=False).tolist() == [("bos", *line, 3) for line in lines]
    np.testing.assert_allclose(table["top1"], [2 / 3, 0, 1 / 3, 1 / 3])
    np.testing.assert_allclose(table["mean_probability"], [0.5, 0.2, 0.4, 0.4], rtol=1e-6)
    np.testing.assert_allclose(table["drop"], [np.nan, 0.3, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(table["top1_drop"], [np.nan, 2 / 3, 1 / 3, 1 / 3])
    clean, ablated = table.iloc[0], table.iloc[1]
    assert 0.1 <= clean["mean_probability_low"] < 0.5 < clean["mean_probability_high"] <= 0.8 + 1e-6
    assert clean[["drop_low", "drop_high", "top1_drop_low"]].isna().all()
    assert ablated["top1_high"] > 0.5  # three prompts prove little
    paired = mean_intervals(np.array([[0.6, 1], [0.3, 1], [0, 0]]), 300, 0)
    sides = [[ablated[f"{name}_{side}"] for name in ("drop", "top1_drop")] for side in ("low", "high")]
    np.testing.assert_allclose(sides, paired, atol=1e-6)


def test_drop_by_position(outcomes):
    table = positions_table([(task(), outcomes)], LABELS, n_resamples=300, seed=0)
    assert table["token_label"].tolist() == ["t7", "t8", "t9"]
    assert table["role"].tolist() == ["slot", "source", "destination"]
    np.testing.assert_allclose(table["drop"], [0.1, 0, 0.3], atol=1e-6)
    np.testing.assert_allclose(table["mean_probability"], [0.4, 0.5, 0.2], rtol=1e-6)
    assert table["drop"].between(table["drop_low"], table["drop_high"]).all()
    assert table["drop_low"].iloc[2] >= 0  # paired: no prompt gains


def full_run(model, chosen, head, edit):
    """Return the answers' probabilities in whole runs: clean, and with the destination's row edited."""
    tokens, answers = torch.from_numpy(chosen.tokens), torch.from_numpy(chosen.answers)[:, None]
    clean = plain_run(model, tokens).gather(1, answers)
    edited = plain_run(model, tokens, *head, chosen.destination, edit).gather(1, answers)
    return clean[:, 0].numpy(), edited[:, 0].numpy()


def test_outcomes_of_a_head_against_full_runs():
    model, chosen, head = toy(), task(source=1), Head(1, 2)
    table = task_outcomes(model, chosen, head, ["bos", "zero", "resample"], draw_tokens(5, 9).numpy())
    assert table["method"].unique().tolist() == ["bos", "zero", "resample", "edge"]
    edits = {name: partial(replacement, method=name) for name in ("bos", "zero")}
    edits["edge"] = partial(without_edge, source=1)
    for method, edit in edits.items():
        expected = full_run(model, chosen, head, edit)
        for position, probability in zip((-1, chosen.destination), expected, strict=True):
            found = table[table["method"].eq(method) & table["position"].eq(position)]["probability"]
            np.testing.assert_allclose(found, probability, atol=1e-5)
    with pytest.raises(PolyheadError, match=r"task toy, method resample: .* at least 4 tokens"):
        task_outcomes(model, chosen, head, ["resample"], draw_tokens(5, 3).numpy())


@pytest.mark.parametrize("destination", [2, 3])
def test_every_head_against_full_runs(destination):
    model, chosen = toy(), task(destination, source=1)
    table = tasks_by_heads(model, [chosen], n_resamples=20, seed=0).set_index("head")
    assert " ".join(table.columns) == "task drop drop_low drop_high attention prompts"
    assert table.index.tolist() == [f"{layer}.{head}" for layer in range(3) for head in range(3)]
    for name, row in table.iterrows():
        head = Head.parse(name)
        clean, edited = full_run(model, chosen, head, lambda pattern: replacement(pattern, "bos"))
        assert row["drop"] == pytest.approx((clean - edited).mean(), abs=1e-5)
        assert row["drop_low"] - 1e-9 <= row["drop"] <= row["drop_high"] + 1e-9
        residual = model.residual_before(head.layer, torch.from_numpy(chosen.tokens))
        pattern = model.layers[head.layer].pattern(residual, [*range(model.n_heads)])
        attention = pattern[:, head.number, destination, 1].mean().item()
        assert row["attention"] == pytest.approx(attention, abs=1e-6)
    assert (table["drop"].abs() > 1e-4).any()
