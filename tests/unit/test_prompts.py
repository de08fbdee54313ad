"""Sampling: the rows that were drawn, wherever row groups end; room is reserved before it is written to."""

import errno
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead.files import parquet_writer
from polyhead.prompts import PROMPTS_AT_ONCE, empty_sample, pick_prompts, read_prompts, sample_prompts

ROWS, CONTEXT = 2500, 6


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, vocabulary):
    """A split of several row groups, whose rows say which they are."""
    tokens = np.full((ROWS, 8), vocabulary.bos)
    tokens[:, 1], tokens[:, 2] = 40 + np.arange(ROWS) % 50, 40 + np.arange(ROWS) // 50
    columns = {"tokens": tokens.tolist(), "source": [f"s{i}" for i in range(ROWS)], "kind": ["code"] * ROWS}
    path = tmp_path_factory.mktemp("corpus") / "split.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=700)
    return path, tokens


def written(sample, path):
    with parquet_writer(path) as append:
        for table in sample.tables():
            append(table)
    return path


def test_prompts_are_the_drawn_rows_in_the_drawn_order(corpus, vocabulary, tmp_path):
    split, tokens = corpus
    sample, record = sample_prompts(split, 2100, CONTEXT, vocabulary, 3, tmp_path)
    drawn = np.random.default_rng(3).choice(ROWS, 2100, replace=False)
    path = written(sample, tmp_path / "prompts.parquet")
    table = pq.read_table(path)
    assert table["row"].to_pylist() == drawn.tolist()
    assert table["source"].to_pylist() == [f"s{row}" for row in drawn]
    assert table["prompt"].to_pylist() == list(range(2100))
    np.testing.assert_array_equal(read_prompts(path), tokens[drawn, :CONTEXT])
    assert record["rows_available"] == ROWS
    assert pq.read_metadata(path).row_group(0).num_rows == PROMPTS_AT_ONCE
    assert list(tmp_path.iterdir()) == [path]  # nothing is left of the nameless file


def test_some_prompts_are_picked_in_the_order_asked_for(corpus, vocabulary, tmp_path):
    sample, _ = sample_prompts(corpus[0], 2100, CONTEXT, vocabulary, 3)
    path = written(sample, tmp_path / "prompts.parquet")
    numbers = [2099, 0, 1000, 999, 0]
    np.testing.assert_array_equal(pick_prompts(path, numbers), read_prompts(path)[numbers])


def test_a_full_disk_is_noticed_before_anything_is_written(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        empty_sample(10, 10, None)
