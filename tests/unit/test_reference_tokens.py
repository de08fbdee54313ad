import numpy as np
import pyarrow as pa
import pytest
from test_reference_corpus import document

from polyhead.reference.bpe import BOS_ID, EOS_ID, PAD_ID, train_tokenizer
from polyhead.reference.packing import main_document, pack
from polyhead.reference.rows import documents_table, rows_table, sample_rows

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


def test_packed_rows_open_with_bos_and_hold_every_document_ended_by_eos():
    texts = [np.full(length, 10 + i, dtype=np.uint16) for i, length in enumerate((5, 3, 7, 4, 6))]
    packed = pack(texts, context=6, seed=3)
    assert (packed.tokens[:, 0] == BOS_ID).all()
    stream = packed.tokens[:, 1:].reshape(-1)
    ends = np.flatnonzero(stream == EOS_ID)
    for text in np.split(stream, ends + 1)[:-1]:
        assert (text[:-1] == text[0]).all()
        assert len(text) - 1 == len(texts[text[0] - 10])
    assert (packed.documents[:, 1:].reshape(-1)[stream != EOS_ID] == stream[stream != EOS_ID] - 10).all()


def test_packing_follows_the_seed():
    texts = [np.full(4, 10 + i, dtype=np.uint16) for i in range(30)]
    first, again, other = (pack(texts, 8, seed).tokens for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_the_main_document_fills_most_of_a_row():
    assert main_document(np.array([4, 4, 7, 7, 7, 2], dtype=np.int32)) == 7


def test_rows_name_where_they_came_from():
    documents = documents_table([document("first", path="a.py"), document("second", "b.md", "prose")], 2)
    packed = pack([np.full(3, 5, np.uint16), np.full(20, 6, np.uint16)], 8, seed=0)
    table = rows_table(packed, documents)
    assert table.column_names == ["tokens", "source", "kind", "documents"]
    assert table["tokens"].type == pa.list_(pa.int32())
    by_kind = dict(zip(table["kind"].to_pylist(), table["source"].to_pylist(), strict=True))
    assert by_kind["prose"] == "package 1.0 b.md"
    assert {one for ids in table["documents"].to_pylist() for one in ids} == {0, 1}


def test_a_sample_is_uniform_without_replacement_and_seeded():
    packed = pack([np.arange(3, 2003, dtype=np.uint16)], 11, seed=0)
    sample = sample_rows(packed, 50, seed=1)
    assert len(np.unique(sample.tokens[:, 1])) == 50
    assert (sample.tokens == sample_rows(packed, 50, seed=1).tokens).all()
    assert sample_rows(packed, 10**6, seed=1) is packed
