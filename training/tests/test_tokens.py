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
    save_packed,
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


def packed_of(*lengths, context):
    """Pack texts of the given lengths, with ids from 100 on; the tokens of text k are all 10 + k."""
    texts = [np.full(length, 10 + k, dtype=np.uint16) for k, length in enumerate(lengths)]
    return pack(texts, np.arange(len(lengths)) + 100, context, 0)


def test_sequences_are_read_as_they_were_written(tmp_path):
    packed = packed_of(5, 3, 7, 40, context=6)
    assert (packed.tokens[:, 0] == BOS_ID).all()
    save_packed(packed, tmp_path / "packed.npz")
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
