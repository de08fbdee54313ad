"""The trained form, the bridge and TransformerLens' own head detector agree."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from polyhead.attention.labels import Definitions
from polyhead.model.opening import open_model
from polyhead.training.export import export
from polyhead.training.model import new_model
from polyhead.training.probes import (
    all_tokens,
    head_evidence,
    known_tokens,
    repeated_induction,
    repeated_tokens,
)
from polyhead.training.recipe import ModelRecipe

RECIPE = ModelRecipe(layers=2, heads=3, d_model=24, d_head=8, context=40)


@pytest.fixture(scope="module")
def trained():
    """A model with weights large enough for its attention to differ from place to place."""
    torch.manual_seed(0)
    model = new_model(RECIPE, 400)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def folder(trained, tokenizer_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    record = {"step": 1, "steps": 1, "tokens": 40, "seconds": 1.0, "seed": 0, "resumptions": 0}
    checkpoint = {"model": trained.state_dict(), "environment": {}, "hashes": {}, **record}
    torch.save(checkpoint, folder / "last.pt")
    export(folder / "last.pt", RECIPE, tokenizer_path, folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def bridge(folder):
    from polyhead.model.opening import open_bridge

    return open_bridge(folder)


def test_the_trained_model_computes_what_the_bridge_computes(trained, bridge):
    tokens = torch.randint(400, (3, 40), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.allclose(trained(tokens), bridge(tokens), atol=1e-5)


def test_the_trained_model_has_the_bridges_weights_and_no_others(trained, bridge):
    assert trained.state_dict().keys() == bridge.state_dict().keys()


def test_scores_are_those_of_detect_head_on_the_same_tokens(folder, bridge):
    from transformer_lens.head_detector import detect_head

    model, vocabulary = open_model(folder)
    tokens = without_neighbouring_copies(vocabulary.bos)
    ours = head_evidence(
        model,
        vocabulary,
        tokens,
        repeated_tokens(2, 14, all_tokens(vocabulary), vocabulary.bos, 0),
        Definitions(4, 0.95),
    )
    asked = SimpleNamespace(
        cfg=bridge.cfg,
        run_with_cache=bridge.run_with_cache,
        to_tokens=lambda _: torch.from_numpy(tokens).long(),
    )
    rows = tokens.shape[1]
    for name, kind in DETECTED.items():
        theirs = detect_head(asked, "", kind).flatten().detach().numpy() * rows
        if name == "previous":  # theirs counts attention to BOS from the token after it, ours does not
            _, cache = bridge.run_with_cache(torch.from_numpy(tokens).long())
            theirs -= np.concatenate([cache["pattern", layer][0, :, 1, 0] for layer in range(RECIPE.layers)])
        assert np.allclose(ours[name] * (rows - 1), theirs, atol=1e-4), name


DETECTED = {
    "induction": "induction_head",
    "duplicate": "duplicate_token_head",
    "previous": "previous_token_head",
}


def without_neighbouring_copies(bos):
    """Tokens that repeat, but never twice in a row: there, detect_head takes the destination for a source."""
    steps = np.random.default_rng(2).integers(1, 8, 29)
    return np.array([[bos, *(3 + np.cumsum(steps) % 8)]], dtype=np.int32)


def test_repeated_tokens_are_bos_and_one_sequence_twice(vocabulary):
    repeated = repeated_tokens(5, 15, all_tokens(vocabulary), vocabulary.bos, seed=0)
    assert repeated.shape == (5, 31)
    assert (repeated[:, 0] == vocabulary.bos).all()
    assert (repeated[:, 1:16] == repeated[:, 16:]).all()
    assert all(len(set(row[1:16])) == 15 for row in repeated.tolist())


def test_random_tokens_are_those_that_text_has_and_no_special_ones(vocabulary):
    sequences = np.array([[vocabulary.bos, 7, 9, vocabulary.eos], [vocabulary.bos, 9, 11, vocabulary.pad]])
    assert known_tokens(sequences, vocabulary).tolist() == [7, 9, 11]
    drawn = repeated_tokens(20, 2, known_tokens(sequences, vocabulary), vocabulary.bos, seed=0)
    assert set(drawn[:, 1:].flatten().tolist()) == {7, 9, 11}


def test_repeated_induction_reads_the_token_after_the_first_copy(folder):
    model, vocabulary = open_model(folder)
    repeated = repeated_tokens(3, 5, all_tokens(vocabulary), vocabulary.bos, seed=0)
    from polyhead.attention.rows import patterns

    found = patterns(model, [(1, 2)], torch.from_numpy(repeated).long())[:, 0]
    by_hand = np.mean([found[p, 6 + i, 2 + i] for p in range(3) for i in range(5)])
    assert repeated_induction(model, repeated)[5] == pytest.approx(by_hand, abs=1e-6)
