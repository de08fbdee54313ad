"""Heads ranked on one sample by a rule that is fixed."""

import numpy as np
import pandas as pd
import pytest

from polyhead.edges.selection import (
    layers_of,
    named_shares,
    ranking,
    selected_tokens,
    selection_record,
    token_shares,
)
from polyhead.edges.survey import RealText
from polyhead.model.head import Head
from polyhead.model.opening import open_native
from polyhead.prompts.clusters import prompts_as_clusters

TWO, THREE = "previous+induction", "previous+line_start+induction"
HEADS = pd.DataFrame(
    [
        ("0.0", THREE, "polysemantic", 0.5, 0.9),
        ("0.1", "", "none", 0.0, 0.8),
        ("1.0", TWO, "polysemantic", 0.09, 0.4),
        ("1.1", "induction", "undecided", 0.9, 0.7),
        ("2.0", TWO, "polysemantic", 0.1, 0.2),
        ("2.1", TWO, "polysemantic", 0.0, 0.5),
        ("2.2", TWO, "polysemantic", 0.0, 0.5),
        ("3.0", THREE, "polysemantic", 0.6, 0.9),
        ("3.1", "", "undecided", 0.0, 0.7),
    ],
    columns=["head", "behaviours", "verdict", "sink", "named"],
)


def ranked(table):
    return ranking(table.drop(columns="named"), table.set_index("head")["named"])


def test_the_middle_layers_come_first_then_the_last_then_the_first():
    """2.0 has a sink beside two behaviours; of 2.1 and 2.2 more rows are named than of 1.0."""
    table = ranked(HEADS)
    assert table["head"].tolist() == ["2.0", "2.1", "2.2", "1.0", "3.0", "0.0", "0.1", "1.1", "3.1"]
    assert table["rank"].tolist() == list(range(1, 10))
    assert table["layers"].tolist() == [*["middle"] * 4, "last", "first", "first", "middle", "last"]


def test_without_a_head_that_does_two_things_the_best_named_one_comes_first():
    idle = HEADS.assign(behaviours="previous")
    assert ranked(idle)["head"].tolist()[:3] == ["0.0", "3.0", "0.1"]


@pytest.mark.parametrize(("layer", "last", "expected"), [(0, 0, "last"), (0, 1, "first"), (1, 1, "last")])
def test_small_models_have_no_middle(layer, last, expected):
    assert layers_of(Head(layer, 0), last) == expected


def test_a_head_named_by_hand_is_recorded_with_its_rank_else_the_first_is_studied():
    record = selection_record(ranked(HEADS), ["1.1"], True, {"prompts": 3})
    assert record["studied"] == [{"head": "1.1", "rank": 8, "of": 9}]
    assert (record["winner"], record["chosen_by"], record["sample"]) == ("2.0", "hand", {"prompts": 3})
    record = selection_record(ranked(HEADS), [], False, {})
    assert record["studied"] == [{"head": "2.0", "rank": 1, "of": 9}]


def test_shares_of_labels_at_frequent_tokens_by_hand():
    labels = pd.DataFrame({"token": [0] * 30 + [1] * 20 + [2] * 19})
    labels["post"] = pd.Categorical(["a"] * 15 + ["b"] * 15 + ["a"] * 39, ["a", "b", "c"])
    shares = token_shares(labels, ["x", "y", "z"], "post")
    assert shares.index.tolist() == ["all", "x", "y"]
    assert shares.loc["all"].to_dict() == pytest.approx({"a": 54 / 69, "b": 15 / 69})
    assert shares.loc["x"].to_dict() == {"a": 0.5, "b": 0.5}
    assert shares.loc["y"].to_dict() == {"a": 1.0, "b": 0.0}


def test_named_rows_and_tokens_of_a_model(model_dir, vocabulary, prompts):
    model, prompts = open_native(model_dir), np.concatenate([prompts] * 3)
    text = RealText(prompts, vocabulary, 4, prompts_as_clusters(len(prompts)).dense(*prompts.shape))
    assert (named_shares(model, text, 1e-6) == 1).all()
    assert named_shares(model, text, 1.0).between(0, 0.2).all()
    named = vocabulary.labels[np.bincount(prompts[:, 1:].ravel()).argmax()]
    found = selected_tokens(model, text, [Head(1, 2)], "post", 0.95, named=[named], frequent=1, unlike=0)
    assert found["1.2"][:2] == ["all", named]
    assert len(found["1.2"]) <= 3
