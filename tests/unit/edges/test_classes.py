"""Edge classes against the definitions read aloud, on every pair of small prompts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import slow_holds

from polyhead.attention.behaviours import BEHAVIOURS, Context
from polyhead.attention.labels import Atoms
from polyhead.edges.classes import (
    BEHAVIOURS_OF_MASK,
    CLASS_BEHAVIOURS,
    CLASSES,
    NONE,
    class_masses,
    class_matrix,
    dominating,
    mask_matrix,
)

INDENT_OF = np.array([-1, -1, 4, 8, 4, -1, -1, -2])
BOS, EOS = 0, 1


def context(tokens):
    tokens = np.array([BOS, *tokens])
    return Context(tokens, INDENT_OF[tokens], EOS, 3)


def slow_behaviours(c, i, j):
    """Return the kinds of behaviour that hold for one pair, by the definitions."""

    def holds(name):
        return slow_holds(name, list(c.tokens), list(c.indent), EOS, 3, i, j)

    found = {name for name in ("previous", "line_start", "induction") if holds(name)}
    if holds("duplicate") or holds("indent_same"):
        return found | {"duplicate"}
    return found | {"indent"} if holds("indent_bigger") or holds("indent_smaller") else found


def slow_class(c, i, j):
    """Name the class of one pair."""
    if j == 0 or c.tokens[j] == EOS:
        return "sink"
    if i == j:
        return "current"
    found = slow_behaviours(c, i, j)
    return "ambiguous" if len(found) > 1 else next(iter(found), "other")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=2, max_size=25))
def test_every_pair_is_in_the_class_that_the_definitions_say(drawn):
    c = context(drawn)
    codes, masks = class_matrix(c), mask_matrix(c)
    for i in range(len(c.tokens)):
        for j in range(i + 1):
            name = slow_class(c, i, j)
            assert CLASSES[codes[i, j]] == name
            done = np.array(CLASS_BEHAVIOURS)[BEHAVIOURS_OF_MASK[masks[i, j]]]
            assert set(done) == (set() if name in ("sink", "current") else slow_behaviours(c, i, j))


def test_one_prompt_meets_every_class():
    c = context([2, 5, 6, 6, 7, 5, 6, 1, 3, 5, 6, 5, 7, 7, 4, 2, 6])
    assert set(class_matrix(c)[np.tril_indices(len(c.tokens))]) == set(range(len(CLASSES)))


def test_another_token_of_the_same_width_is_a_duplicate_and_an_equal_one_of_another_width_too():
    far = [5, 6, 7, 5]
    c = context([2, *far, 4, *far, 2])
    equal_tokens = Context(c.tokens, np.where(np.arange(len(c.tokens)) == 1, 9, c.indent), EOS, 3)
    for one, i, j in ((c, 6, 1), (c, 11, 1), (equal_tokens, 11, 1)):
        assert CLASSES[class_matrix(one)[i, j]] == "duplicate"
    assert CLASSES[class_matrix(equal_tokens)[6, 1]] == "indent"


def test_what_two_behaviours_hold_for_is_ambiguous():
    codes = class_matrix(context([2, 5, 6, 7, 6, 5, 6]))
    names = {(6, 5): "previous", (6, 1): "line_start", (6, 2): "duplicate"}
    names |= dict.fromkeys([(3, 1), (5, 4), (7, 5)], "ambiguous")
    assert {pair: CLASSES[codes[pair]] for pair in names} == names


def test_masses_from_stored_atoms_do_not_depend_on_the_order_of_the_behaviours():
    order = tuple(reversed(BEHAVIOURS))
    bit = {name: 1 << place for place, name in enumerate(order)}
    both = bit["previous"] | bit["induction"]
    masks = np.array([0, bit["bos"], both, bit["line_start"], bit["indent_same"]])
    masses = np.array([[0.1, 0.2, 0.3, 0.4, 0.0], [0.0, 0.0, 0.25, 0.25, 0.5]], np.float32)
    found = class_masses(Atoms(masses, masks, order))
    expected = {"other": [0.1, 0], "sink": [0.2, 0], "ambiguous": [0.3, 0.25], "line_start": [0.4, 0.25]}
    for name, values in (expected | {"duplicate": [0, 0.5]}).items():
        np.testing.assert_allclose(found[:, CLASSES.index(name)], values)
    assert found.sum() == pytest.approx(2)


def test_half_of_the_mass_dominates_and_less_does_not():
    rows = np.zeros((3, len(CLASSES)))
    rows[0, [3, 4]] = 0.5
    rows[1, [4, 7]] = 0.49, 0.51
    rows[2, :3] = 0.4, 0.3, 0.3
    assert dominating(rows).tolist() == [3, 7, NONE]
