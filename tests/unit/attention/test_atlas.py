"""The atlas: the same labels as head by head, entropies by hand; precision: what bfloat16 changes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from polyhead.attention.precision import label_differences

from polyhead.attention.atlas import atlas, entropy_bits
from polyhead.attention.labels import TAXONOMIES, Definitions, read_atoms
from polyhead.attention.rows import shard_tables
from polyhead.errors import PolyheadError
from polyhead.model.opening import BridgePatterns, choose_device, open_model, to_device

HEADS = [(layer, head) for layer in range(2) for head in range(3)]


@pytest.fixture(scope="module")
def opened(model_dir):
    return open_model(model_dir)[0]


@pytest.mark.parametrize(
    ("counts", "bits"), [([4], 0), ([2, 2], 1), ([1, 1, 1, 1], 2), ([3, 1], 0.8112781), ([5, 0], 0)]
)
def test_entropy(counts, bits):
    assert entropy_bits(np.array(counts, float)) == pytest.approx(bits)


def test_atlas_against_each_head_alone(opened, vocabulary, prompts, monkeypatch):
    monkeypatch.setattr("polyhead.attention.atlas.PROMPTS_AT_ONCE", 4)
    table = atlas(opened, vocabulary, HEADS, prompts, Definitions(4, 0.6))
    for head in HEADS:
        (rows,) = shard_tables(opened, vocabulary, [head], np.arange(6), prompts, 4)
        for taxonomy in ("post", "extended"):
            chosen = table["head"] == f"{head[0]}.{head[1]}"
            part = table[chosen & (table["taxonomy"] == taxonomy)]
            wanted = TAXONOMIES[taxonomy](read_atoms(rows), 0.6).value_counts()
            assert part.set_index("label")["rows"].to_dict() == wanted[wanted > 0].to_dict()
            assert part["share"].sum() == pytest.approx(1)
            assert part["entropy"].iloc[0] == pytest.approx(entropy_bits(wanted.to_numpy(float)))


def test_the_model_runs_once_for_all_heads(opened, vocabulary, prompts, monkeypatch):
    ran = []
    layer = type(opened.layers[0])
    original = layer.write
    monkeypatch.setattr(layer, "write", lambda self, z: ran.append(len(z)) or original(self, z))
    atlas(opened, vocabulary, HEADS, prompts, Definitions(4, 0.95, ["post"]))
    assert sum(ran) == len(prompts)  # layer 0 once; the last layer only shows its patterns


def test_float32_on_the_cpu_changes_nothing(opened, vocabulary, prompts):
    table = label_differences(opened, vocabulary, HEADS[:2], prompts, Definitions(4, 0.6), "cpu", "float32")
    assert table["differing"].tolist() == [0] * 4
    assert set(table["rows"]) == {6 * 47}


def test_bfloat16_changes_some_labels_of_a_model_on_the_edge(opened, vocabulary, prompts):
    table = label_differences(
        opened, vocabulary, HEADS, prompts, Definitions(4, 0.6, ["extended"]), "cpu", "bfloat16"
    )
    assert 0 < table["differing"].sum() < 0.2 * table["rows"].sum()
    assert (table["share"] == table["differing"] / table["rows"]).all()


def test_a_device_that_is_not_there_is_refused(opened, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(PolyheadError, match="device: cuda given; no CUDA device"):
        to_device(opened, "cuda", "float32")


def test_other_models_run_in_float32_only():
    bridge = torch.nn.Linear(1, 1)
    bridge.cfg = SimpleNamespace(n_layers=1, n_heads=1, n_ctx=8)
    other = BridgePatterns(bridge)
    assert to_device(other, "cpu", "float32") is other
    with pytest.raises(PolyheadError, match="float32 only"):
        to_device(other, "cpu", "bfloat16")
