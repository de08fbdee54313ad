"""A model that is not attention-only: a small random GPT-2 in a local Hugging Face directory."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from decoders import random_model

from polyhead.attention.labels import label_shards, read_atoms
from polyhead.attention.rows import patterns, tables_of_heads, write_tables
from polyhead.config import load_study, model_source
from polyhead.errors import PolyheadError
from polyhead.files import read_json, read_parquet
from polyhead.model.decoder import Decoder
from polyhead.model.fetching import fetch_model
from polyhead.model.opening import open_model, open_native
from polyhead.model.shape import named_sizes

END = "<|endoftext|>"
NOTHING = {"ablation": {"tasks": [], "real_text_prompts": 0}, "edges": {"prompts": 0}}


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory, vocabulary):
    """A Hugging Face directory as `save_pretrained` writes it; one token is BOS, EOS and padding."""
    folder = tmp_path_factory.mktemp("gpt2")
    random_model("gpt2", eos_token_id=0, n_positions=64).save_pretrained(folder)
    text = vocabulary.tokenizer.to_str().replace("<|BOS|>", END).replace("<|EOS|>", "<unused>")
    (folder / "tokenizer.json").write_text(text.replace("<|PAD|>", "<unused2>"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64}))
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory, gpt2):
    """A study of it."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "held_out.parquet").touch()
    places = {"model": str(gpt2), "corpus": {"path": str(folder)}, "context": 40}
    return {"study": "gpt2", **places, "head": ["0.1", "2.3"], **NOTHING}


@pytest.fixture(scope="module")
def directory(tmp_path_factory, config):
    """What the study fetches."""
    folder = tmp_path_factory.mktemp("fetched")
    fetch_model(model_source(config).model_dump(), folder)
    return folder


def copy_with(model, folder, **fields):
    """Copy a model's directory and change fields of its config.json."""
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "config.json").write_text(json.dumps({**read_json(folder / "config.json"), **fields}))
    return folder


def test_the_study_reads_a_converted_directory_by_either_name(config, gpt2):
    assert load_study(config).model == "results/gpt2/model"
    assert load_study({**config, "model": {"repo": str(gpt2)}}).model == "results/gpt2/model"
    with pytest.raises(PolyheadError, match=r"no head 2\.4; its heads are 0\.0 to 2\.3"):
        load_study({**config, "head": "2.4"})


def test_a_transformerlens_model_with_mlps_is_refused_in_one_line(config, tmp_path, gpt2):
    sizes = {"n_layers": 2, "n_heads": 3, "n_ctx": 64, "d_vocab": 360, "attn_only": False}
    copy_with(gpt2, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    for refuse in (lambda: load_study({**config, "model": str(tmp_path)}), lambda: open_model(tmp_path)):
        with pytest.raises(PolyheadError, match=r"^the model is in TransformerLens' form and not .*$"):
            refuse()


def test_its_source_and_sizes_are_recorded(directory, gpt2):
    record = read_json(directory / "source.json")
    assert [file["file"] for file in record["files"]] == ["config.json", "model.safetensors"]
    assert record["commit"] is None
    sizes = {"n_layers": 3, "n_heads": 4, "d_model": 32, "d_head": 8, "n_ctx": 64, "d_vocab": 384}
    assert named_sizes(read_json(gpt2 / "config.json")) == sizes | {"attn_only": False}
    with pytest.raises(PolyheadError, match="is not an attention-only model with LayerNorm"):
        open_native(gpt2)


def test_one_token_is_bos_at_the_start_and_eos_elsewhere(directory, tmp_path):
    model, vocabulary = open_model(directory)
    assert isinstance(model, Decoder)
    assert vocabulary.bos == vocabulary.eos == vocabulary.pad == 0
    prompts = np.random.default_rng(2).integers(3, 60, (20, 40)).astype(np.int32)
    prompts[:, 0] = prompts[:, 17] = 0
    paths = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    write_tables(paths, tables_of_heads(model, vocabulary, [(0, 1), (2, 3)], np.arange(20), prompts, 4))
    atoms = read_atoms(read_parquet(paths[0]))
    pattern = patterns(model, [(0, 1)], torch.from_numpy(prompts).long())[:, 0, 1:].numpy()
    for name, position in (("bos", 0), ("eos", 17)):
        mass = atoms.union_mass([[name]])[:, 0]
        np.testing.assert_allclose(mass, pattern[:, :, position].ravel(), atol=1e-5)
    assert pa.concat_tables(label_shards(paths[:1], ["post"], 0.5)).num_rows == 20 * 39


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM: no causal language model"),
        (
            {"is_encoder_decoder": True, "architectures": ["T5ForConditionalGeneration"]},
            "T5ForConditionalGen",
        ),
    ],
)
def test_an_encoder_is_refused_before_anything_runs(config, gpt2, tmp_path, fields, words):
    with pytest.raises(PolyheadError, match=words):
        load_study({**config, "model": str(copy_with(gpt2, tmp_path, **fields))})


def test_the_token_that_opens_a_prompt_is_asked_for_where_none_is_named(gpt2, tmp_path, model_dir, config):
    source = {"model": {"repo": str(copy_with(gpt2, tmp_path, bos_token_id=None))}}
    source, out = model_source(source).model_dump(), tmp_path / "out"
    for given, words in (
        (None, "missing; the model's tokenizer puts no token"),
        ("<|no|>", "'<|no|>' is no token"),
    ):
        with pytest.raises(PolyheadError) as error:
            fetch_model(source, out, opening=given)
        assert f"opening_token: {words}" in str(error.value)
    fetch_model(source, out, opening="<unused>")
    assert open_model(out)[1].bos == 1
    assert read_json(out / "source.json")["notes"] == ["Every prompt opens with the token <unused>."]
    with pytest.raises(PolyheadError, match="opening_token: given; the model's directory names its own"):
        load_study({**config, "model": str(model_dir), "head": "1.2", "opening_token": "<|BOS|>"})
