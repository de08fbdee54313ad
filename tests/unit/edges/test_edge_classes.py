"""Edge classes against the definitions read aloud, on every pair of small prompts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import slow_holds

from polyhead.attention.behaviours import BEHAVIOURS, Context
from polyhead.attention.edge_classes import (
    CLASS_BEHAVIOURS,
    CLASSES,
    NONE,
    class_masses,
    class_matrix,
    dominating,
    edge_classes,
)
from polyhead.attention.labels import Atoms

INDENT_OF = np.array([-1, -1, 4, 8, 4, -1, -1])
BOS, EOS = 0, 1


def slow_class(tokens, i, j):
    """Name the first class that holds for one pair."""
    indent = INDENT_OF[tokens]

    def holds(*names):
        return any(slow_holds(name, list(tokens), list(indent), EOS, 3, i, j) for name in names)

    content = "induction", "duplicate", "indent_bigger", "indent_smaller"
    if holds("bos", "eos"):
        return "rest"
    if i == j:
        return "current"
    if holds("previous"):
        return "open" if holds(*content) else "previous"
    for name in ("induction", "duplicate"):
        if holds(name):
            return name
    return "indent" if holds("indent_bigger", "indent_smaller") else "other"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=25))
def test_every_pair_is_in_the_first_class_that_holds(drawn):
    tokens = np.array([BOS, *drawn])
    codes = class_matrix(Context(tokens, INDENT_OF[tokens], EOS, 3))
    for i in range(len(tokens)):
        for j in range(i + 1):
            assert CLASSES[codes[i, j]] == slow_class(tokens, i, j)


def test_one_prompt_meets_every_class():
    tokens = np.array([BOS, 2, 5, 6, 6, 1, 3, 5, 6, 5, 4, 2, 6])
    codes = class_matrix(Context(tokens, INDENT_OF[tokens], EOS, 3))
    assert set(codes[np.tril_indices(len(tokens))]) == set(range(len(CLASSES)))


def test_another_token_of_the_same_indent_is_neither_a_duplicate_nor_another_width():
    tokens = np.array([BOS, 2, 5, 5, 5, 5, 4])
    codes = class_matrix(Context(tokens, INDENT_OF[tokens], EOS, 3))
    assert CLASSES[codes[6, 1]] == "other"


def test_masses_from_stored_atoms_do_not_depend_on_the_order_of_the_behaviours():
    order = tuple(reversed(BEHAVIOURS))
    bit = {name: 1 << place for place, name in enumerate(order)}
    masks = np.array([0, bit["bos"], bit["previous"] | bit["induction"], bit["previous"], bit["duplicate"]])
    masses = np.array([[0.1, 0.2, 0.3, 0.4, 0.0], [0.0, 0.0, 0.25, 0.25, 0.5]], np.float32)
    found = class_masses(Atoms(masses, masks, order))
    expected = {"other": [0.1, 0], "rest": [0.2, 0], "open": [0.3, 0.25], "previous": [0.4, 0.25]}
    for name, values in (expected | {"duplicate": [0, 0.5]}).items():
        np.testing.assert_allclose(found[:, CLASSES.index(name)], values)
    assert found.sum() == pytest.approx(2)


def test_half_of_the_mass_dominates_and_less_does_not():
    rows = np.zeros((3, len(CLASSES)))
    rows[0, [3, 4]] = 0.5
    rows[1, [4, 7]] = 0.49, 0.51
    rows[2, :3] = 0.4, 0.3, 0.3
    assert dominating(rows).tolist() == [3, 7, NONE]


def test_behaviours_are_classes():
    assert [CLASSES[code] for code in range(3, 7)] == list(CLASS_BEHAVIOURS)
    assert edge_classes(np.array([0], np.uint16)).tolist() == [CLASSES.index("other")]
