import numpy as np
import pyarrow as pa
import pytest
from test_corpus import document

from training.bpe import BOS_ID, EOS_ID, PAD_ID, train_tokenizer
from training.sequences import (
    documents_table,
    pack,
    read_packed,
    read_tokens,
    sample_sequences,
    sequences_table,
)

CODE = (
    "class A:\n    def f(self, x):\n        if x:\n            return 12\n\n    def g(self):\n        pass\n"
)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([CODE] * 50, 340)


def pieces(tokenizer, text):
    return [tokenizer.decode([token]) for token in tokenizer.encode(text).ids]


def test_special_tokens_come_first(tokenizer):
    ids = [tokenizer.token_to_id(token) for token in ("<|BOS|>", "<|EOS|>", "<|PAD|>")]
    assert ids == [BOS_ID, EOS_ID, PAD_ID] == [0, 1, 2]


def test_newline_and_all_but_the_last_space_are_one_token(tokenizer):
    found = pieces(tokenizer, "x:\n        if x")
    assert "\n       " in found
    assert found[found.index("\n       ") + 1] == " if"
    assert "\n\n   " in pieces(tokenizer, "pass\n\n    def")


def test_digits_are_single_tokens(tokenizer):
    assert pieces(tokenizer, "x 12")[-2:] == ["1", "2"]
    assert not [t for t in tokenizer.get_vocab() if len(t) > 1 and any(c.isdigit() for c in t)]


def test_any_text_survives_the_round_trip(tokenizer):
    text = "naïve\t→ 3.14\r\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def texts_of(*lengths):
    """Return texts of the given lengths; the tokens of text k are all 10 + k."""
    return [np.full(length, 10 + k, dtype=np.uint16) for k, length in enumerate(lengths)]


def packed_of(*lengths, context, seed=0):
    return pack(texts_of(*lengths), np.arange(len(lengths)) + 100, context, seed)


def test_packed_sequences_open_with_bos_and_hold_every_document_ended_by_eos():
    lengths = (5, 3, 7, 4, 6)
    packed = packed_of(*lengths, context=6, seed=3)
    assert (packed.tokens[:, 0] == BOS_ID).all()
    stream = packed.tokens[:, 1:].reshape(-1)
    ends = np.flatnonzero(stream == EOS_ID)
    for text in np.split(stream, ends + 1)[:-1]:
        assert (text[:-1] == text[0]).all()
        assert len(text) - 1 == lengths[text[0] - 10]


def test_a_sequence_says_which_documents_it_holds_and_where_they_begin():
    packed = packed_of(*np.random.default_rng(0).integers(1, 40, 60), context=16, seed=1)
    assert len(packed.first) == len(packed.tokens) + 1
    for tokens, entries in zip(packed.tokens, packed.entries(), strict=True):
        documents, starts = packed.documents[entries], packed.starts[entries]
        assert starts[0] == 1
        owner = documents[np.searchsorted(starts, np.arange(1, 16), side="right") - 1]
        text = tokens[1:] != EOS_ID
        assert (owner[text] == tokens[1:][text] + 90).all()
        assert (tokens[starts[1:] - 1] == EOS_ID).all()  # a document begins after the end of another


def test_a_document_that_goes_on_starts_at_one_in_the_next_sequence():
    packed = packed_of(25, context=11)
    assert packed.documents.tolist() == [100, 100]
    assert packed.starts.tolist() == [1, 1]
    assert packed.first.tolist() == [0, 1, 2]


def test_packing_follows_the_seed():
    first, again, other = (packed_of(*[4] * 30, context=8, seed=seed).tokens for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_the_main_document_fills_most_of_a_sequence():
    packed = packed_of(3, 9, context=15)
    assert packed.main_documents() == [101]


def test_sequences_are_read_as_they_were_written(tmp_path):
    packed = packed_of(5, 3, 7, 40, context=6)
    packed.save(tmp_path / "packed.npz")
    read = read_packed(tmp_path / "packed.npz")
    for name, array in vars(packed).items():
        assert (getattr(read, name) == array).all(), name
    assert (read_tokens(tmp_path / "packed.npz") == packed.tokens).all()


def test_sequences_name_where_they_came_from():
    given = [document("first", path="a.py"), document("second", "b.md", "prose")]
    documents = documents_table(given, np.array([0, 1]), 2)
    packed = pack([np.full(3, 5, np.uint16), np.full(20, 6, np.uint16)], np.arange(2), 8, seed=0)
    table = sequences_table(packed, documents)
    columns = ["tokens", "source", "source_type", "package", "documents", "starts"]
    assert table.column_names == columns
    assert table["tokens"].type == table["starts"].type == pa.list_(pa.int32())
    by_type = dict(zip(table["source_type"].to_pylist(), table["source"].to_pylist(), strict=True))
    assert by_type["prose"] == "package 1.0 b.md"
    assert {one for ids in table["documents"].to_pylist() for one in ids} == {0, 1}
    for line, entries in zip(table.to_pylist(), packed.entries(), strict=True):
        assert line["starts"] == packed.starts[entries].tolist()


def test_a_sample_is_uniform_without_replacement_seeded_and_keeps_its_documents():
    packed = packed_of(*range(1, 150), context=11)
    sample = sample_sequences(packed, 50, seed=1)
    assert (sample.tokens == sample_sequences(packed, 50, seed=1).tokens).all()
    assert (sample.tokens != sample_sequences(packed, 50, seed=2).tokens).any()
    assert len(sample.tokens) == 50
    for tokens, entries in zip(sample.tokens, sample.entries(), strict=True):
        text = tokens[1:][tokens[1:] != EOS_ID]
        assert set(text + 90) <= set(sample.documents[entries])
    assert sample_sequences(packed, 10**6, seed=1) is packed
