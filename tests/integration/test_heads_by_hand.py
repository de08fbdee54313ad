"""Heads whose weights are written by hand go through the whole of section 1 and come out under their names.

The residual stream is three blocks, side by side: which token stands here (one-hot), which position this is
(one-hot), and a block in which head 0.0 writes which token stands one before. So every stream holds the same
number of ones, and the LayerNorm before a head shifts and scales by constants, which the head's weights undo.
"""

import numpy as np
import pyarrow as pa
import pytest
import torch
from toys import VOCABULARY, slow_holds, write_model

from polyhead.attention.behaviours import BEHAVIOURS, line_indents
from polyhead.attention.distribution import distribution, draw_documents
from polyhead.attention.labels import label_shards
from polyhead.attention.rows import tables_of_heads, write_tables
from polyhead.model.opening import open_model
from polyhead.prompts.clusters import prompts_as_clusters

CONTEXT, SHARP, EPS = 40, 40.0, 1e-5
TOKEN, PLACE, BEFORE = 0, VOCABULARY, VOCABULARY + CONTEXT
D_MODEL = BEFORE + VOCABULARY
D_HEAD = VOCABULARY + CONTEXT + 1
"""A head's key space: the token it looks for, the position it shuns, and one slot for BOS to fall back on."""
SHUN, FALLBACK = VOCABULARY, VOCABULARY + CONTEXT
WINDOW = 4

PREVIOUS, BOS_HEAD, CURRENT = (0, 0), (0, 1), (0, 2)
INDUCTION, DUPLICATE, BIGGER = (1, 0), (1, 1), (1, 2)
HEADS = [PREVIOUS, BOS_HEAD, CURRENT, INDUCTION, DUPLICATE, BIGGER]


def undo_norm(weight, ones):
    """Return weight and bias of `weight @ x` for a head that is handed LayerNorm(x), x having `ones` ones."""
    mean = ones / D_MODEL
    deviation = (mean - mean**2 + EPS) ** 0.5
    return weight * deviation, weight @ torch.full((D_MODEL,), mean)


def empty():
    return torch.zeros(D_HEAD, D_MODEL)


def looks_back(steps):
    """Query and key of a head that attends exactly `steps` back; position 0 attends to itself."""
    query, key = empty(), empty()
    for i in range(CONTEXT):
        query[max(i - steps, 0), PLACE + i] = SHARP
        key[i, PLACE + i] = 1
    return query, key


def looks_at_first():
    query, key = empty(), empty()
    query[0, PLACE : PLACE + CONTEXT] = SHARP
    key[0, PLACE] = 1
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


def token_widths(vocabulary):
    """Return the spaces after the last newline of every token that has one, −1 for the others."""
    return np.array([len(text.rpartition("\n")[2]) if "\n" in text else -1 for text in vocabulary.texts])


def built_state(indents):
    """Return the state dict of the model: layer 0 reads streams of two ones, layer 1 of three."""
    eye = torch.eye(D_MODEL)
    state = {"embed.weight": eye[:VOCABULARY], "pos_embed.weight": eye[PLACE:BEFORE]}
    widths = torch.from_numpy(indents.astype(np.int64))
    bigger = (widths[:, None] >= 0) & (widths[None, :] > widths[:, None])
    same = torch.eye(VOCABULARY, dtype=torch.bool)
    layers = [
        [looks_back(1), looks_at_first(), looks_back(0)],
        [matches(same, BEFORE), matches(same, TOKEN), matches(bigger, TOKEN)],
    ]
    for layer, heads in enumerate(layers):
        ones = 2 + layer
        for name, side in (("q", 0), ("k", 1)):
            scale = D_HEAD**0.5 if name == "q" else 1.0
            parts = [undo_norm(head[side] * scale, ones) for head in heads]
            state[f"blocks.{layer}.attn.{name}.weight"] = torch.cat([weight for weight, _ in parts])
            state[f"blocks.{layer}.attn.{name}.bias"] = torch.cat([bias for _, bias in parts])
        state |= carries(layer)
    flat = {"weight": torch.ones(D_MODEL), "bias": torch.zeros(D_MODEL)}
    for norm in ("blocks.0.ln1", "blocks.1.ln1", "ln_final"):
        state |= {f"{norm}.{part}": value for part, value in flat.items()}
    return state | {"unembed.weight": eye[:VOCABULARY], "unembed.bias": torch.zeros(VOCABULARY)}


def carries(layer):
    """Return values and output: head 0.0 writes into BEFORE the token it attends to; others write nothing."""
    value, output = torch.zeros(3 * D_HEAD, D_MODEL), torch.zeros(D_MODEL, 3 * D_HEAD)
    bias = torch.zeros(3 * D_HEAD)
    if layer == 0:
        reads = torch.zeros(D_HEAD, D_MODEL)
        reads[:VOCABULARY, TOKEN : TOKEN + VOCABULARY] = torch.eye(VOCABULARY)
        value[:D_HEAD], bias[:D_HEAD] = undo_norm(reads, 2)
        output[BEFORE:, :VOCABULARY] = torch.eye(VOCABULARY)
    names = {"v.weight": value, "v.bias": bias, "o.weight": output, "o.bias": torch.zeros(D_MODEL)}
    return {f"blocks.{layer}.attn.{name}": tensor for name, tensor in names.items()}


def expected_sources(head, tokens, indent, i):
    """Return the sources that the head attends to, each as much as the others."""
    fixed = {PREVIOUS: {i - 1}, BOS_HEAD: {0}, CURRENT: {i}}
    if head in fixed:
        return fixed[head]
    name = {INDUCTION: "induction", DUPLICATE: "duplicate", BIGGER: "indent_bigger"}[head]
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
    state = built_state(token_widths(vocabulary))
    model_dir = write_model(folder, state, {**sizes, "d_vocab": VOCABULARY}, tokenizer_path)
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


def holds_for_all(label, tokens, indent, eos, i, sources):
    """Say whether a label of one behaviour holds for every source."""
    if label not in BEHAVIOURS:
        return False
    return all(slow_holds(label, tokens, indent, eos, WINDOW, i, j) for j in sources)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (PREVIOUS, "previous"),
        (BOS_HEAD, "bos"),
        (CURRENT, "current"),
        (INDUCTION, "induction"),
        (DUPLICATE, "duplicate"),
        (BIGGER, "indent_bigger"),
    ],
)
def test_extended_taxonomy_names_the_head(labels, hand_prompts, vocabulary, head, name):
    """Rows with a source other than BOS carry the head's name, or one that holds for all its sources too."""
    frame = labels[head]
    prompts, places = hand_prompts[frame["prompt"]].tolist(), frame["position"].tolist()
    right = []
    for tokens, i, label in zip(prompts, places, frame["extended"].astype(str), strict=True):
        indent = line_indents(np.array(tokens), vocabulary).tolist()
        sources = expected_sources(head, tokens, indent, i)
        wanted = "bos" if sources == {0} else name
        right.append(label == wanted or holds_for_all(label, tokens, indent, vocabulary.eos, i, sources))
    assert np.mean(right) >= 0.99
    assert (frame["extended"] == name).mean() > 0.05


def test_distribution_of_the_induction_head(labels, hand_prompts, vocabulary):
    table = distribution(
        labels[INDUCTION],
        vocabulary.labels,
        ["extended"],
        minimum=30,
        draws=draw_documents(prompts_as_clusters(len(hand_prompts)), 50, 0),
    )
    shares = table[table["token_label"] == "all"].set_index("label")["share"]
    assert shares["induction"] > shares["bos"] > 0
    assert shares.get("unknown", 0) < 0.01
