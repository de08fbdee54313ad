"""Sampling: the drawn sequences, wherever row groups end."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead.prompts.sampling import (
    PROMPTS_AT_ONCE,
    pick_prompts,
    read_prompts,
    sample_prompts,
    without_sequences,
    write_prompts,
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
    write_prompts(path, sample)
    return path


def test_prompts_are_the_drawn_sequences_in_the_drawn_order(corpus, vocabulary, tmp_path):
    split, tokens = corpus
    sample, record = sample_prompts(split, 2100, CONTEXT, vocabulary, 3)
    drawn = np.random.default_rng(3).choice(SEQUENCES, 2100, replace=False)
    path = written(sample, tmp_path / "prompts.parquet")
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
    table, _ = sample_prompts(bare, 5, CONTEXT, vocabulary, 3)
    assert table.column_names == ["prompt", "sequence", "source", "source_type", "tokens"]
    assert (set(table["source_type"].to_pylist()) == {"unlabelled"}) == ("source_type" in missing)
    assert table["tokens"] == sample_prompts(corpus[0], 5, CONTEXT, vocabulary, 3)[0]["tokens"]


def test_some_prompts_are_picked_in_the_order_asked_for(corpus, vocabulary, tmp_path):
    sample, _ = sample_prompts(corpus[0], 2100, CONTEXT, vocabulary, 3)
    path = written(sample, tmp_path / "prompts.parquet")
    for numbers in ([2099, 0, 1000, 999, 0], [3]):
        np.testing.assert_array_equal(pick_prompts(path, numbers), read_prompts(path)[numbers])
    assert pick_prompts(path, []).shape == (0, CONTEXT)
    np.testing.assert_array_equal(read_prompts(path, 999, 3), read_prompts(path)[999:1002])


def test_sequences_of_another_sample_are_left_out(corpus, vocabulary):
    sample, _ = sample_prompts(corpus[0], 6, CONTEXT, vocabulary, 3)
    kept = without_sequences(sample, sample["sequence"].to_numpy()[[0, 2]], most=3)
    assert kept["prompt"].to_pylist() == [0, 1, 2]
    assert kept.drop_columns(["prompt"]).equals(sample.take([1, 3, 4]).drop_columns(["prompt"]))
