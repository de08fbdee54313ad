"""Which rows belong together: by the lists of documents and starts, or by prompt where there are none."""

import numpy as np
import pyarrow as pa
import pytest

from polyhead.errors import PolyheadError
from polyhead.files import write_parquet
from polyhead.prompts.clusters import documents_as_clusters, read_clustering


def write(path, **more):
    write_parquet(path, pa.table({"prompt": [0, 1, 2], "tokens": [[0] * 6] * 3} | more))


@pytest.fixture
def packed(tmp_path):
    write(tmp_path / "prompts.parquet", documents=[[7, 3], [3], [9, 7, 4]], starts=[[1, 4], [1], [1, 2, 5]])
    return tmp_path / "prompts.parquet"


def test_a_document_is_one_cluster_in_all_prompts_that_hold_it(packed):
    found = read_clustering(packed)
    assert found.dense(3, 6).tolist() == [[2, 2, 2, 2, 0, 0], [0] * 6, [3, 3, 2, 2, 2, 1]]
    prompt, position = np.array([2, 0, 0, 2, 1]), np.array([2, 3, 4, 5, 0])
    assert found.of(prompt, position).tolist() == [2, 2, 0, 1, 0]
    assert found.count == 4


def test_only_the_first_prompts_and_positions_are_read(packed):
    assert read_clustering(packed, 2).dense(2, 4).tolist() == [[1] * 4, [0] * 4]


def test_without_documents_a_prompt_is_a_cluster(tmp_path):
    write(tmp_path / "prompts.parquet")
    assert read_clustering(tmp_path / "prompts.parquet", 2).dense(2, 3).tolist() == [[0, 0, 0], [1, 1, 1]]


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(PolyheadError, match="is missing"):
        read_clustering(tmp_path / "prompts.parquet")


def test_document_codes_by_position():
    table = pa.table({"documents": [[5, 8, 2]], "starts": [[1, 3, 4]]})
    np.testing.assert_array_equal(documents_as_clusters(table).dense(1, 7), [[1, 1, 1, 2, 0, 0, 0]])
