"""A checkpoint with the published layout becomes a model directory that says the same."""

import json
from pathlib import Path

import numpy as np
import published
import pytest
import torch

from polyhead.attention.rows import patterns
from polyhead.config import ModelConfig
from polyhead.errors import PolyheadError
from polyhead.files import read_json, sha256
from polyhead.model.fetching import fetch_model, write_tokenizer
from polyhead.model.hub import Repository, snapshot
from polyhead.model.opening import open_bridge, open_model
from polyhead.model.shape import Shape, read_shape
from polyhead.model.transformer import AttentionOnly
from polyhead.model.vocabulary import open_vocabulary

TEMPLATES = Path(__file__).parents[2] / "config/templates.yaml"


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """Local directories in place of the two repositories."""
    folder = tmp_path_factory.mktemp("repositories")
    published.write_model(folder / "model")
    published.write_tokenizer(folder / "tokenizer", TEMPLATES)
    return folder


def source(folder, **changes):
    """Return the config's section `model`, as plain data."""
    names = {"repo": str(folder / "model"), "tokenizer": {"repo": str(folder / "tokenizer")}}
    return ModelConfig(**{**names, "shape": published.SIZES, **changes}).model_dump()


@pytest.fixture(scope="module")
def directory(tmp_path_factory, repositories):
    folder = tmp_path_factory.mktemp("fetched") / "model"
    fetch_model(source(repositories), folder)
    return folder


def project(x, state, block, side):
    weight, bias = state[f"{block}.attn.W_{side}"], state[f"{block}.attn.b_{side}"]
    return torch.einsum("pd,hde->hpe", x, weight) + bias[:, None]


def by_the_book(state, tokens):
    """Return the pattern of head 1.4 by the architecture's definition, in the checkpoint's own names."""

    def norm(x, name):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * state[f"{name}.w"] + state[f"{name}.b"]

    def pattern(x, block):
        query, key = (project(x, state, block, side) for side in "QK")
        scores = query @ key.transpose(1, 2) / published.WIDTHS["d_head"] ** 0.5
        return scores.masked_fill(~torch.ones(len(x), len(x), dtype=bool).tril(), -torch.inf).softmax(-1)

    residual = state["embed.W_E"][tokens] + state["pos_embed.W_pos"][: len(tokens)]
    x, block = norm(residual, "blocks.0.ln1"), "blocks.0"
    value = project(x, state, block, "V")
    mixed = pattern(x, block) @ value
    residual = residual + torch.einsum("hpe,hed->pd", mixed, state[f"{block}.attn.W_O"])
    residual = residual + state[f"{block}.attn.b_O"]
    return pattern(norm(residual, "blocks.1.ln1"), "blocks.1")[4]


def test_it_is_a_native_directory_with_the_checkpoints_patterns(directory):
    assert read_shape(directory) == Shape(**published.SIZES)
    model, vocabulary = open_model(directory)
    tokens = torch.from_numpy(np.random.default_rng(0).integers(0, 400, 60))
    assert isinstance(model, AttentionOnly)
    assert (vocabulary.bos, vocabulary.eos, vocabulary.pad) == (0, 1, 2)
    found = patterns(model, [(1, 4)], tokens[None])[0, 0]
    torch.testing.assert_close(found, by_the_book(published.checkpoint(), tokens), atol=1e-5, rtol=0)
    with torch.inference_mode():
        logits = open_bridge(directory)(tokens[None])
        torch.testing.assert_close(model(tokens[None]), logits, atol=1e-5, rtol=0)


def test_its_source_is_recorded(directory, repositories):
    record = read_json(directory / "source.json")
    files = {file["file"]: file["sha256"] for file in record["files"]}
    names = ("config.json", "model_final.pth")
    assert files == {name: sha256(repositories / "model" / name) for name in names}
    read = [file["file"] for file in record["tokenizer"]["files"]]
    assert read == ["tokenizer.json", "tokenizer_config.json"]
    assert record["written"]["model.safetensors"] == sha256(directory / "model.safetensors")


def forget(name):
    def spoil(folder):
        state = published.checkpoint()
        del state[name]
        torch.save(state, folder / "model_final.pth")

    return spoil


def test_an_earlier_checkpoint_can_be_asked_for_and_a_bias_may_be_missing(tmp_path, repositories):
    published.write_model(tmp_path / "model")
    forget("unembed.b_U")(tmp_path / "model")
    for weights, seed in (("*final.pth", 0), ("checkpoints/*_000100.pth", 1)):
        given = source(repositories, repo=str(tmp_path / "model"), weights=weights)
        fetch_model(given, tmp_path / f"{seed}")
        found = open_model(tmp_path / f"{seed}")[0]
        torch.testing.assert_close(found.embed.weight, published.checkpoint(seed)["embed.W_E"])
        assert found.unembed.bias.any() == (seed == 1)


def settings(**fields):
    def spoil(folder):
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return spoil


def whole(folder):
    pass


@pytest.mark.parametrize(
    ("spoil", "changes", "message"),
    [
        (settings(n_heads=4), {}, "the config says 4 layers of 8 heads"),
        (settings(attn_only=False), {}, "not attention-only with LayerNorms"),
        (settings(shortformer_pos=True), {}, "cannot be read"),
        (forget("blocks.2.ln1.w"), {}, "does not fit its config.json"),
        (lambda f: (f / "model_final.pth").unlink(), {}, "no file of .* matches '\\*final.pth'"),
        (whole, {"weights": "*.pth"}, "several files match"),
        (whole, {"sha256": {"model_final.pth": "0" * 64}}, "not the file that the config expects"),
        (whole, {"tokenizer": {"repo": "no/such"}}, "cannot fetch tokenizer.json"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, repositories, monkeypatch, spoil, changes, message):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = tmp_path / "model"
    published.write_model(folder)
    spoil(folder)
    given = source(repositories, **{"repo": str(folder), **changes})
    with pytest.raises(PolyheadError, match=message):
        fetch_model(given, tmp_path / "out")
    assert not (tmp_path / "out/source.json").exists()


def test_roles_of_tokens_come_from_the_settings_then_the_model(tmp_path, tokenizer_path):
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    vocabulary = open_vocabulary(tokenizer_path)
    plain = vocabulary.tokenizer.to_str()
    for name in ("BOS", "EOS", "PAD"):
        plain = plain.replace(f"<|{name}|>", f"<{name}>")
    (folder / "tokenizer.json").write_text(plain)
    found = snapshot(Repository(str(folder)), ["tokenizer.json"])
    with pytest.raises(PolyheadError, match="name EOS"):
        write_tokenizer(found, {}, tmp_path)
    write_tokenizer(found, {"eos_token_id": 1}, tmp_path, opening="<EOS>")
    shared = open_vocabulary(tmp_path / "tokenizer.json")
    assert (shared.bos, shared.eos, shared.pad) == (1, 1, 1)
    write_tokenizer(found, {"bos_token_id": 0, "eos_token_id": 1}, tmp_path)
    assert open_vocabulary(tmp_path / "tokenizer.json").bos == 0
