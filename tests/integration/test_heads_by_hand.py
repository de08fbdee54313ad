"""Heads whose weights are written by hand go through the whole of section 1 and come out under their names.

The residual stream is that of hand_built.py, without a block for logits; the tokens are a real tokenizer's.
"""

import numpy as np
import pyarrow as pa
import pytest
import torch
from hand_built import state_of
from toys import VOCABULARY, slow_holds, write_model

from polyhead.attention.behaviours import BEHAVIOURS, line_indents
from polyhead.attention.labels import label_shards
from polyhead.attention.rows import tables_of_heads, write_tables
from polyhead.model.opening import open_model

CONTEXT, SHARP = 40, 40.0
TOKEN, PLACE, BEFORE = 0, VOCABULARY, VOCABULARY + CONTEXT
D_MODEL = BEFORE + VOCABULARY
D_HEAD = VOCABULARY + CONTEXT + 1
"""A head's key space: the token it looks for, the position it shuns, and one slot for BOS to fall back on."""
SHUN, FALLBACK = VOCABULARY, VOCABULARY + CONTEXT
WINDOW = 4

PREVIOUS, BOS_HEAD, CURRENT = (0, 0), (0, 1), (0, 2)
INDUCTION, DUPLICATE, BIGGER = (1, 0), (1, 1), (1, 2)
HEADS = [PREVIOUS, BOS_HEAD, CURRENT, INDUCTION, DUPLICATE, BIGGER]
NAMES = ["previous", "bos", "current", "induction", "duplicate", "indent_bigger"]


def empty():
    return torch.zeros(D_HEAD, D_MODEL)


def at_places(places):
    """Query and key of a head that attends at each position to the place given for it."""
    query, key = empty(), empty()
    for i, place in enumerate(places):
        query[max(place, 0), PLACE + i] = SHARP
        key[i, PLACE + i] = 1
    return query, key


def matches(wanted, block):
    """Query and key of a head that attends to sources whose `block` holds a wanted token, else to BOS.

    `wanted[t, s]`: destination token t looks for s. The destination itself never counts.
    """
    query, key = empty(), empty()
    query[:VOCABULARY, TOKEN : TOKEN + VOCABULARY] = wanted.T.float() * SHARP
    key[:VOCABULARY, block : block + VOCABULARY] = torch.eye(VOCABULARY)
    query[SHUN:FALLBACK, PLACE : PLACE + CONTEXT] = -2 * SHARP * torch.eye(CONTEXT)
    key[SHUN:FALLBACK, PLACE : PLACE + CONTEXT] = torch.eye(CONTEXT)
    query[FALLBACK, PLACE : PLACE + CONTEXT] = SHARP / 2
    key[FALLBACK, PLACE] = 1
    return query, key


def built_state(texts):
    """Return the weights of the model: head 0.0 writes into BEFORE what it attends to, others nothing."""
    indents = [len(text.rpartition("\n")[2]) if "\n" in text else -1 for text in texts]
    widths, same = torch.tensor(indents), torch.eye(VOCABULARY, dtype=torch.bool)
    bigger = (widths[:, None] >= 0) & (widths[None, :] > widths[:, None])
    value, output, nothing = empty(), empty().T.clone(), (empty(), empty().T)
    value[:VOCABULARY, TOKEN : TOKEN + VOCABULARY] = torch.eye(VOCABULARY)
    output[BEFORE:, :VOCABULARY] = torch.eye(VOCABULARY)
    places = np.arange(CONTEXT)
    fixed = [
        (*at_places(places - 1), value, output),
        (*at_places(0 * places), *nothing),
        (*at_places(places), *nothing),
    ]
    matching = [matches(same, BEFORE), matches(same, TOKEN), matches(bigger, TOKEN)]
    return state_of(VOCABULARY, CONTEXT, [fixed, [(*head, *nothing) for head in matching]])


def expected_sources(head, tokens, indent, i):
    """Return the sources that the head attends to, each as much as the others."""
    fixed = {PREVIOUS: {i - 1}, BOS_HEAD: {0}, CURRENT: {i}}
    if head in fixed:
        return fixed[head]
    name = NAMES[HEADS.index(head)]
    found = {j for j in range(1, i) if slow_holds(name, tokens, indent, None, WINDOW, i, j)}
    return found or {0}


