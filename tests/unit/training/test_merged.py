"""Merged heads: the null by hand, both ways of counting what is undecided, every answer."""

from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
import pytest

from polyhead.attention.edge_classes import CLASS_BEHAVIOURS
from polyhead.training import merged as null
from polyhead.training.merged import (
    Line,
    added,
    answer,
    counted,
    layers_of,
    merged,
    overall,
    statistics,
    united,
)

DONE = Line(0.2, 1000, 50, 0.2, 0.15, 0.25, 0.3)
OPEN = Line(0.2, 1000, 50, 0.03, 0.015, 0.045, 0.03)
NOT = Line(0.001, 5, 3, np.nan, np.nan, np.nan, np.nan)
ALIKE = dict(zip(null.COUNTINGS, (0, 1), strict=True))


def head(*done, undecided=()):
    """Return what is known of a head that does some behaviours."""
    lines = dict.fromkeys(CLASS_BEHAVIOURS, NOT)
    return lines | dict.fromkeys(done, DONE) | dict.fromkeys(undecided, OPEN)


LAYERS = [
    [head("previous"), head("induction"), head("previous"), head()],
    [head("duplicate"), head("duplicate", "indent"), head(), head()],
]
BY_HAND = [[3, 2, 3], [2, 3, 3]]
"""Behaviours of the two groups of each layer, together, for its three partitions into pairs."""


def test_sampled_partitions_are_spread_as_all_partitions_are():
    sums = Counter(sum(one) / 4 for one in product(*BY_HAND))
    exact = {value: count / sums.total() for value, count in sums.items()}
    drawn = merged(LAYERS, 2, united, 6000, seed=3)[:, ALIKE["surely"], 0]
    assert set(drawn) == set(exact) == {1.0, 1.25, 1.5}
    for value, share in exact.items():
        assert (drawn == value).mean() == pytest.approx(share, abs=0.02)
    assert drawn.mean() == pytest.approx(4 / 3, abs=0.01)


def test_the_share_of_groups_that_do_two_things_is_counted_by_hand():
    drawn = merged(LAYERS, 2, united, 6000, seed=3)[:, ALIKE["surely"], 1]
    # layer 0: a group of two in two partitions of three; layer 1: one group of two in each
    assert set(drawn) == {0.25, 0.5}
    assert (drawn == 0.5).mean() == pytest.approx(2 / 3, abs=0.02)


def test_as_many_groups_as_heads_are_the_model_itself_and_one_group_is_a_layer():
    alone = merged(LAYERS, 4, united, 3, seed=0)
    assert (alone == statistics(LAYERS)).all()
    assert statistics(LAYERS)[ALIKE["surely"]].tolist() == [6 / 8, 1 / 8]
    assert (merged(LAYERS, 1, united, 3, seed=0)[:, ALIKE["surely"]] == [2.0, 1.0]).all()


def test_the_seed_decides_the_partitions():
    one, same, other = (merged(LAYERS, 2, united, 50, seed) for seed in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).any()


def test_undecided_behaviours_count_both_ways():
    layers = [[head("previous", undecided=["indent"]), head(undecided=["indent"])], [head(), head()]]
    surely, perhaps = statistics(layers)
    assert surely.tolist() == [1 / 4, 0.0]
    assert perhaps.tolist() == [3 / 4, 1 / 4]
    surely, perhaps = merged(layers, 1, united, 1, seed=0)[0]
    assert surely.tolist() == [1 / 2, 0.0]
    assert perhaps.tolist() == [2 / 2, 1 / 2]


def test_a_group_does_what_any_of_its_heads_does():
    answers = united([head("previous", undecided=["indent"]), head("indent", undecided=["previous"]), head()])
    assert answers == {"previous": "yes", "induction": "no", "duplicate": "no", "indent": "yes"}
    assert united([head(undecided=["indent"]), head()])["indent"] == "undecided"


