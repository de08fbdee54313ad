"""The atlas: the same shares as head by head; where a model can run."""

import numpy as np
import pandas as pd
import pytest

from polyhead.attention.atlas import COLUMNS, atlas
from polyhead.attention.distribution import distribution
from polyhead.attention.labels import Definitions, label_table
from polyhead.attention.rows import shard_tables
from polyhead.errors import PolyheadError
from polyhead.model.opening import choose_device, open_model, to_device
from polyhead.prompts.clusters import STRIDE, Clustering, prompts_as_clusters

HEADS = [(layer, head) for layer in range(2) for head in range(3)]


@pytest.fixture(scope="module")
def opened(model_dir):
    return open_model(model_dir)[0]


DRAWS = {"n_resamples": 20, "seed": 0}


def test_atlas_against_each_head_alone(opened, vocabulary, prompts, monkeypatch):
    monkeypatch.setattr("polyhead.attention.rows.ROWS_AT_ONCE", 4 * 6 * 48)
    clusters = Clustering(np.arange(24) // 4 * STRIDE + np.arange(24) % 4 * 12, np.arange(24))
    table = atlas(opened, vocabulary, HEADS, prompts, Definitions(4, 0.6), clusters, **DRAWS)
    assert list(table.columns) == COLUMNS
    for head in HEADS:
        (rows,) = shard_tables(opened, vocabulary, [head], np.arange(6), prompts, 4)
        labels = label_table(rows, ["post", "extended"], 0.6)
        wanted = distribution(labels, vocabulary.labels, ["post", "extended"], 10**6, clusters, **DRAWS)
        found = table[table["head"] == f"{head[0]}.{head[1]}"].set_index(["taxonomy", "label"])
        wanted = wanted.drop(columns="token_label").set_index(["taxonomy", "label"])
        pd.testing.assert_frame_equal(found.drop(columns="head").sort_index(), wanted.sort_index())
        assert found["share_low"].notna().all()
        assert found.loc["post", "rows"].is_monotonic_decreasing


def test_the_model_runs_once_for_all_heads(opened, vocabulary, prompts, monkeypatch):
    ran = []
    layer = type(opened.layers[0])
    original = layer.write
    monkeypatch.setattr(layer, "write", lambda self, z: ran.append(len(z)) or original(self, z))
    definitions = Definitions(4, 0.95, ["post"])
    atlas(opened, vocabulary, HEADS, prompts, definitions, prompts_as_clusters(6), **DRAWS)
    assert sum(ran) == len(prompts)  # layer 0 once; the last layer only shows its patterns


def test_a_device_that_is_not_there_is_refused(opened, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(PolyheadError, match="device: cuda given; no CUDA device"):
        to_device(opened, "cuda", "float32")