def expected_post(tokens, eos, sources, i):
    """Return the post's label for a row that spreads evenly over `sources`."""
    near = {j for j in sources if j >= 1 and 1 <= i - j <= WINDOW}
    follows = {j for j in sources if 2 <= j < i and tokens[j - 1] == tokens[i]}
    inactive = {j for j in sources if j == 0 or tokens[j] == eos}
    for name, fits in (("inactive", inactive), ("previous", near), ("previous+induction", near | follows)):
        if len(fits) / len(sources) >= 0.95:
            return name
    return "unknown"


@pytest.fixture(scope="module")
def hand_prompts(vocabulary):
    """Forty prompts with far and near copies, indents of several widths, EOS, no token repeated at once.

    Each run is one token, and none ends a prompt, so that a token's own spaces are the width of its line.
    """
    rng = np.random.default_rng(11)
    usual = [vocabulary.eos, *np.flatnonzero(vocabulary.breaks)[:4], *range(40, 52)]
    drawn = np.full((40, CONTEXT), vocabulary.bos, np.int32)
    for row in drawn:
        for i in range(1, CONTEXT):
            no_break = vocabulary.breaks[row[i - 1]] or i == CONTEXT - 1
            fits = [token for token in usual if not (no_break and vocabulary.breaks[token])]
            row[i] = rng.choice([token for token in fits if token != row[i - 1]])
    return drawn


@pytest.fixture(scope="module")
def labels(tmp_path_factory, tokenizer_path, vocabulary, hand_prompts):
    """Labels of every head, by way of a model directory, two shards on disk each, and the classifier."""
    folder = tmp_path_factory.mktemp("by_hand")
    sizes = {"n_layers": 2, "n_heads": 3, "d_model": D_MODEL, "d_head": D_HEAD, "n_ctx": CONTEXT}
    model_dir = write_model(
        folder, built_state(vocabulary.texts), {**sizes, "d_vocab": VOCABULARY}, tokenizer_path
    )
    model, opened = open_model(model_dir)
    paths = {head: [folder / f"{head[0]}.{head[1]}_{shard}.parquet" for shard in (0, 20)] for head in HEADS}
    for shard, first in enumerate((0, 20)):
        numbers = np.arange(first, first + 20)
        files = [paths[head][shard] for head in HEADS]
        write_tables(files, tables_of_heads(model, opened, HEADS, numbers, hand_prompts[numbers], WINDOW))
    return {
        head: pa.concat_tables(label_shards(paths[head], ["post", "extended"], 0.95)).to_pandas()
        for head in HEADS
    }


@pytest.mark.parametrize("head", HEADS)
def test_post_label_of_every_row(labels, hand_prompts, vocabulary, head):
    found = labels[head]
    assert len(found) == 40 * (CONTEXT - 1)
    wanted = []
    for tokens in hand_prompts.tolist():
        indent = line_indents(np.array(tokens), vocabulary).tolist()
        for i in range(1, CONTEXT):
            sources = expected_sources(head, tokens, indent, i)
            wanted.append(expected_post(tokens, vocabulary.eos, sources, i))
    right = np.mean(found["post"].astype(str).to_numpy() == np.array(wanted))
    assert right >= 0.99
    assert len(set(wanted)) > 1 or head in (BOS_HEAD, CURRENT)


@pytest.mark.parametrize(("head", "name"), zip(HEADS, NAMES, strict=True))
def test_extended_taxonomy_names_the_head(labels, hand_prompts, vocabulary, head, name):
    """Rows with a source other than BOS carry the head's name, or one that holds for all its sources too."""
    frame = labels[head]
    prompts, places = hand_prompts[frame["prompt"]].tolist(), frame["position"].tolist()
    right = []
    for tokens, i, label in zip(prompts, places, frame["extended"].astype(str), strict=True):
        indent = line_indents(np.array(tokens), vocabulary).tolist()
        sources = expected_sources(head, tokens, indent, i)
        pairs = [(label, tokens, indent, vocabulary.eos, WINDOW, i, j) for j in sources]
        too = label in BEHAVIOURS and all(slow_holds(*pair) for pair in pairs)
        right.append(label == ("bos" if sources == {0} else name) or too)
    assert np.mean(right) >= 0.99
    assert (frame["extended"] == name).mean() > 0.05