def test_heads_may_pass_the_bounds_only_together():
    members = [head(undecided=["indent"])] * 2
    assert united(members)["indent"] == "undecided"
    assert added(members)["indent"] == "yes"
    few = {**head(), "indent": Line(0.006, 60, 12, 0.04, 0.03, 0.05, 0.1)}
    assert united([few, few])["indent"] == "no"
    assert added([few, few])["indent"] == "yes"


def test_a_cost_that_is_not_known_adds_nothing_and_a_gain_takes_nothing_away():
    gain = {**head(), "indent": Line(0.2, 1000, 50, -0.5, -0.6, -0.4, -0.5)}
    assert added([head("indent"), gain])["indent"] == "yes"
    assert added([head("indent"), head()])["indent"] == "yes"
    unknown = {**head(), "indent": Line(0.006, 600, 12, np.nan, np.nan, np.nan, np.nan)}
    assert added([unknown, unknown])["indent"] == "undecided"


def test_adding_up_never_gives_less_than_uniting():
    rng = np.random.default_rng(0)
    for _ in range(300):
        members = []
        for _ in range(3):
            costs = rng.normal(0.03, 0.03, len(CLASS_BEHAVIOURS))
            lines = [
                Line(s, int(5e4 * s), 40, c, c - 0.01, c + 0.01, c)
                for s, c in zip(rng.uniform(0, 0.03, 4), costs, strict=True)
            ]
            members.append(dict(zip(CLASS_BEHAVIOURS, lines, strict=True)))
        assert (counted(added(members)) >= counted(united(members))).all()


def test_heads_are_read_from_a_profile_layer_by_layer():
    lines = [
        {"head": f"{layer}.{number}", "edges": name}
        for layer in (0, 1)
        for number in (0, 10)
        for name in CLASS_BEHAVIOURS
    ]
    profile = pd.DataFrame(lines).assign(
        share=0.1, rows=200, documents=30, cost=0.1, low=0.09, high=0.2, bos=0.1
    )
    profile.loc[profile["head"] == "1.10", "cost"] = 0.001
    layers = layers_of(profile)
    assert [len(heads) for heads in layers] == [2, 2]
    assert layers[0][1]["indent"] == Line(0.1, 200, 30, 0.1, 0.09, 0.2, 0.1)
    assert statistics(layers)[ALIKE["surely"]].tolist() == [3.0, 0.75]


def observed(surely, perhaps):
    return pd.DataFrame([surely, perhaps], [*null.COUNTINGS], ["low", "high"])


NULL = pd.DataFrame({"united": [1.0, 1.5], "added": [1.2, 1.8]}, [*null.COUNTINGS])
ABOVE, BELOW = observed((1.3, 1.6), (1.9, 2.0)), observed((0.5, 1.0), (0.9, 1.5))


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ([ABOVE], "yes"),
        ([ABOVE, ABOVE], "yes"),
        ([BELOW], "no"),
        ([BELOW, BELOW], "no"),
        ([ABOVE, BELOW], "undecided"),  # seeds disagree
        ([observed((1.3, 1.6), (1.0, 1.4))], "undecided"),  # countings disagree
        ([observed((1.3, 1.6), (1.7, 2.0))], "undecided"),  # only sure if nothing undecided counts
        ([observed((1.05, 1.15), (1.55, 1.75))], "undecided"),  # more than united, not more than added
        ([observed((0.9, 1.1), (1.0, 1.4))], "undecided"),  # its interval reaches beyond merged heads
        ([observed((1.2, 1.6), (1.9, 2.0))], "undecided"),  # its interval reaches down to them
    ],
)
def test_every_answer_has_its_case(models, expected):
    assert answer(models, NULL) == expected


def test_the_answer_to_all_is_what_is_said_of_each():
    assert overall(["yes", "yes", "yes"]) == "yes"
    assert overall(["no"]) == "no"
    assert overall(["yes", "no", "yes"]) == overall(["yes", "undecided"]) == "undecided"
