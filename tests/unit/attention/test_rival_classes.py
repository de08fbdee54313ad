"""Rivals of a behaviour against their definitions read aloud, on every pair of small prompts."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.attention.behaviours import Context
from polyhead.attention.edge_classes import CLASSES, class_matrix
from polyhead.attention.rival_classes import OFFSETS, RIVAL, beside_copies, line_start_partition

INDENT_OF = np.array([-1, -1, 4, 8, 4, -1, -1])
BOS, EOS = 0, 1

prompts = st.lists(st.integers(1, 6), min_size=2, max_size=25).map(lambda drawn: np.array([BOS, *drawn]))


def context_of(tokens):
    return Context(tokens, INDENT_OF[tokens], EOS, 3)


@settings(max_examples=60, deadline=None)
@given(prompts)
def test_the_last_newline_before_the_destination_is_the_rival_and_all_else_keeps_its_class(tokens):
    plain, codes = class_matrix(context_of(tokens)), line_start_partition(context_of(tokens))
    for i in range(len(tokens)):
        newlines = [j for j in range(1, i) if INDENT_OF[tokens[j]] >= 0]
        for j in range(i + 1):
            was = CLASSES[plain[i, j]]
            expected = RIVAL if newlines and j == newlines[-1] else "other" if was == "open" else was
            assert CLASSES[codes[i, j]] == expected


@settings(max_examples=60, deadline=None)
@given(prompts, st.sampled_from(OFFSETS))
def test_places_beside_a_copy_are_counted_from_it_and_have_no_class_of_their_own(tokens, offset):
    plain = class_matrix(context_of(tokens))
    found = beside_copies(context_of(tokens), offset, plain)
    for i in range(len(tokens)):
        for j in range(1, i):
            copies = [c for c in range(1, i) if tokens[c] == tokens[i]]
            expected = j - offset in copies and CLASSES[plain[i, j]] == "other"
            assert found[i, j] == expected
    assert not found[:, 0].any()
