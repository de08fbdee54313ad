"""Labels as the post writes tokens, tokens that break lines, single tokens, special tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import VOCABULARY, toy_tokenizer

from polyhead.errors import PolyheadError
from polyhead.model.vocabulary import label, open_vocabulary


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
        ("a\u202eb\u200b", "a\\u202eb\\u200b"),  # one turns the line around, the other has no width
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


def test_tokens_that_break_lines_and_blank_ones(vocabulary):
    ids = vocabulary.encode("if a:\n        b\n\nd")  # i f · a : ⏎[·×7] · b ⏎ ⏎ d
    assert np.flatnonzero(vocabulary.breaks[ids]).tolist() == [5, 8, 9]
    assert np.flatnonzero(vocabulary.blank[ids]).tolist() == [2, 5, 6, 8, 9]
    assert not vocabulary.breaks[vocabulary.bos]
    assert not vocabulary.blank[vocabulary.bos]


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
