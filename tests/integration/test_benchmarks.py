"""The benchmarks compare ways that give the same results."""

import numpy as np
import torch

from benchmarks import section1, section2
from polyhead.model.vocabulary import open_vocabulary


def test_section_2_compares_equal_results(monkeypatch):
    monkeypatch.setitem(section2.SHAPES, "tiny", section2.Sizes(d_model=64, d_vocab=90, n_ctx=40))
    monkeypatch.setattr(section2, "ABLATED", (4, 9))
    monkeypatch.setattr(section2, "READ", 40)
    table = section2.run(["tiny"], rounds=2)
    assert len(table) == 2
    assert (table["largest_difference"] < 1e-5).all()
    assert (table["largest_effect"] > 1e-3).all()
    assert (table[["seconds", "baseline_seconds", "times_faster"]] > 0).all(axis=None)


def test_section_1_compares_equal_labels(tokenizer_path):
    vocabulary = open_vocabulary(tokenizer_path)
    models = section2.random_models(section2.Sizes(d_model=64, d_vocab=360, n_ctx=64), seed=0)
    prompts = np.random.default_rng(0).integers(3, 360, (8, 64)).astype(np.int32)
    prompts[:, 0] = vocabulary.bos
    bench = section1.Bench(*models, vocabulary, prompts)
    torch.set_num_threads(1)
    assert (section1.interleaved(bench, rounds=1, at_once=2) > 0).all(axis=None)
    difference, disagreeing = section1.parity(bench)
    assert difference["value"] < 1e-5
    assert disagreeing["value"] == 0
