"""Section 1 on a model that is not attention-only: a small random GPT-2 in a local Hugging Face directory."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from polyhead.checkpoints import Source, fetch_model
from polyhead.chunks import in_memory
from polyhead.config import load_study, model_source
from polyhead.distribution import distribution
from polyhead.errors import PolyheadError
from polyhead.files import read_json, write_parquet
from polyhead.hub import Repository
from polyhead.labels import label_shards
from polyhead.models import BridgePatterns, check_pattern, named_sizes, open_model, open_plain
from polyhead.prompts import read_prompts, sample_prompts
from polyhead.rows import patterns, write_shard

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
    table = {"tokens": list(drawn.astype(np.int32)), "source": ["a"] * 30, "kind": ["code"] * 30}
    pq.write_table(pa.table(table), folder / "held_out.parquet")
    sizes = {"context": CONTEXT, "prompts": 20, "head": ["0.1", "2.3"], "ablation": NOTHING}
    return {"study": "gpt2", "model": str(gpt2), "corpus": {"path": str(folder)}, **sizes}


@pytest.fixture(scope="module")
def opened(tmp_path_factory, config):
    """The model as section 1 opens it, after the study's fetching."""
    directory = tmp_path_factory.mktemp("fetched")
    fetch_model(Source.from_config(model_source(config).model_dump()), directory)
    return open_model(directory)


def test_the_study_reads_a_converted_directory(config, gpt2):
    assert load_study(config).model == "results/gpt2/model"
    assert load_study({**config, "model": {"repo": str(gpt2)}}).model == "results/gpt2/model"
    with pytest.raises(PolyheadError, match=r"no head 2\.4; its heads are 0\.0 to 2\.3"):
        load_study({**config, "head": "2.4"})
    with pytest.raises(PolyheadError, match=r"context: 65 given; the model .* reads at most 64"):
        load_study({**config, "context": 65})


def test_section_2_is_refused_in_one_message(config):
    for asked in ({"tasks": ["previous"]}, {"tasks": [], "real_text_prompts": 4}):
        with pytest.raises(PolyheadError, match=r"write ablation: {tasks: \[\], real_text_prompts: 0}"):
            load_study({**config, "ablation": {**NOTHING, **asked}})


def test_its_patterns_are_those_of_transformers(opened, gpt2):
    from transformers import AutoModelForCausalLM

    model, _ = opened
    assert isinstance(model, BridgePatterns)
    tokens = torch.randint(0, 300, (3, 31), generator=torch.Generator().manual_seed(1))
    reference = AutoModelForCausalLM.from_pretrained(gpt2, attn_implementation="eager")
    with torch.inference_mode():
        attentions = reference(tokens, output_attentions=True).attentions
    heads = [(2, 3), (0, 1), (0, 0)]
    expected = torch.stack([attentions[layer][:, head] for layer, head in heads], 1)
    torch.testing.assert_close(patterns(model, heads, tokens), expected, atol=1e-5, rtol=0)


def test_layers_above_the_head_are_not_run(opened):
    model, _ = opened
    ran = []
    hooks = [
        block.register_forward_hook(lambda *_, layer=layer: ran.append(layer))
        for layer, block in enumerate(model.bridge.blocks)
    ]
    patterns(model, [(1, 0)], torch.arange(3, 20)[None])
    for hook in hooks:
        hook.remove()
    assert 2 not in ran


def test_one_token_is_bos_at_the_start_and_eos_elsewhere(opened, config, tmp_path):
    model, vocabulary = opened
    assert vocabulary.bos == vocabulary.eos == vocabulary.pad == 0
    split = f"{config['corpus']['path']}/held_out.parquet"
    sample, _ = sample_prompts(split, 20, CONTEXT, vocabulary, 0)
    write_parquet(tmp_path / "prompts.parquet", pa.concat_tables(sample.tables()))
    prompts = read_prompts(tmp_path / "prompts.parquet")
    paths = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    write_shard(paths, model, vocabulary, [(0, 1), (2, 3)], np.arange(20), prompts, 4)
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
    shares = distribution(in_memory(labels), vocabulary.labels, ["post"], 5, 10, 0)
    assert shares[shares["token_label"] == "all"]["share"].sum() == pytest.approx(1)


def test_its_sizes_have_the_names_of_every_other_model(gpt2):
    sizes = named_sizes(read_json(gpt2 / "config.json"))
    assert sizes == {
        **{"n_layers": 3, "n_heads": 4, "d_model": 32, "d_head": 8, "n_ctx": 64, "d_vocab": 384},
        "attn_only": False,
    }
    assert named_sizes({"n_layers": 1, "d_model": 2}) == {"n_layers": 1, "d_model": 2}


def test_what_shows_no_causal_pattern_is_refused():
    full = torch.full((1, 2, 3, 3), 1 / 3)
    check_pattern(full.tril(), (1, 2, 3, 3), 0)
    for shown, words in ((full, "a tensor"), (full[:, :1], "a tensor of shape"), (None, "nothing")):
        with pytest.raises(PolyheadError, match=f"layer 5: .* the model showed {words}"):
            check_pattern(shown, (1, 2, 3, 3), 5)


def test_it_is_not_opened_as_an_attention_only_model(opened, tmp_path_factory, gpt2):
    with pytest.raises(PolyheadError, match="is not an attention-only model with LayerNorm"):
        open_plain(gpt2)


def test_its_source_is_recorded(tmp_path, config):
    fetch_model(Source.from_config(model_source(config).model_dump()), tmp_path)
    record = read_json(tmp_path / "source.json")
    assert [file["file"] for file in record["files"]] == ["config.json", "model.safetensors"]
    assert record["commit"] is None


def test_grouped_keys_and_rotary_positions_are_no_obstacle(tmp_path, gpt2):
    from transformers import AutoModelForCausalLM, LlamaConfig

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "vocab_size": 384}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(LlamaConfig(**sizes, **heads, eos_token_id=0)).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((gpt2 / "tokenizer.json").read_bytes())
    fetch_model(Source(Repository(str(tmp_path)), Repository(str(tmp_path))), tmp_path / "out")
    tokens = torch.arange(3, 30)[None]
    reference = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager")
    with torch.inference_mode():
        expected = reference(tokens, output_attentions=True).attentions[1][:, [3]]
    found = patterns(open_model(tmp_path / "out")[0], [(1, 3)], tokens)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
