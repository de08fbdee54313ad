"""The rules of the verdict on tables made by hand: every branch, and what bounds do."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from polyhead.ablation.verdict import BOUNDS, VARIANTS, Bounds, does, verdict, verdict_table
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS

CLEAR = {"share": 0.2, "rows": 2000, "documents": 60, "cost": 0.3, "low": 0.2, "high": 0.4, "bos": 0.2}
NEVER = {"share": 0.001, "rows": 10, "documents": 9, **dict.fromkeys(("cost", "low", "high", "bos"), np.nan)}
SMALL = CLEAR | {"cost": 0.01, "low": 0.005, "high": 0.015}


def line(**changes):
    return SimpleNamespace(**CLEAR | changes)


def test_the_bounds_are_those_that_were_fixed():
    expected = {"share": 0.01, "rows": 100, "documents": 20, "cost": 0.05, "low": 0.02, "rest": 0.05}
    assert vars(BOUNDS) == expected | {"explained": 0.5}
    assert VARIANTS["_halved"] == Bounds(0.005, 50.0, 10.0, 0.025, 0.01, 0.025, 0.25)
    assert VARIANTS["_doubled"] == Bounds(0.02, 200.0, 40.0, 0.1, 0.04, 0.1, 1.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "yes"),
        ({"share": 0.01, "rows": 100, "documents": 20, "cost": 0.05, "low": 0.02}, "yes"),
        ({"share": 0.0099}, "no"),
        ({"rows": 99}, "undecided"),
        ({"documents": 19}, "undecided"),
        ({"low": np.nan, "high": np.nan}, "undecided"),
        ({"cost": 0.01, "low": -0.01, "high": 0.019}, "no"),
        ({"cost": 0.01, "low": -0.01, "high": 0.02}, "undecided"),
        ({"cost": 0.049, "low": 0.03, "high": 0.06}, "undecided"),
        ({"cost": 0.06, "low": 0.019, "high": 0.1}, "undecided"),
        ({"bos": 0.0}, "undecided"),
        ({"bos": -0.1}, "undecided"),
        ({"cost": -0.3, "low": -0.4, "high": -0.2}, "no"),
    ],
)
def test_a_head_does_a_behaviour(changes, expected):
    assert does(line(**changes)) == expected


def test_bounds_decide():
    weak = line(share=0.006, rows=60, documents=12, cost=0.03, low=0.011)
    assert [does(weak, bounds) for bounds in VARIANTS.values()] == ["no", "yes", "no"]


@pytest.mark.parametrize("answers", list(product(("yes", "no", "undecided"), repeat=3)))
def test_an_undecided_behaviour_leaves_open_only_what_it_would_change(answers):
    found = verdict(dict(zip(("previous", "induction", "indent"), answers, strict=True)))
    least = answers.count("yes")
    most = least + answers.count("undecided")
    possible = {min(count, 2) for count in range(least, most + 1)}
    names = {0: "none", 1: "one behaviour", 2: "polysemantic"}
    assert found == (names[possible.pop()] if len(possible) == 1 else "undecided")


def profile(head, rest=0.0, **given):
    lines = [
        {"head": head, "edges": name, "rest": rest, **given.get(name, NEVER)} for name in CLASS_BEHAVIOURS
    ]
    table = pd.DataFrame(lines)
    return table.assign(joint_low=table["low"] - 0.02, joint_high=table["high"] + 0.02)


def explained(*lines):
    columns = ["head", "behaviours", "whole", "explained", "explained_low", "explained_high"]
    return pd.DataFrame(lines, columns=columns)


@pytest.fixture(scope="module")
def table():
    weak = CLEAR | {"cost": 0.06, "low": 0.03, "high": 0.09}
    costs = pd.concat(
        [
            profile("0.0"),
            profile("0.1", rest=0.05, induction=CLEAR),
            profile("1.0", previous=CLEAR, induction=weak, duplicate=SMALL),
            profile("1.1", previous=CLEAR, indent=CLEAR | {"documents": 12, "low": np.nan, "high": np.nan}),
        ]
    )
    shares = explained(
        ("0.1", "induction", 0.2, 0.9, 0.8, 0.95),
        ("1.0", "previous+induction", 0.1, 0.4, 0.3, 0.5),
        ("1.0", "previous", 0.1, 0.2, 0.1, 0.3),
        ("1.1", "previous", 0.1, np.nan, np.nan, np.nan),
    )
    return verdict_table(costs, shares).set_index("head")


def test_every_head_gets_one_line(table):
    assert table["verdict"].to_dict() == {
        "0.0": "none", "0.1": "one behaviour", "1.0": "polysemantic", "1.1": "undecided"
    }  # fmt: skip
    assert table["behaviours"].tolist() == ["", "induction", "previous+induction", "previous"]
    assert table["undecided"].tolist() == ["", "", "", "indent"]
    assert table["with_rest"].tolist() == [False, True, False, False]
    assert table.loc["1.0", ["previous", "induction", "duplicate", "indent"]].tolist() == [
        "yes",
        "yes",
        "no",
        "no",
    ]


def test_what_is_explained_is_that_of_the_behaviours_done(table):
    assert table.loc["1.0", "explained"] == 0.4
    assert table["mostly_unexplained"].tolist() == [False, False, True, False]
    assert table["explained"].isna().tolist() == [True, False, False, True]


def test_the_smallest_cost_is_that_of_the_weakest_behaviour(table):
    assert table.loc["1.0", "smallest_cost"] == 0.06
    assert np.isnan(table.loc["0.0", "smallest_cost"])


def test_halved_and_doubled_bounds_stand_beside(table):
    assert table.loc["1.0", "verdict_doubled"] == "undecided"
    assert table.loc["1.0", "behaviours_doubled"] == "previous"
    assert table.loc["1.0", "verdict_halved"] == "polysemantic"
    assert not table.loc["1.0", "mostly_unexplained_halved"]
    assert not table.loc["0.1", "with_rest_doubled"]


def test_what_is_said_of_many_heads_goes_by_joint_intervals(table):
    """Head 1.0 does induction by its own interval (0.03 and up), not by the wider joint one (0.01)."""
    assert table["verdict_joint"].to_dict() == {
        "0.0": "none", "0.1": "one behaviour", "1.0": "undecided", "1.1": "undecided"
    }  # fmt: skip
    assert table["behaviours_joint"].tolist() == ["", "induction", "previous", "previous"]
