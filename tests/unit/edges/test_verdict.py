"""The rules of the verdict on tables made by hand: every branch."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from polyhead.edges.classes import CLASS_BEHAVIOURS
from polyhead.edges.verdict import does, needs_more, verdict, verdict_table

CLEAR = {"share": 0.2, "rows": 2000, "documents": 60, "measured": 2000}
CLEAR |= {"cost": 0.3, "cost_low": 0.2, "cost_high": 0.4, "bos": 0.2}
BARELY = {"share": 0.01, "rows": 100, "documents": 20, "cost": 0.05, "cost_low": 0.0201, "bos": 1e-9}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "yes"),
        (BARELY, "yes"),
        ({"share": 0.0099}, "no"),
        ({"share": 0.0099, "rows": 9}, "no"),
        ({"rows": 99}, "undecided"),
        ({"documents": 19}, "undecided"),
        ({"share": np.nan, "rows": 0, "documents": 0, "measured": np.nan}, "undecided"),
        ({"measured": np.nan}, "undecided"),
        ({"cost_low": np.nan, "cost_high": np.nan}, "undecided"),
        ({"cost": 0.01, "cost_low": -0.01, "cost_high": 0.049}, "no"),
        ({"cost": 0.01, "cost_low": -0.01, "cost_high": 0.05}, "undecided"),
        ({"cost": 0.049, "cost_low": 0.03, "cost_high": 0.06}, "undecided"),
        ({"cost": 0.06, "cost_low": 0.02, "cost_high": 0.1}, "undecided"),
        ({"bos": 0.0}, "undecided"),
        ({"cost": -0.3, "cost_low": -0.4, "cost_high": -0.2}, "no"),
    ],
)
def test_a_head_does_a_behaviour(changes, expected):
    assert does(CLEAR | changes) == expected


@pytest.mark.parametrize(
    ("cost", "low", "high", "expected"),
    [
        (0.3, 0.2, 0.4, False),
        (0.08, 0.051, 0.12, False),
        (0.08, 0.049, 0.12, True),
        (0.0, -0.02, 0.024, False),
        (0.0, -0.02, 0.026, True),
    ],
)
def test_more_rows_where_an_interval_twice_as_wide_decides_nothing(cost, low, high, expected):
    assert needs_more(CLEAR | {"cost": cost, "cost_low": low, "cost_high": high}) == expected


@pytest.mark.parametrize("answers", list(product(("yes", "no", "undecided", "not asked"), repeat=3)))
def test_an_undecided_behaviour_leaves_open_only_what_it_would_change(answers):
    found = verdict(dict(zip(("previous", "induction", "indent"), answers, strict=True)))
    least = answers.count("yes")
    most = least + answers.count("undecided")
    possible = {min(count, 2) for count in range(least, most + 1)}
    names = {0: "none", 1: "one", 2: "polysemantic"}
    assert found == (names[possible.pop()] if len(possible) == 1 else "undecided")


def lines_of(head, sink, **answers):
    lines = [{"head": head, "edges": "sink", "share": sink, "does": None}]
    return lines + [
        {"head": head, "edges": name, "share": 0.1, "does": answers.get(name, "no")}
        for name in CLASS_BEHAVIOURS
    ]


def test_every_head_gets_one_line():
    edges = lines_of("0.0", 0.5) + lines_of("0.1", 0.0, induction="yes", indent="undecided")
    edges += lines_of("1.0", 0.1, previous="yes", induction="yes", line_start="not asked")
    explained = pd.DataFrame(
        {"explained": [0.4, np.nan], "explained_low": [0.3, np.nan], "explained_high": [0.5, np.nan]},
        index=["1.0", "0.1"],
    )
    table = verdict_table(pd.DataFrame(edges), explained).set_index("head")
    assert table["behaviours"].to_dict() == {"0.0": "", "0.1": "induction", "1.0": "previous+induction"}
    assert table["verdict"].tolist() == ["none", "undecided", "polysemantic"]
    assert table["sink"].tolist() == [0.5, 0.0, 0.1]
    assert table["explained"].isna().tolist() == [True, True, False]
    assert table.loc["1.0", ["explained", "explained_low", "explained_high"]].tolist() == [0.4, 0.3, 0.5]
