"""Repositories laid out as those of the published study: same names, files and keys; small, few sequences."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from toys import toy_tokenizer

MODEL = "NeelNanda/Attn_Only_4L512W_C4_Code"
TOKENIZER = "NeelNanda/gpt-neox-tokenizer-digits"
DATASET = "NeelNanda/c4-code-tokenized-2b"
SIZES = {"n_layers": 4, "n_heads": 8, "n_ctx": 1024, "d_vocab": 1200}
WIDTHS = {"d_model": 16, "d_head": 4}
PARTS, GROUPS, SEQUENCES = 3, 4, 10
"""Parts, row groups of a part, sequences of a row group."""


def checkpoint(seed=0):
    """Return a state dict as `HookedTransformer.state_dict()` gave: heads apart, masks among the weights."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator) * 0.3

    layers, heads, context, vocabulary = SIZES.values()
    width, head = WIDTHS.values()
    state = {"embed.W_E": draw(vocabulary, width), "pos_embed.W_pos": draw(context, width)}
    for layer in range(layers):
        block = f"blocks.{layer}"
        state |= {f"{block}.ln1.w": 1 + draw(width), f"{block}.ln1.b": draw(width)}
        state |= {f"{block}.attn.W_{side}": draw(heads, width, head) for side in "QKV"}
        state |= {f"{block}.attn.b_{side}": draw(heads, head) for side in "QKV"}
        state |= {f"{block}.attn.W_O": draw(heads, head, width), f"{block}.attn.b_O": draw(width)}
        state[f"{block}.attn.mask"] = torch.ones(context, context, dtype=torch.bool).tril()
        state[f"{block}.attn.IGNORE"] = torch.tensor(-1e5)
    state |= {"ln_final.w": 1 + draw(width), "ln_final.b": draw(width)}
    return state | {"unembed.W_U": draw(width, vocabulary), "unembed.b_U": draw(vocabulary)}


def write_model(folder):
    """Write config.json, a last and an earlier checkpoint."""
    folder.mkdir(parents=True)
    settings = {**SIZES, **WIDTHS, "d_mlp": 64, "act_fn": "gelu", "attn_only": True, "normalization": "LN"}
    settings |= {"shortformer_pos": False, "tokenizer_name": TOKENIZER, "seed": 1}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "checkpoints").mkdir()
    torch.save(checkpoint(seed=1), folder / "checkpoints" / "Attn_Only_4L512W_C4_Code_000100.pth")
    torch.save(checkpoint(), folder / "model_final.pth")


def tokenizer(templates):
    """Return a byte-level BPE to which every word of the templates is one token, with and without a space."""
    words = {word for text in strings(yaml.safe_load(templates.read_text())) for word in text.split()}
    words = sorted(word for word in words if not set(word) & set("{}"))
    indents = ["\n" + " " * width for width in (3, 7, 11)]
    texts = [word + " " + word for word in words] + [indent + " pass" for indent in indents]
    return toy_tokenizer(texts, SIZES["d_vocab"])


def strings(value):
    """Return every string in nested lists and mappings, keys left out."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in inside for text in strings(part)]


def write_tokenizer(folder, templates):
    """Write a tokenizer and its settings, one token bare and one with how it is matched."""
    folder.mkdir(parents=True)
    tokenizer(templates).save(str(folder / "tokenizer.json"))
    settings = {"bos_token": "<|BOS|>", "eos_token": {"content": "<|EOS|>", "lstrip": False}}
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "pad_token": "<|PAD|>"}))


def sequences(bos=0, vocabulary=350, length=1024):
    """Return the sequences of all parts; the second token tells which sequence it is."""
    rng = np.random.default_rng(3)
    drawn = rng.integers(3, vocabulary, (PARTS * GROUPS * SEQUENCES, length))
    drawn[:, 0], drawn[:, 1] = bos, np.arange(len(drawn)) + 3
    return drawn


def write_parts(folder, drawn):
    """Write sequences as parquet parts, one column `tokens` of int64 lists."""
    (folder / "data").mkdir(parents=True)
    for number, some in enumerate(np.split(drawn, PARTS)):
        table = pa.table({"tokens": pa.array(list(some), pa.list_(pa.int64()))})
        name = f"train-{number:05d}-of-{PARTS:05d}-abcdef0123456789.parquet"
        pq.write_table(table, folder / "data" / name, row_group_size=SEQUENCES)
    (folder / "README.md").write_text("not a part\n")
