"""Which rows belong together: by the lists of documents and starts, or by prompt where there are none."""

import numpy as np
import pyarrow as pa
import pytest

from polyhead.errors import PolyheadError
from polyhead.files import write_parquet
from polyhead.prompts.clusters import documents_as_clusters, read_clusterings, read_clusters


def write(path, **more):
    columns = {"source": ["torch 2.1 a.py", "scipy 1.0 b.py", "torch 2.1 c.py"], "tokens": [[0] * 6] * 3}
    write_parquet(path, pa.table(columns | more))


@pytest.fixture
def packed(tmp_path):
    write(tmp_path / "prompts.parquet", documents=[[7, 3], [3], [9, 7, 4]], starts=[[1, 4], [1], [1, 2, 5]])
    return tmp_path / "prompts.parquet"


def test_a_document_is_one_cluster_in_all_prompts_that_hold_it(packed):
    found = read_clusters(packed, 3, 6)
    assert found.documents.tolist() == [[2, 2, 2, 2, 0, 0], [0] * 6, [3, 3, 2, 2, 2, 1]]
    assert found.packages.tolist() == [[1] * 6, [0] * 6, [1] * 6]


def test_only_the_first_prompts_and_positions_are_read(packed):
    found = read_clusters(packed, 2, 4)
    assert found.documents.tolist() == [[1] * 4, [0] * 4]
    assert found.packages.shape == (2, 4)


def test_without_documents_a_prompt_is_a_cluster(tmp_path):
    write(tmp_path / "prompts.parquet")
    found = read_clusters(tmp_path / "prompts.parquet", 2, 3)
    assert found.documents.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert found.packages is None


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(PolyheadError, match="is missing"):
        read_clusters(tmp_path / "prompts.parquet", 2, 3)


def test_document_codes_by_position():
    table = pa.table({"documents": [[5, 8, 2]], "starts": [[1, 3, 4]]})
    np.testing.assert_array_equal(documents_as_clusters(table).dense(1, 7), [[1, 1, 1, 2, 0, 0, 0]])


def test_the_clusters_of_single_rows_are_looked_up(packed):
    found = read_clusterings(packed)
    prompt, position = np.array([2, 0, 0, 2, 1]), np.array([2, 3, 4, 5, 0])
    assert found.documents.of(prompt, position).tolist() == [2, 2, 0, 1, 0]
    assert found.packages.of(prompt, position).tolist() == [1, 1, 1, 1, 0]
    assert (found.documents.count, found.packages.count) == (4, 2)
