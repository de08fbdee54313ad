"""The edges of a task against pattern edits, the rule of what it shows, and what is attended to by name."""

import hand_built
import numpy as np
import pandas as pd
import pytest

from polyhead.ablation.controls import TO_BOS, drops_at_destination
from polyhead.ablation.task_edges import drops_table, in_words, shows, task_edges, top_sources
from polyhead.attention.edge_classes import CLASSES, class_matrix
from polyhead.model.head import Head
from polyhead.prompts.templates import Task

HEAD, MEAN = Head(1, 0), np.full(hand_built.D_HEAD, 0.01, np.float32)


@pytest.fixture(scope="module")
def model():
    return hand_built.model_with(hand_built.glued_head())


@pytest.fixture(scope="module")
def task():
    """At a name that stood before, what followed it should follow again."""
    prompts = hand_built.names_and_brackets(200, 3)[:, :37]
    again = np.array([np.isin(tokens[-1], tokens[:30]) for tokens in prompts])
    tokens = prompts[again][:40]
    answers = np.array([row[1:][np.flatnonzero(row[:-1] == row[-1])[0]] for row in tokens])
    return Task("names", "Names", ["induction"], 36, 2, [1, 2], tokens, answers)


@pytest.fixture(scope="module")
def found(model, task):
    settings = {"window": hand_built.WINDOW, "n_resamples": 100, "seed": 0}
    return task_edges(model, hand_built.vocabulary(), task, HEAD, MEAN, **settings)


def test_the_whole_row_costs_what_a_bos_ablation_costs(model, task, found):
    drops = drops_at_destination(model, task, 1, [(0, TO_BOS)])
    line = found[0].query("edges == 'all' and method == 'bos'").iloc[0]
    assert line["drop"] == pytest.approx(drops.mean(), abs=1e-6)
    assert line["of_whole"] == 1
    assert line["low"] < line["drop"] < line["high"]


def test_a_class_costs_what_moving_its_weights_to_bos_costs(model, task, found):
    contexts = hand_built.real_text(task.tokens.astype(np.int32)).contexts()
    codes = np.stack([class_matrix(context) for context in contexts])

    def edit(pattern):
        edited = pattern.clone()
        edited[codes == CLASSES.index("induction")] = 0
        edited[:, :, 0] += pattern.sum(-1) - edited.sum(-1)
        return edited

    drops = drops_at_destination(model, task, 1, [(0, edit)])
    line = found[0].query("edges == 'induction' and method == 'bos'").iloc[0]
    assert line["drop"] == pytest.approx(drops.mean(), abs=1e-6)
    assert line["drop"] > 0.3


def test_the_task_shows_induction_and_nothing_else(found):
    shown = found[0][found[0]["shows"]]
    assert set(zip(shown["edges"], shown["method"], strict=True)) == {
        ("induction", "bos"),
        ("induction", "mean"),
    }
    masses = found[0][(found[0]["method"] == "bos") & (found[0]["edges"] != "all")]["mass"]
    assert masses.sum() == pytest.approx(1, abs=1e-5)


def drops(**given):
    values = dict.fromkeys(["all", *CLASSES], 0.0) | given
    return pd.DataFrame({"edges": list(values), "drop": list(values.values())})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"all": 0.2, "induction": 0.1}, True),
        ({"all": 0.2, "induction": 0.099}, False),
        ({"all": 0.2, "induction": 0.15, "other": 0.15}, False),
        ({"all": 0.2, "induction": 0.15, "open": 0.16}, False),
        ({"all": 0.05, "induction": 0.05}, True),
        ({"all": 0.049, "induction": 0.049}, False),
        ({"all": -0.2, "induction": 0.1}, False),
    ],
)
def test_a_task_shows_a_behaviour(given, expected):
    assert shows("induction", drops(**given)) is expected
    assert shows("previous", drops(**given)) is False


def test_classes_that_are_no_behaviour_are_never_shown():
    for name in ("rest", "current", "open", "other", "all"):
        assert not shows(name, drops(**{"all": 0.3, name: 0.3}))


def test_no_share_of_a_whole_that_costs_nothing():
    runs = np.zeros((5, 2 * (1 + len(CLASSES))))
    runs[:, 3] = 0.1
    table = drops_table("t", runs, np.zeros(len(CLASSES), np.float32), 20, 0)
    assert table["of_whole"].isna().all()
    assert table["drop"].iloc[3] == pytest.approx(0.1)


def test_sources_are_named_by_role_and_text(task):
    rows = np.zeros((len(task.tokens), 37), np.float32)
    rows[:, [0, 2, 5, 9]] = 0.3, 0.4, 0.2, 0.1
    codes = np.full(rows.shape, CLASSES.index("other"), np.uint8)
    codes[:, 0], codes[:, 2] = CLASSES.index("rest"), CLASSES.index("induction")
    labels = [f"w{i}" for i in range(hand_built.WORDS)]
    found = top_sources(task, rows, codes, labels)
    assert found["position"].tolist() == [2, 0, 5]
    assert found["role"].tolist() == ["attended", "", ""]
    assert found["edges"].tolist() == ["induction", "rest", "other"]
    text = in_words(found)
    assert text.startswith(f"attended w{task.tokens[0, 2]} (induction) 0.40; w0 (rest) 0.30; ")
