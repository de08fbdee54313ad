"""Weights that are missing, renamed or no numbers; tokenizer files that do more than split a text."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from decoders import random_model
from safetensors.torch import load_file, save_file
from tokenizers import models
from toys import toy_tokenizer

from polyhead.errors import PolyheadError
from polyhead.model.fetching import leave_out_surplus, read_checkpoint, try_directory
from polyhead.model.loading import load_causal_lm
from polyhead.model.opening import open_model
from polyhead.model.vocabulary import open_vocabulary


@pytest.fixture
def folder(tmp_path):
    """A Llama whose unembedding is a weight of its own."""
    random_model("llama").save_pretrained(tmp_path)
    toy_tokenizer().save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def rewritten(folder, change):
    """Change the weights in a directory."""
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def without(name):
    return lambda state: {key: weight for key, weight in state.items() if name not in key}


def prefixed(prefix):
    return lambda state: {prefix + key: weight for key, weight in state.items()}


def with_one(value, name="model.norm.weight"):
    return lambda state: {**state, name: torch.full_like(state["model.norm.weight"], value)}


REFUSED = [
    (without("lm_head"), r"1 of its weights are not in the files.*: lm_head\.weight; none is made up"),
    (
        without("layers.1.self_attn"),
        r"4 of its weights are not .*layers\.1\.self_attn\.k_proj\.weight",
    ),
    *((prefixed(p), f"there are others: {p}") for p in ("_orig_mod.", "module.", "base_model.model.")),
    (
        lambda state: {**state, "model.norm.weight": torch.ones(3)},
        r"another shape there: model\.norm",
    ),
    (with_one(torch.nan), r"not finite numbers: model\.norm\.weight"),
    (with_one(torch.inf), r"not finite numbers: model\.norm\.weight"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_no_weight_is_made_up(folder, change, words):
    rewritten(folder, change)
    for opened in (lambda: load_causal_lm(folder, "x"), lambda: open_model(folder)):
        with pytest.raises(PolyheadError, match=words):
            opened()


def test_weights_besides_are_said_in_the_log(folder, capsys):
    rewritten(folder, with_one(1.0, "visual.weight"))
    load_causal_lm(folder, "x")
    assert "x: 1 weights in the files are none of the model's: visual.weight" in capsys.readouterr().out


def test_an_unembedding_that_is_the_embedding_need_not_be_in_the_file(tmp_path):
    random_model("llama", tie_word_embeddings=True).save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    load_causal_lm(tmp_path, "x")


def test_weights_of_an_attention_only_model_are_finite(model_dir, tmp_path):
    for path in model_dir.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    rewritten(tmp_path, lambda state: {**state, "ln_final.bias": torch.nan * state["ln_final.bias"]})
    with pytest.raises(PolyheadError, match=r"not finite numbers: ln_final\.bias"):
        open_model(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_pointer_of_git_lfs_is_named(folder, name):
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(PolyheadError, match=rf"{name} is a Git LFS pointer, .* git lfs pull"):
        open_model(folder)


TEXT = "def total(self):\n    return self.width * self.height\n" * 9


def test_a_tokenizer_is_a_function_of_the_whole_text(tmp_path):
    plain = toy_tokenizer()
    cutting = toy_tokenizer()
    cutting.enable_truncation(8)
    cutting.enable_padding(pad_token="<|PAD|>", pad_id=plain.token_to_id("<|PAD|>"), length=400)
    chance = toy_tokenizer()
    model = chance.model
    assert isinstance(model, models.BPE)
    model.dropout = 0.5
    chance.model = model
    for off, tokenizer in {("truncation", "padding"): cutting, ("dropout",): chance, (): plain}.items():
        path = tmp_path / "tokenizer.json"
        tokenizer.save(str(path))
        found = open_vocabulary(path)
        assert found.encode(TEXT) == plain.encode(TEXT, add_special_tokens=False).ids
        assert found.switched_off == off


def with_content(path, change):
    """Rewrite a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_special_tokens_may_be_dictionaries_and_pad_may_be_left_out(folder):
    settings = {
        "bos_token": {"content": "<|BOS|>", "lstrip": False},
        "eos_token": "<|EOS|>",
        "pad_token": "<none>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    found = open_model(folder)[1]
    assert (found.bos, found.eos, found.pad) == (0, 1, 1)


def test_ids_with_holes_count_by_the_largest(folder):
    def move(content):
        moved = max(content["model"]["vocab"], key=content["model"]["vocab"].get)
        content["model"]["vocab"][moved] += 10

    with_content(folder / "tokenizer.json", move)
    found = open_vocabulary(folder / "tokenizer.json")
    size = toy_tokenizer().get_vocab_size() + 10
    assert len(found.texts) == len(set(found.labels)) == size
    assert found.labels[size - 5] == f"#{size - 5}"
    try_directory(folder, "x")


def test_a_tokenizer_of_another_size_is_refused_for_what_it_is(folder):
    tokens = toy_tokenizer().get_vocab_size()
    random_model("llama", vocab_size=tokens - 1).save_pretrained(folder)
    with pytest.raises(PolyheadError, match=r"x: the tokenizer has 1 ids beyond the model's vocabulary"):
        try_directory(folder, "x")
    random_model("llama", vocab_size=700).save_pretrained(folder)
    with pytest.raises(PolyheadError, match="it is the tokenizer of another model"):
        try_directory(folder, "x")


def test_a_token_that_was_added_to_the_tokenizer_alone_is_left_out_and_said(folder):
    tokenizer = toy_tokenizer()
    random_model("llama", vocab_size=tokenizer.get_vocab_size()).save_pretrained(folder)
    tokenizer.add_special_tokens(["[PAD]"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"pad_token": "[PAD]"}')
    [note] = leave_out_surplus(folder)
    assert note.endswith("left out: [PAD].")
    try_directory(folder, "x")
    found = open_model(folder)[1]
    assert found.pad == found.eos
    assert "".join(found.texts[i] for i in found.encode("a[PAD]")) == "a[PAD]"
    assert leave_out_surplus(folder) == []


def test_a_log_in_page_in_the_place_of_weights_is_refused(tmp_path):
    (tmp_path / "model_final.pth").write_bytes(b"<!DOCTYPE html><title>Log in</title>")
    with pytest.raises(PolyheadError, match=r"cannot read the checkpoint .*model_final\.pth"):
        read_checkpoint(tmp_path / "model_final.pth")


def test_weights_that_would_run_code_are_refused(tmp_path):
    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "pwned",))

    (tmp_path / "a.pth").write_bytes(pickle.dumps({"embed.W_E": Harm()}, protocol=2))
    with pytest.raises(PolyheadError, match="cannot read the checkpoint"):
        read_checkpoint(tmp_path / "a.pth")
    torch.save({"embed.W_E": Harm()}, tmp_path / "b.pth")
    with pytest.raises(PolyheadError, match="cannot read the checkpoint"):
        read_checkpoint(tmp_path / "b.pth")
    assert not (tmp_path / "pwned").exists()
