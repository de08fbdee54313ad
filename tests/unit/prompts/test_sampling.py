"""Sampling: the drawn sequences, wherever row groups end; the two samples share none."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toys import toy_tokenizer

from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.model.vocabulary import open_vocabulary
from polyhead.prompts.parts import open_corpus, open_split
from polyhead.prompts.sampling import (
    PROMPTS_AT_ONCE,
    check_apart,
    read_prompts,
    sample_apart,
    sample_prompts,
    without_sequences,
    write_sample,
)

SEQUENCES, CONTEXT, FEW = 2500, 6, 30


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, vocabulary):
    """A split of several row groups, whose sequences say which they are."""
    tokens = np.full((SEQUENCES, 8), vocabulary.bos)
    tokens[:, 1], tokens[:, 2] = 40 + np.arange(SEQUENCES) % 50, 40 + np.arange(SEQUENCES) // 50
    columns = {
        "tokens": tokens.tolist(),
        "source": [f"s{i}" for i in range(SEQUENCES)],
        "source_type": ["code"] * SEQUENCES,
        "documents": [[i, i + 1, i + 2] for i in range(SEQUENCES)],
        "starts": [[1, 4, 6]] * SEQUENCES,
    }
    path = tmp_path_factory.mktemp("corpus") / "split.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=700)
    return path, tokens


@pytest.fixture
def sample(corpus, vocabulary, tmp_path):
    """A sample of most of the split, its record, and where it was written."""
    found, record = sample_prompts(open_split(corpus[0]), 2100, CONTEXT, vocabulary, 3)
    write_sample(tmp_path, found, record)
    return found, record, tmp_path / "prompts.parquet"


def test_prompts_are_the_drawn_sequences_in_the_drawn_order(corpus, sample):
    tokens, (_, record, path) = corpus[1], sample
    drawn = np.random.default_rng(3).choice(SEQUENCES, 2100, replace=False)
    table = pq.read_table(path)
    assert table["sequence"].to_pylist() == drawn.tolist()
    assert table["source"].to_pylist() == [f"s{sequence}" for sequence in drawn]
    assert table["prompt"].to_pylist() == list(range(2100))
    np.testing.assert_array_equal(read_prompts(path), tokens[drawn, :CONTEXT])
    assert table["documents"].to_pylist() == [
        [number, number + 1] for number in drawn
    ]  # the third is cut off
    assert table["starts"].to_pylist() == [[1, 4]] * 2100
    assert record["sequences_available"] == SEQUENCES
    assert pq.read_metadata(path).row_group(0).num_rows == PROMPTS_AT_ONCE


@pytest.mark.parametrize(
    "missing", [["documents", "starts"], ["source", "source_type", "documents", "starts"]]
)
def test_what_a_split_does_not_say_of_sequences_is_not_known_of_prompts(
    corpus, vocabulary, tmp_path, missing
):
    bare = tmp_path / "bare.parquet"
    pq.write_table(pq.read_table(corpus[0]).drop_columns(missing), bare)
    table, _ = sample_prompts(open_split(bare), 5, CONTEXT, vocabulary, 3)
    assert table.column_names == ["prompt", "sequence", "source", "source_type", "tokens"]
    assert (set(table["source_type"].to_pylist()) == {"unlabelled"}) == ("source_type" in missing)
    assert table["tokens"] == sample_prompts(open_split(corpus[0]), 5, CONTEXT, vocabulary, 3)[0]["tokens"]


def test_some_prompts_are_read_without_the_others(sample):
    path = sample[2]
    np.testing.assert_array_equal(read_prompts(path, 999, 3), read_prompts(path)[999:1002])


def test_sequences_of_another_sample_are_left_out(sample):
    sample = sample[0].slice(0, 6)
    kept = without_sequences(sample, sample["sequence"].to_numpy()[[0, 2]], most=3)
    assert kept["prompt"].to_pylist() == [0, 1, 2]
    assert kept.drop_columns(["prompt"]).equals(sample.take([1, 3, 4]).drop_columns(["prompt"]))


def split(path, vocabulary, first):
    """Write a split of sequences that no other has."""
    tokens = np.full((FEW, 6), vocabulary.bos)
    tokens[:, 1:3] = np.stack([np.full(FEW, first), 10 + np.arange(FEW)], 1)
    documents = [[first * FEW + place] for place in range(FEW)]
    columns = {"tokens": tokens.tolist(), "documents": documents, "starts": [[1]] * FEW}
    pq.write_table(pa.table(columns), path)
    return path


def test_two_splits_give_two_samples_with_a_record_each(tmp_path, vocabulary):
    first, second = (open_split(split(tmp_path / f"{n}.parquet", vocabulary, n)) for n in (10, 11))
    sample, how = sample_prompts(first, 5, 4, vocabulary, 7)
    other, how_other = sample_apart(second, 100, (first, sample), 4, vocabulary, 7)
    assert [len(sample), len(other)] == [5, FEW]  # to choose on, what there is
    (tmp_path / "selection").mkdir()
    write_sample(tmp_path / "selection", other, how_other)
    record = read_json(tmp_path / "selection/sampling.json")
    assert (record["prompts"], record["context"], record["seed"], record["documents"]) == (30, 4, 8, 30)
    assert how["seed"] == 7
    assert pq.read_table(tmp_path / "selection/prompts.parquet")["prompt"].to_pylist() == list(range(30))


def test_of_a_data_set_in_parts_the_report_s_sequences_are_left_out(tmp_path, vocabulary):
    split(tmp_path / "train-0.parquet", vocabulary, 10)
    corpus = {"repo": str(tmp_path), "revision": "main", "split": "train", "column": "tokens"}
    parts = open_corpus({**corpus, "sequences": None, "sha256": {}}, whole=True)
    sample, _ = sample_prompts(parts, 20, 4, vocabulary, 7)
    other, how = sample_apart(parts, 6, (parts, sample), 4, vocabulary, 7)
    assert len(other) == 6
    assert not set(other["sequence"].to_pylist()) & set(sample["sequence"].to_pylist())
    assert how["documents"] == 6


def table(tokens, documents=None):
    found = pa.table({"tokens": pa.array(tokens, pa.list_(pa.int32()))})
    return found if documents is None else found.append_column("documents", pa.array(documents))


def test_documents_of_the_sample_are_counted_where_they_are_known():
    assert check_apart(table([[0, 1], [0, 2]], [[4, 5], [5]]), table([[0, 3]], [[6]])) == 2
    assert check_apart(table([[0, 1], [0, 2], [0, 4]]), table([[0, 3]])) == 3


def test_a_document_in_both_samples_is_refused():
    with pytest.raises(PolyheadError, match=r"1 documents are in .* document 5; choose another split"):
        check_apart(table([[0, 1]], [[4, 5]]), table([[0, 3]], [[5, 6]]))


def test_a_prompt_in_both_samples_is_refused():
    with pytest.raises(PolyheadError, match="1 prompts are in the selection sample"):
        check_apart(table([[0, 1]], [[4]]), table([[0, 1]], [[6]]))


def test_ids_with_holes_are_the_tokenizers_and_what_was_switched_off_is_said(tmp_path):
    content = json.loads(toy_tokenizer().to_str())
    moved = max(content["model"]["vocab"], key=content["model"]["vocab"].get)
    content["model"]["vocab"][moved] += 10
    content["truncation"] = {"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    vocabulary, last = open_vocabulary(tmp_path / "tokenizer.json"), content["model"]["vocab"][moved]
    pq.write_table(pa.table({"tokens": [[0, 50, last]] * 4}), tmp_path / "split.parquet")
    found, record = sample_prompts(open_split(tmp_path / "split.parquet"), 2, 3, vocabulary, 0)
    assert found["tokens"].to_pylist() == [[0, 50, last]] * 2
    assert record["switched_off"] == ["truncation"]
    assert record["says"].endswith("; the tokenizer's truncation is off")
