"""Held to TransformerLens: the bridge's patterns and logits, `detect_head` where definitions coincide."""

import numpy as np
import pytest
import torch

from polyhead.attention.labels import read_atoms
from polyhead.attention.rows import patterns, shard_tables
from polyhead.model.opening import open_bridge, open_model

HEADS = [(layer, head) for layer in range(2) for head in range(3)]


@pytest.fixture(scope="module")
def plain(model_dir):
    return open_model(model_dir)[0]


@pytest.fixture(scope="module")
def bridge(model_dir):
    return open_bridge(model_dir)


def test_patterns_within_1e_5(plain, bridge, prompts):
    tokens = torch.from_numpy(prompts).long()
    found = patterns(plain, HEADS, tokens)
    _, cache = bridge.run_with_cache(tokens)
    for place, (layer, head) in enumerate(HEADS):
        wanted = cache["pattern", layer][:, head]
        assert (found[:, place] - wanted).abs().max() <= 1e-5


def test_logits_within_1e_5_of_their_scale(plain, bridge, prompts):
    tokens = torch.from_numpy(prompts).long()
    with torch.inference_mode():
        wanted, found = bridge(tokens), plain(tokens)
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@pytest.fixture(scope="module")
def distinct_neighbours(prompts, vocabulary):
    """A prompt in which no token is repeated at once: the two definitions of induction then coincide.

    TransformerLens counts the destination itself as an induction source where a token is repeated at once,
    and position 0 as the previous token of position 1; ours does neither.
    """
    kept = [vocabulary.bos]
    for token in prompts[:2].reshape(-1).tolist():
        if token not in (kept[-1], vocabulary.bos):
            kept.append(token)
    return np.array(kept[:60], np.int32)


@pytest.mark.parametrize("name", ["previous_token_head", "duplicate_token_head", "induction_head"])
def test_scores_are_the_same(plain, bridge, vocabulary, distinct_neighbours, name, monkeypatch):
    """`detect_head` averages the mass over all rows, row 0 too, which attends to BOS alone."""
    from transformer_lens.head_detector import detect_head

    tokens = distinct_neighbours
    monkeypatch.setattr(bridge, "to_tokens", lambda _: torch.from_numpy(tokens[None]).long(), raising=False)
    theirs = detect_head(bridge, "", name)
    tables = shard_tables(plain, vocabulary, HEADS, np.arange(1), tokens[None], 1)
    for (layer, head), table in zip(HEADS, tables, strict=True):
        ours = float(read_atoms(table).union_mass([[name.split("_")[0]]]).sum())
        if name == "previous_token_head":
            first = patterns(plain, [(layer, head)], torch.from_numpy(tokens[None]).long())
            ours += float(first[0, 0, 1, 0])
        assert ours / len(tokens) == pytest.approx(float(theirs[layer, head]), abs=1e-5)
