"""Every predicate and every overlap, worked out by hand, and against the definitions read aloud."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lookalikes import SENTENCEPIECE, SPLITS, lookalike
from toys import dense, slow_holds, slow_indents, slow_set, worded

from polyhead.attention.behaviours import (
    BEHAVIOURS,
    IN_RUN,
    NO_RUN,
    Context,
    line_indents,
    ragged_range,
    sparse_atoms,
)

BOS, EOS, A, B, C = 1, 2, 10, 11, 12
NEWLINE, INDENT3, INDENT7 = 20, 23, 27
RUN = 29
WIDTH = {NEWLINE: 0, INDENT3: 3, INDENT7: 7, RUN: IN_RUN}


def context(tokens, window=1):
    tokens = np.array(tokens, np.int32)
    return Context(tokens, np.array([WIDTH.get(t, NO_RUN) for t in tokens.tolist()]), EOS, window)


def sources(name, tokens, dest, window=1):
    """Sources for which a behaviour holds, for one destination."""
    return set(np.flatnonzero(dense(BEHAVIOURS[name](context(tokens, window)), len(tokens))[dest]).tolist())


def named(tokens, window=1):
    """Atoms as {(dest, src): set of names}, for all pairs with a behaviour."""
    found = sparse_atoms(context(tokens, window))
    names = list(BEHAVIOURS)
    return {
        (int(i), int(j)): {name for bit, name in enumerate(names) if mask >> bit & 1}
        for i, j, mask in zip(found.dest, found.src, found.mask.astype(int), strict=True)
    }


def test_order_is_the_contract():
    assert list(BEHAVIOURS) == [
        "bos",
        "eos",
        "previous",
        "induction",
        "current",
        "duplicate",
        "indent_bigger",
        "indent_same",
        "indent_smaller",
        "line_start",
    ]


CASES = [
    # behaviour, tokens, destination, window, sources
    ("bos", [BOS, A, B], 2, 1, {0}),
    ("bos", [BOS, A], 1, 1, {0}),
    ("eos", [BOS, EOS, A, EOS], 2, 1, {1}),
    ("eos", [BOS, A, EOS], 2, 1, {2}),  # the destination itself is EOS: its own place counts
    ("eos", [EOS, A, B], 2, 1, set()),  # an EOS at position 0 is the first position, not `eos`
    ("previous", [BOS, A], 1, 4, set()),  # position 0 is never `previous`
    ("previous", [BOS, A, B, C, A, B], 5, 1, {4}),
    ("previous", [BOS, A, B, C, A, B], 5, 3, {2, 3, 4}),
    ("previous", [BOS, A, B, C], 3, 8, {1, 2}),  # a window longer than the prompt
    ("previous", [BOS, A, EOS, B], 3, 1, {2}),  # EOS as previous token: both hold
    ("induction", [BOS, A, B, C, A], 4, 1, {2}),
    ("induction", [BOS, A, B, A, C, B, A], 6, 1, {2, 4}),  # several copies, any of them
    ("induction", [BOS, A, C, A], 3, 1, {2}),  # copy two back: the previous token is the source
    ("induction", [BOS, A, A], 2, 1, set()),  # repeated at once: the source would be the destination
    ("induction", [BOS, A, A, A], 3, 1, {2}),  # a run: the copy at 1 points at 2, the copy at 2 at 3
    ("induction", [BOS, A, BOS], 2, 1, set()),  # the copy is at position 0
    ("induction", [BOS, A, B, EOS, C, A], 5, 1, {2}),  # the match lies in another document
    ("induction", [BOS, A, EOS, B, A], 4, 1, {2}),  # the token after the copy is EOS
    ("current", [BOS, A, B], 2, 1, {2}),
    ("duplicate", [BOS, A, B, A, A], 4, 1, {1, 3}),
    ("duplicate", [BOS, A, BOS], 2, 1, set()),  # a copy at position 0 is BOS's own
    ("duplicate", [BOS, EOS, A, EOS], 3, 1, {1}),
    ("duplicate", [BOS, A, EOS, A], 3, 1, {1}),
    ("indent_bigger", [BOS, INDENT7, A, INDENT3], 3, 1, {1}),
    ("indent_bigger", [BOS, INDENT3, INDENT7, NEWLINE, INDENT3], 4, 1, {2}),
    ("indent_bigger", [BOS, INDENT7, A], 2, 1, set()),  # the destination is no indent
    ("indent_same", [BOS, INDENT3, INDENT7, INDENT3], 3, 1, {1}),
    ("indent_same", [BOS, INDENT3], 1, 1, set()),  # not the destination itself
    ("indent_smaller", [BOS, NEWLINE, INDENT3, INDENT7], 3, 1, {1, 2}),
    ("indent_smaller", [BOS, INDENT7, NEWLINE], 2, 1, set()),
    ("line_start", [BOS, A, INDENT3, A, B], 4, 1, {2}),
    ("line_start", [BOS, A, INDENT3, B], 3, 4, {2}),  # right after it: also previous
    ("line_start", [BOS, INDENT7, A, NEWLINE, A], 4, 1, {3}),  # the last one alone
    ("line_start", [BOS, A, B], 2, 1, set()),  # nothing visible opens the first line
    ("line_start", [BOS, NEWLINE, A, INDENT3], 3, 1, set()),  # an indentation token is on no line
    ("line_start", [BOS, NEWLINE, RUN, INDENT3], 2, 1, set()),  # nor are the other tokens of a run
    ("line_start", [BOS, RUN, INDENT3, A], 3, 1, {2}),
    ("line_start", [BOS, NEWLINE, A, EOS, B], 4, 1, set()),  # an EOS between
    ("line_start", [BOS, NEWLINE, A, EOS], 3, 1, {1}),  # the EOS itself ends the line
    ("line_start", [BOS, NEWLINE, EOS, NEWLINE, B], 4, 1, {3}),
]


@pytest.mark.parametrize(("name", "tokens", "dest", "window", "expected"), CASES)
def test_by_hand(name, tokens, dest, window, expected):
    assert sources(name, tokens, dest, window) == expected


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_every_behaviour_has_cases_that_hold_and_that_do_not(name):
    outcomes = {bool(case[4]) for case in CASES if case[0] == name}
    assert True in outcomes
    assert outcomes == {True, False} or name in ("bos", "current")


def test_overlaps():
    tokens = [BOS, A, EOS, A]  # copy two back, and the token between is EOS
    assert named(tokens)[3, 2] == {"eos", "previous", "induction"}
    tokens = [BOS, A, A, A]  # a run
    assert named(tokens)[3, 2] == {"previous", "induction", "duplicate"}
    assert named(tokens)[2, 1] == {"previous", "duplicate"}
    assert named(tokens, window=2)[3, 1] == {"previous", "duplicate"}
    tokens = [BOS, INDENT3, INDENT3]
    assert named(tokens)[2, 1] == {"previous", "duplicate", "indent_same"}
    tokens = [BOS, INDENT3, INDENT7, INDENT3]
    assert named(tokens)[3, 2] == {"previous", "induction", "indent_bigger"}
    assert named(tokens)[3, 1] == {"duplicate", "indent_same"}
    tokens = [BOS, EOS, EOS]
    assert named(tokens)[2, 1] == {"eos", "previous", "duplicate"}
    assert named(tokens)[2, 2] == {"eos", "current"}


SPECIAL = ["<|BOS|>", "<|EOS|>", "<|PAD|>"]
LINES = [
    # the tokens of a text, and the width at each: · in no run, - in a run but not its last token
    (["if", " a", ":", "\n   ", " b", "\n", "c"], "···4·0·"),
    (["if", " a", ":", "\n    ", "5"], "···4·"),  # the same depth, without a space to give away
    (["if", " a", ":", "\n", "  ", "  ", "b", "\n", "c"], "···--4·0·"),  # a newline, and spaces of their own
    (["f", "():\n", "   ", " b"], "·-4·"),  # a newline inside another token
    (["f", "():\n", "):\n", " b"], "·01·"),  # two runs: the second token is not blank
    (["a", "\n", "\n", "  b"], "·-2·"),  # a blank line belongs to the run
    (["a", "  \n\n ", "b", " ", "c"], "·1···"),  # only what follows the last newline counts
    (["a", "\n", "\t", "b"], "·-8·"),
    (["a", "\n   \t", " b"], "·9·"),  # a tab goes to column 8, the space after it counts 1
    (["a", "\n", "  ", "\t", "b"], "·--8·"),
    (["a", "\n  b", " c"], "·2·"),  # a token that holds the line's first word, too
    (["a", "\n", "<|EOS|>", "  b"], "·0··"),  # spaces after an EOS are no indentation
    (["a", "\n   "], "·4"),  # the prompt ends: one more space is assumed
    (["a", "\n"], "·0"),
    (["a", "\n", "  "], "·-3"),
    (["  ", "a", "\n", "b"], "··0·"),  # the first line is opened by nothing visible
]


def encoded(texts):
    vocabulary = worded(dict.fromkeys([*SPECIAL, *texts]))
    return vocabulary, np.array([0, *(vocabulary.texts.index(text) for text in texts)], np.int32)


@pytest.mark.parametrize(("texts", "widths"), LINES)
def test_widths_of_lines_by_hand(texts, widths):
    vocabulary, tokens = encoded(texts)
    expected = [{"·": NO_RUN, "-": IN_RUN}.get(width) or int(width) for width in widths]
    assert line_indents(tokens, vocabulary).tolist() == [NO_RUN, *expected]
    assert slow_indents(["<|BOS|>", *texts]) == [NO_RUN, *expected]


def test_a_newline_as_bos_opens_no_line():
    vocabulary = worded(["\n", "<|EOS|>", " ", "a"])
    assert line_indents(np.array([0, 2, 3], np.int32), vocabulary).tolist() == [NO_RUN] * 3


PIECES = st.lists(st.text(st.sampled_from(" \t\nab"), min_size=1, max_size=4), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(PIECES, st.lists(st.integers(0, 12), max_size=2))
def test_lines_of_any_tokenization_against_the_text(texts, documents):
    """However a text falls into tokens: widths, and the behaviours made of them, are those of the text."""
    for place in documents:
        texts = [*texts[:place], "<|EOS|>", *texts[place:]]
    vocabulary, tokens = encoded(texts)
    c, indent = (
        Context(tokens, line_indents(tokens, vocabulary), vocabulary.eos, 1),
        slow_indents(["<|BOS|>", *texts]),
    )
    assert c.indent.tolist() == indent
    for name in ("line_start", "indent_bigger", "indent_same", "indent_smaller"):
        found = dense(BEHAVIOURS[name](c), len(tokens))
        slow = [
            [slow_holds(name, tokens, indent, 1, 1, i, j) for j in range(len(tokens))]
            for i in range(len(tokens))
        ]
        assert found.tolist() == slow, name


SOURCE = Path(__file__).parents[3] / "src/polyhead"
ODD = "if x:\n    \n\n    # 今天 é\n\n\ty = 1  \n  \tz = {\n  }\n"
FILES = [ODD, *((SOURCE / name).read_text(encoding="utf-8") for name in ("stats.py", "model/transformer.py"))]


@pytest.mark.parametrize("name", [*SPLITS, SENTENCEPIECE])
def test_lines_are_those_of_the_text_under_every_tokenizer(name):
    """The tokenizer says where in the text its tokens are; what they say is read off the text."""
    vocabulary = lookalike(name)
    for text in [*FILES, *(text.replace("    ", "\t") for text in FILES)]:
        whole = vocabulary.tokenizer.encode(text, add_special_tokens=False)
        for first in range(0, len(whole.ids), 255):
            ids, places = (side[first : first + 255] for side in (whole.ids, whole.offsets))
            found = line_indents(np.array([vocabulary.bos, *ids], np.int32), vocabulary)
            assert found.tolist() == slow_indents(["<s>", *(text[slice(*place)] for place in places)])


def test_ragged_range():
    assert ragged_range(np.array([2, 0, 3])).tolist() == [0, 1, 0, 1, 2]


PROMPTS = st.lists(
    st.sampled_from([EOS, A, B, C, NEWLINE, INDENT3, INDENT7, RUN, BOS]), min_size=1, max_size=14
)


@settings(max_examples=150, deadline=None)
@given(PROMPTS, st.integers(1, 6))
def test_atoms_against_the_definitions(rest, window):
    c = context([BOS, *rest], window)
    n = len(c.tokens)
    found = named(c.tokens.tolist(), window)
    for i in range(n):
        for j in range(n):
            expected = slow_set(BEHAVIOURS, c.tokens, c.indent, EOS, window, i, j)
            assert found.get((i, j), frozenset()) == expected, (i, j)


def test_pairs_come_sorted_and_never_empty():
    found = sparse_atoms(context([BOS, A, B, A, EOS, A, B], window=2))
    cells = found.dest.astype(int) * 7 + found.src
    assert (np.diff(cells) > 0).all()
    assert (found.mask > 0).all()


def test_bytes_of_one_character_follow_each_other(vocabulary):
    """A character of several byte tokens, twice: each byte attends by induction to what followed its copy."""
    character = vocabulary.encode("日")
    assert len(character) > 1
    tokens = np.array([vocabulary.bos, *character, *vocabulary.encode("x"), *character], np.int32)
    found = BEHAVIOURS["induction"](Context(tokens, np.full(len(tokens), -1), vocabulary.eos, 1))
    first, second = 1, len(character) + 2
    matrix = dense(found, len(tokens))
    for k in range(len(character)):
        assert np.flatnonzero(matrix[second + k]).tolist() == [first + k + 1]
