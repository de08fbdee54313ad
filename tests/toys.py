"""Toy models for tests: a tokenizer, random weights, a model directory."""

import json

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from polyhead.model.vocabulary import Vocabulary

VOCABULARY = 360
TEXT = """class Node(Base):
    def __init__(self, width, value=None):
        self.width = width
        if value is None:
            value = {"key": 1, "other": 2}
        self.value = value

    def total(self):
        return sum(self.value[key] * self.width for key in self.value)
   # three
       # seven
"""


LINES = [TEXT, *(f"name_{i} = value{i} + other{i}\n" for i in range(40))]


def toy_tokenizer(texts=LINES, vocabulary=VOCABULARY, split=None):
    """Return a byte-level BPE trained on a few lines, with BOS, EOS, PAD; at most so many tokens.

    Text is split at a pattern, else as GPT-2 does.
    """
    tokenizer = Tokenizer(models.BPE())
    splits = [pre_tokenizers.Split(Regex(split), "isolated")] if split else []
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not split)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|BOS|>", "<|EOS|>", "<|PAD|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def random_state(n_layers, n_heads, d_model, d_head, n_ctx, d_vocab, seed):
    """Return a state dict with the bridge's keys; biases and LayerNorm weights are random too."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape, scale=1.0):
        return torch.randn(*shape, generator=generator) * scale

    def norm(name):
        return {f"{name}.weight": 1 + draw(d_model, scale=0.1), f"{name}.bias": draw(d_model, scale=0.1)}

    flat = n_heads * d_head
    state = {"embed.weight": draw(d_vocab, d_model), "pos_embed.weight": draw(n_ctx, d_model, scale=0.5)}
    for layer in range(n_layers):
        block = f"blocks.{layer}"
        state |= norm(f"{block}.ln1")
        for name in "qkvo":
            rows, columns = (d_model, flat) if name == "o" else (flat, d_model)
            state[f"{block}.attn.{name}.weight"] = draw(rows, columns, scale=0.3)
            state[f"{block}.attn.{name}.bias"] = draw(rows, scale=0.1)
    state |= norm("ln_final")
    return state | {"unembed.weight": draw(d_vocab, d_model), "unembed.bias": draw(d_vocab)}


def write_model(folder, state, sizes, tokenizer_path):
    """Write config.json, model.safetensors and tokenizer.json; return the folder."""
    fields = {**sizes, "attn_only": True, "architecture": "TransformerLensNative", "normalization_type": "LN"}
    (folder / "config.json").write_text(json.dumps({**fields, "eps": 1e-5, "seed": 0}))
    weights = {name: weight.clone().contiguous() for name, weight in state.items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "tokenizer.json").write_bytes(tokenizer_path.read_bytes())
    return folder


def causal_pattern(rng, heads, n, sharpness=3.0):
    """Return random attention patterns (heads, n, n): causal, rows sum to 1."""
    scores = torch.from_numpy(rng.normal(size=(heads, n, n)) * sharpness)
    hidden = torch.ones(n, n, dtype=torch.bool).triu(1)
    return scores.masked_fill(hidden, -torch.inf).softmax(-1).float()


def worded(texts):
    """Return a vocabulary of these texts, whose BOS, EOS and PAD are the first three."""
    found = Vocabulary(Tokenizer(models.BPE()), 0, 1, 2)
    found.__dict__["texts"] = found.__dict__["stored"] = list(texts)
    return found


def slow_indents(texts):
    """Return the width of each line at its indentation token, read off the whole text; −2 or −1 elsewhere."""
    ends = np.cumsum([len(text) for text in texts]).tolist()
    whole, found = "".join(texts), [-1] * len(texts)
    for i in range(1, len(texts)):
        start = max((b for b in range(1, i + 1) if "\n" in texts[b]), default=None)
        if start is None or any(text.strip(" \t\n") for text in texts[start + 1 : i + 1]):
            continue
        last = i + 1 == len(texts)
        if not last and not texts[i + 1].strip(" \t\n"):
            found[i] = -2
            continue
        column, at = 0, whole.rindex("\n", 0, ends[i]) + 1
        while at < len(whole) and whole[at] in " \t":
            column = column + 1 if whole[at] == " " else (column // 8 + 1) * 8
            at += 1
        found[i] = column + 1 if last and column else column
    return found


def slow_holds(name, tokens, indent, eos, window, i, j):
    """Say whether a behaviour holds for destination i and source j: the definitions, read aloud."""
    if j > i:
        return False
    both_indent = indent[i] >= 0 and indent[j] >= 0 and j < i
    return {
        "bos": j == 0,
        "eos": j > 0 and tokens[j] == eos,
        "previous": 1 <= i - j <= window and j >= 1,
        "induction": 1 <= j < i and j - 1 >= 1 and tokens[j - 1] == tokens[i],
        "current": j == i,
        "duplicate": 1 <= j < i and tokens[j] == tokens[i],
        "indent_bigger": both_indent and indent[j] > indent[i],
        "indent_same": both_indent and indent[j] == indent[i],
        "indent_smaller": both_indent and indent[j] < indent[i],
        "line_start": indent[i] == -1
        and 1 <= j < i
        and indent[j] >= 0
        and not any(tokens[k] == eos or indent[k] >= 0 for k in range(j + 1, i)),
    }[name]


def slow_set(names, tokens, indent, eos, window, i, j):
    """Return the set of behaviours that hold for one pair."""
    return frozenset(
        name for name in names if slow_holds(name, list(tokens), list(indent), eos, window, i, j)
    )


def dense(pairs, n):
    """Write pairs out as a boolean matrix; fail if one is listed twice or lies above the diagonal."""
    dest, src = map(np.asarray, pairs)
    assert (src <= dest).all()
    matrix = np.zeros((n, n), int)
    np.add.at(matrix, (dest, src), 1)
    assert matrix.max(initial=0) <= 1
    return matrix.astype(bool)


def scores(inputs):
    """Of `head_inputs`: return the score of every pair of positions, including unseen sources."""
    return inputs.query.sum(0) @ inputs.key.sum(0).mT
