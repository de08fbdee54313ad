"""A model that is not attention-only: a small random GPT-2 in a local Hugging Face directory."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from polyhead.attention.distribution import distribution, draw_documents
from polyhead.attention.labels import label_shards
from polyhead.attention.rows import patterns, tables_of_heads, write_tables
from polyhead.config import load_study, model_source
from polyhead.errors import PolyheadError
from polyhead.files import read_json, write_parquet
from polyhead.model.decoder import Decoder
from polyhead.model.fetching import fetch_model
from polyhead.model.opening import open_model, open_native
from polyhead.model.shape import named_sizes
from polyhead.prompts.clusters import prompts_as_clusters
from polyhead.prompts.parts import open_split
from polyhead.prompts.sampling import read_prompts, sample_prompts

END = "<|endoftext|>"
CONTEXT = 40
NOTHING = {"tasks": [], "real_text_prompts": 0}


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory, vocabulary):
    """A Hugging Face directory as `save_pretrained` writes it; one token is BOS, EOS and padding."""
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("gpt2")
    sizes = {"n_layer": 3, "n_head": 4, "n_embd": 32, "n_positions": 64, "vocab_size": 384}
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(
            **sizes, bos_token_id=0, eos_token_id=0, initializer_range=0.3, attn_implementation="eager"
        )
    )
    model.save_pretrained(folder)
    text = vocabulary.tokenizer.to_str().replace("<|BOS|>", END).replace("<|EOS|>", "<unused>")
    (folder / "tokenizer.json").write_text(text.replace("<|PAD|>", "<unused2>"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64}))
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory, gpt2):
    """A study of it: rows that begin with BOS, with the same token between documents."""
    folder = tmp_path_factory.mktemp("study")
    drawn = np.random.default_rng(2).integers(3, 60, (30, 50))
    drawn[:, 0] = drawn[:, 17] = 0
    table = {"tokens": list(drawn.astype(np.int32)), "source": ["a"] * 30, "source_type": ["code"] * 30}
    pq.write_table(pa.table(table), folder / "held_out.parquet")
    sizes = {
        "context": CONTEXT,
        "prompts": 20,
        "head": ["0.1", "2.3"],
        "ablation": NOTHING,
        "edges": {"prompts": 0},
    }
    return {"study": "gpt2", "model": str(gpt2), "corpus": {"path": str(folder)}, **sizes}


def section(config):
    """Return the section `model` of a config as plain data."""
    return model_source(config).model_dump()


def of_folder(folder):
    """Return the section `model` for a Hugging Face directory."""
    return section({"model": {"repo": str(folder)}})


@pytest.fixture(scope="module")
def opened(tmp_path_factory, config):
    """The model as section 1 opens it, after the study's fetching."""
    directory = tmp_path_factory.mktemp("fetched")
    fetch_model(section(config), directory)
    return open_model(directory)


def test_the_study_reads_a_converted_directory(config, gpt2):
    assert load_study(config).model == "results/gpt2/model"
    assert load_study({**config, "model": {"repo": str(gpt2)}}).model == "results/gpt2/model"
    with pytest.raises(PolyheadError, match=r"no head 2\.4; its heads are 0\.0 to 2\.3"):
        load_study({**config, "head": "2.4"})
    with pytest.raises(PolyheadError, match=r"context: 65 given; the model .* reads at most 64"):
        load_study({**config, "context": 65})


