"""Sampling: the drawn sequences, wherever row groups end; room is reserved before it is written to."""

import errno
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead.files import parquet_writer
from polyhead.prompts.sampling import (
    PROMPTS_AT_ONCE,
    empty_sample,
    pick_prompts,
    read_prompts,
    sample_prompts,
    without_sequences,
)

SEQUENCES, CONTEXT = 2500, 6


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


def written(sample, path):
    with parquet_writer(path) as append:
        for table in sample.tables():
            append(table)
    return path


def test_prompts_are_the_drawn_sequences_in_the_drawn_order(corpus, vocabulary, tmp_path):
    split, tokens = corpus
    sample, record = sample_prompts(split, 2100, CONTEXT, vocabulary, 3, tmp_path)
    drawn = np.random.default_rng(3).choice(SEQUENCES, 2100, replace=False)
    path = written(sample, tmp_path / "prompts.parquet")
    table = pq.read_table(path)
    assert table["sequence"].to_pylist() == drawn.tolist()
    assert table["source"].to_pylist() == [f"s{sequence}" for sequence in drawn]
    assert table["prompt"].to_pylist() == list(range(2100))
    np.testing.assert_array_equal(read_prompts(path), tokens[drawn, :CONTEXT])
    assert table["documents"].to_pylist() == [
        [sequence, sequence + 1] for sequence in drawn
    ]  # the third is cut off
    assert table["starts"].to_pylist() == [[1, 4]] * 2100
    assert record["sequences_available"] == SEQUENCES
    assert pq.read_metadata(path).row_group(0).num_rows == PROMPTS_AT_ONCE
    assert list(tmp_path.iterdir()) == [path]  # nothing is left of the nameless file


def test_sequences_without_a_known_source_are_unlabelled(corpus, vocabulary, tmp_path):
    bare = tmp_path / "bare.parquet"
    pq.write_table(pq.read_table(corpus[0], columns=["tokens"]), bare)
    sample, _ = sample_prompts(bare, 5, CONTEXT, vocabulary, 3)
    table = pa.concat_tables(sample.tables())
    assert set(table["source"].to_pylist()) == set(table["source_type"].to_pylist()) == {"unlabelled"}
    same, _ = sample_prompts(corpus[0], 5, CONTEXT, vocabulary, 3)
    assert table["tokens"] == pa.concat_tables(same.tables())["tokens"]


def test_a_split_that_says_nothing_of_documents_gives_prompts_that_do_not(corpus, vocabulary, tmp_path):
    plain = pq.read_table(corpus[0]).drop_columns(["documents", "starts"])
    pq.write_table(plain, tmp_path / "split.parquet")
    sample, _ = sample_prompts(tmp_path / "split.parquet", 5, CONTEXT, vocabulary, 3)
    assert next(sample.tables()).column_names == ["prompt", "sequence", "source", "source_type", "tokens"]


def test_some_prompts_are_picked_in_the_order_asked_for(corpus, vocabulary, tmp_path):
    sample, _ = sample_prompts(corpus[0], 2100, CONTEXT, vocabulary, 3)
    path = written(sample, tmp_path / "prompts.parquet")
    numbers = [2099, 0, 1000, 999, 0]
    np.testing.assert_array_equal(pick_prompts(path, numbers), read_prompts(path)[numbers])


def test_to_pick_no_prompt_gives_no_sequences_of_the_same_length(corpus, vocabulary, tmp_path):
    sample, _ = sample_prompts(corpus[0], 3, CONTEXT, vocabulary, 0, tmp_path)
    assert pick_prompts(written(sample, tmp_path / "prompts.parquet"), []).shape == (0, CONTEXT)


def test_a_full_disk_is_noticed_before_anything_is_written(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        empty_sample(10, 10, None)


def test_sequences_of_another_sample_are_left_out(corpus, vocabulary):
    sample, _ = sample_prompts(corpus[0], 6, CONTEXT, vocabulary, 3)
    kept = without_sequences(sample, sample.sequences[[0, 2]], most=3)
    assert kept.sequences.tolist() == sample.sequences[[1, 3, 4]].tolist()
    assert (kept.tokens == sample.tokens[[1, 3, 4]]).all()
    assert kept.documents["starts"].tolist() == sample.documents["starts"][[1, 3, 4]].tolist()
