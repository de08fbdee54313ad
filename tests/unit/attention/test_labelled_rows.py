"""Rows in chunks: the same rows whatever the chunks are, and damage is noticed wherever it is."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead import files
from polyhead.attention.labelled_rows import (
    count_groups,
    in_memory,
    label_chunks,
    labels_until,
    prompt_ids_of,
    take_ranked,
)
from polyhead.errors import PolyheadError
from polyhead.files import write_parquet

NAMES = ["bos", "previous", "unknown"]


@pytest.fixture
def labels():
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "prompt": np.repeat(np.arange(10, 40, dtype=np.int32), 20),
            "token": rng.integers(0, 4, 600, dtype=np.int32),
            "post": pd.Categorical.from_codes(rng.integers(0, 2, 600), NAMES),
        }
    )


@pytest.fixture
def path(labels, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_ROW_GROUP", 70)
    write_parquet(tmp_path / "labels.parquet", pa.Table.from_pandas(labels, preserve_index=False))
    return tmp_path / "labels.parquet"


def test_chunks_are_the_table_with_one_set_of_categories(labels, path):
    chunks = list(label_chunks(path)())
    assert [len(chunk) for chunk in chunks] == [70] * 8 + [40]
    assert all(list(chunk["post"].cat.categories) == NAMES for chunk in chunks)
    pd.testing.assert_frame_equal(pd.concat(chunks, ignore_index=True), labels)


def test_damage_in_a_late_chunk_is_noticed(path):
    column = pq.read_metadata(path).row_group(8).column(1)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    chunks = iter(label_chunks(path)())
    assert len([next(chunks) for _ in range(8)]) == 8  # what is whole is still read
    with pytest.raises(PolyheadError, match=r"labels\.parquet is damaged .*delete it and run again"):
        next(chunks)


def groups(chunk):
    for token in (1, 3):
        yield token, (chunk["token"] == token).to_numpy()
    yield "bos", (chunk["post"] == "bos").to_numpy()


@pytest.mark.parametrize("size", [1, 64, 600])
def test_rows_of_a_kind_by_their_rank(labels, size):
    chunks = in_memory(labels, size)
    ones, bos = np.flatnonzero(labels["token"] == 1), np.flatnonzero(labels["post"] == "bos")
    assert count_groups(chunks, groups)[1] == len(ones)
    ranks = {1: np.array([50, 0, 7]), "bos": np.array([len(bos) - 1])}
    places, rows = take_ranked(chunks, groups, ranks)
    assert places[1].tolist() == ones[[50, 0, 7]].tolist()
    assert places["bos"].tolist() == [bos[-1]]
    pd.testing.assert_frame_equal(rows, labels.loc[sorted({*places[1], *places["bos"]})])


def test_prompts_and_the_first_of_them(labels):
    chunks = in_memory(labels, 33)
    assert prompt_ids_of(chunks).tolist() == list(range(10, 40))
    pd.testing.assert_frame_equal(labels_until(chunks, 12), labels[labels["prompt"] <= 12])