def test_a_transformerlens_model_with_mlps_is_refused_in_one_line(config, tmp_path, gpt2):
    sizes = {"n_layers": 2, "n_heads": 3, "n_ctx": 64, "d_vocab": 360, "attn_only": False}
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((gpt2 / name).read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    for refuse in (lambda: load_study({**config, "model": str(tmp_path)}), lambda: open_model(tmp_path)):
        with pytest.raises(PolyheadError, match=r"^the model is in TransformerLens' form and not .*$"):
            refuse()


def test_its_patterns_are_those_of_transformers(opened, gpt2):
    from transformers import AutoModelForCausalLM

    model, _ = opened
    assert isinstance(model, Decoder)
    tokens = torch.randint(0, 300, (3, 31), generator=torch.Generator().manual_seed(1))
    reference = AutoModelForCausalLM.from_pretrained(gpt2, attn_implementation="eager")
    with torch.inference_mode():
        attentions = reference(tokens, output_attentions=True).attentions
    heads = [(2, 3), (0, 1), (0, 0)]
    expected = torch.stack([attentions[layer][:, head] for layer, head in heads], 1)
    torch.testing.assert_close(patterns(model, heads, tokens), expected, atol=1e-5, rtol=0)


def test_one_token_is_bos_at_the_start_and_eos_elsewhere(opened, config, tmp_path):
    model, vocabulary = opened
    assert vocabulary.bos == vocabulary.eos == vocabulary.pad == 0
    split = f"{config['corpus']['path']}/held_out.parquet"
    sample, _ = sample_prompts(open_split(split), 20, CONTEXT, vocabulary, 0)
    write_parquet(tmp_path / "prompts.parquet", sample)
    prompts = read_prompts(tmp_path / "prompts.parquet")
    paths = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    write_tables(paths, tables_of_heads(model, vocabulary, [(0, 1), (2, 3)], np.arange(20), prompts, 4))
    rows = pq.read_table(paths[0])
    names = json.loads(rows.schema.metadata[b"behaviours"])
    atoms = rows.select([name for name in rows.column_names if name.startswith("atom_")]).to_pandas()
    np.testing.assert_allclose(atoms.sum(axis=1), 1, atol=1e-4)
    pattern = patterns(model, [(0, 1)], torch.from_numpy(prompts).long())[:, 0, 1:].numpy()
    for name, position in (("bos", 0), ("eos", 17)):
        bit = 1 << names.index(name)
        own = [column for column in atoms if int(column.removeprefix("atom_")) & bit]
        np.testing.assert_allclose(atoms[own].sum(axis=1), pattern[:, :, position].ravel(), atol=1e-5)
    labels = pa.concat_tables(label_shards(paths[:1], ["post"], 0.5)).to_pandas()
    shares = distribution(
        labels, vocabulary.labels, ["post"], 5, draw_documents(prompts_as_clusters(20), 10, 0)
    )
    assert shares[shares["token_label"] == "all"]["share"].sum() == pytest.approx(1)


def test_its_sizes_have_the_names_of_every_other_model(gpt2):
    sizes = named_sizes(read_json(gpt2 / "config.json"))
    assert sizes == {
        **{"n_layers": 3, "n_heads": 4, "d_model": 32, "d_head": 8, "n_ctx": 64, "d_vocab": 384},
        "attn_only": False,
    }
    assert named_sizes({"n_layers": 1, "d_model": 2}) == {"n_layers": 1, "d_model": 2}


def test_it_is_not_opened_as_an_attention_only_model(opened, tmp_path_factory, gpt2):
    with pytest.raises(PolyheadError, match="is not an attention-only model with LayerNorm"):
        open_native(gpt2)


def test_its_source_is_recorded(tmp_path, config):
    fetch_model(section(config), tmp_path)
    record = read_json(tmp_path / "source.json")
    assert [file["file"] for file in record["files"]] == ["config.json", "model.safetensors"]
    assert record["commit"] is None


def test_an_encoder_is_refused_before_anything_runs(config, gpt2, tmp_path):
    for fields, words in (
        ({"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM: no causal language model"),
        (
            {"is_encoder_decoder": True, "architectures": ["T5ForConditionalGeneration"]},
            "T5ForConditionalGen",
        ),
    ):
        copy_with(gpt2, tmp_path, **fields)
        with pytest.raises(PolyheadError, match=words):
            load_study({**config, "model": str(tmp_path)})


def test_the_token_that_opens_a_prompt_is_asked_for_where_none_is_named(gpt2, tmp_path):
    copy_with(gpt2, tmp_path, bos_token_id=None)
    source = of_folder(tmp_path)
    with pytest.raises(PolyheadError, match="opening_token: missing; the model's tokenizer puts no token"):
        fetch_model(source, tmp_path / "out")
    with pytest.raises(
        PolyheadError, match=r"opening_token: '<\|no\|>' is no token of the model's tokenizer"
    ):
        fetch_model(source, tmp_path / "out", opening="<|no|>")
    fetch_model(source, tmp_path / "out", opening="<unused>")
    assert open_model(tmp_path / "out")[1].bos == 1
    notes = read_json(tmp_path / "out/source.json")["notes"]
    assert notes == ["Every prompt opens with the token <unused>."]


def test_a_model_in_its_own_form_has_its_own_opening_token(model_dir, config):
    with pytest.raises(PolyheadError, match="opening_token: given; the model's directory names its own"):
        load_study({**config, "model": str(model_dir), "head": "1.2", "opening_token": "<|BOS|>"})


def copy_with(model, folder, **fields):
    """Copy a model's directory and change fields of its config.json."""
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = {**read_json(folder / "config.json"), **fields}
    (folder / "config.json").write_text(json.dumps(content))
