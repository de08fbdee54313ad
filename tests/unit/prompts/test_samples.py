"""The sample to choose on has nothing in common with the report's."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.prompts.hub_dataset import open_corpus
from polyhead.prompts.samples import Sampler, check_apart, write_sample

SEQUENCES = 30


@pytest.fixture
def sampler(vocabulary):
    return Sampler(4, vocabulary, 7, None)


def split(path, vocabulary, first):
    """Write a split of sequences that no other has."""
    tokens = np.full((SEQUENCES, 6), vocabulary.bos)
    tokens[:, 1:3] = np.stack([np.full(SEQUENCES, first), 10 + np.arange(SEQUENCES)], 1)
    documents = [[first * SEQUENCES + place] for place in range(SEQUENCES)]
    columns = {"tokens": tokens.tolist(), "documents": documents, "starts": [[1]] * SEQUENCES}
    pq.write_table(pa.table(columns), path)
    return path


def test_two_splits_give_two_samples_with_a_record_each(tmp_path, vocabulary, sampler):
    splits = [split(tmp_path / f"{first}.parquet", vocabulary, first) for first in (10, 11)]
    sample, how = sampler.draw(splits[0], 5)
    other, how_other = sampler.draw_apart(splits[1], 100, sample)
    assert [len(sample), len(other)] == [5, SEQUENCES]  # to choose on, what there is
    (tmp_path / "selection").mkdir()
    write_sample(tmp_path / "selection", other, how_other)
    record = read_json(tmp_path / "selection/sampling.json")
    assert (record["prompts"], record["context"], record["seed"], record["documents"]) == (30, 4, 8, 30)
    assert how["seed"] == 7
    assert pq.read_table(tmp_path / "selection/prompts.parquet")["prompt"].to_pylist() == list(range(30))


def test_of_a_data_set_in_parts_the_report_s_sequences_are_left_out(tmp_path, vocabulary, sampler):
    split(tmp_path / "train-0.parquet", vocabulary, 10)
    corpus = {"repo": str(tmp_path), "revision": "main", "split": "train", "column": "tokens"}
    parts = open_corpus({**corpus, "sequences": None, "sha256": {}}, whole=True)
    sample, _ = sampler.draw(parts, 20)
    other, how = sampler.draw_apart(parts, 6, sample)
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
