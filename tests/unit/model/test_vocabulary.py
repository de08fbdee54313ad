"""Labels as the post writes tokens, tokens that break lines, single tokens, special tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lookalikes import SENTENCEPIECE, SPLITS, lookalike
from tokenizers import Tokenizer, decoders, models
from toys import VOCABULARY, toy_tokenizer

from polyhead.errors import PolyheadError
from polyhead.model.vocabulary import Vocabulary, label, open_vocabulary


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
        ("\u200bx\u3000", "\\u200bx\\u3000"),  # nobody could see it
        (b" \xe6".decode("utf-8", "surrogateescape"), "·<0xE6>"),
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


def test_a_byte_that_is_no_text_is_named(vocabulary):
    assert vocabulary.labels[vocabulary.tokenizer.token_to_id("æ")] == "<0xE6>"
    ids = vocabulary.encode("naïve 日")
    assert "".join(vocabulary.labels[i] for i in ids) == "na<0xC3><0xAF>ve·<0xE6><0x97><0xA5>"


TEXT = "def f(x):\n    return x['今天 é']\n\ty = 1  \n"


@pytest.mark.parametrize("name", [*SPLITS, SENTENCEPIECE])
def test_the_texts_of_tokens_are_the_text(name):
    found = lookalike(name)
    joined = "".join(found.texts[i] for i in found.encode(TEXT)).encode("utf-8", "surrogateescape").decode()
    assert joined == " " * found.opens_with_space + TEXT
    assert found.opens_with_space == (name == SENTENCEPIECE)


def test_tokens_of_sentencepiece_show_their_space_and_their_bytes():
    found = lookalike(SENTENCEPIECE)
    labels = [found.labels[i] for i in found.encode("return self.value(\n   other 今\t")]
    assert labels == [
        "·return",
        "·self.value",
        "(",
        "⏎",
        "··",
        "·other",
        "·",
        "<0xE4>",
        "<0xBB>",
        "<0x8A>",
        "⇥",
    ]
    assert {"<0x28>", "("} < {*found.labels}  # of both the text is a bracket
    assert [found.labels[found.single(text)] for text in ("(", " return", "self")] == ["(", "·return", "self"]


def test_a_space_that_belongs_to_the_end_of_a_word_is_part_of_its_text():
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "b</w>": 2}, [], end_of_word_suffix="</w>"))
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    assert Vocabulary(tokenizer, 0, 0, 0).texts == ["a", "b", "b "]


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
