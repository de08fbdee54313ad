"""Labels as the post writes tokens, indent widths, single tokens, special tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import VOCABULARY, toy_tokenizer

from polyhead.errors import PolyheadError
from polyhead.model.vocabulary import indent_width, label, open_vocabulary


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" R", "·R"),
        ("  x", "··x"),
        ("\n   ", "⏎[·×3]"),
        ("\n       ", "⏎[·×7]"),
        ("\n", "⏎"),
        ("\n ", "⏎·"),
        ("\n\n   ", "⏎⏎[·×3]"),
        ("    ", "[·×4]"),
        ("a b", "a·b"),
        ("\t", "⇥"),
        ("\r\n", "␍⏎"),
        ("·", "\\xb7"),  # a middle dot of the text is not a space
        ("⏎", "\\u23ce"),
        ("a\x00b", "a\\x00b"),  # no figure can hold it
        ("\x85", "\\x85"),
        ("é", "é"),
        ("日本", "日本"),
        ("\ufffd", "\ufffd"),
        ("", ""),
    ],
)
def test_label(text, expected):
    assert label(text) == expected


@given(st.text(st.sampled_from(" \n\tab·⏎"), max_size=6), st.text(st.sampled_from(" \n\tab·⏎"), max_size=6))
def test_labels_of_different_texts_differ(one, other):
    assert (label(one) == label(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("\n", 0),
        ("\n   ", 3),
        ("\n\n    ", 4),
        ("  \n ", 1),  # only what follows the last newline indents
        ("   ", -1),
        ("\n  x", -1),
        ("\n\t", -1),
        ("", -1),
        ("x", -1),
    ],
)
def test_indent_width(text, width):
    assert indent_width(text) == width


def test_every_token_has_a_label_of_its_own(vocabulary):
    assert len(vocabulary.labels) == vocabulary.tokenizer.get_vocab_size() == VOCABULARY
    assert len(set(vocabulary.labels)) == VOCABULARY
    assert all(vocabulary.labels)


def test_bytes_that_are_no_text_are_told_apart_by_id(vocabulary):
    lone = [i for i, text in enumerate(vocabulary.texts) if text == "\ufffd"]
    assert len(lone) > 1
    assert all(vocabulary.labels[i] == f"\ufffd#{i}" for i in lone)


def test_multi_byte_text_goes_through_byte_tokens_and_back(vocabulary):
    ids = vocabulary.encode("naïve 日")
    assert vocabulary.tokenizer.decode(ids) == "naïve 日"
    assert any(vocabulary.labels[i].startswith("\ufffd#") for i in ids)
    assert (vocabulary.indents[ids] == -1).all()


def test_indents_of_the_vocabulary(vocabulary):
    ids = vocabulary.encode("if a:\n        b\n    c\n\nd")
    widths = [int(vocabulary.indents[i]) for i in ids if vocabulary.indents[i] >= 0]
    assert widths[:2] == [7, 3]  # the last space belongs to the word after it
    assert (vocabulary.indents >= -1).all()
    assert vocabulary.indents.dtype == np.int16


def test_single(vocabulary):
    assert vocabulary.labels[vocabulary.single(" def")] == "·def"
    with pytest.raises(PolyheadError, match=r"'zqj' is not a single token.*z \| q \| j"):
        vocabulary.single("zqj")


def test_special_tokens_are_three(vocabulary):
    assert len({vocabulary.bos, vocabulary.eos, vocabulary.pad}) == 3


def test_a_tokenizer_without_eos_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(toy_tokenizer().to_str().replace("<|EOS|>", "<|END|>"))
    with pytest.raises(PolyheadError, match=r"has no EOS token <\|EOS\|>"):
        open_vocabulary(path)


def test_a_missing_tokenizer_is_named(tmp_path):
    with pytest.raises(PolyheadError, match=r"cannot read the tokenizer .*absent\.json"):
        open_vocabulary(tmp_path / "absent.json")


def test_a_token_that_reads_all_is_not_mistaken_for_all_tokens(tmp_path):
    tokenizer = toy_tokenizer()
    tokenizer.add_tokens(["all"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    vocabulary = open_vocabulary(tmp_path / "tokenizer.json")
    token = vocabulary.single("all")
    assert vocabulary.labels[token] == f"all#{token}"
