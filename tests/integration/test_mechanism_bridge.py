"""How a head does it, checked by a stranger: a few lines of TransformerLens give the numbers of the tables.

The stranger has the weights' file, a native bridge with its hooks, and the definitions.
"""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import layer_norm

from polyhead.attention.rows import prompt_contexts
from polyhead.edges.classes import CLASSES, class_matrix
from polyhead.edges.survey import RealText
from polyhead.mechanism.measure import mechanism
from polyhead.model.head import Head
from polyhead.model.opening import open_bridge, open_native
from polyhead.prompts.clusters import prompts_as_clusters

WINDOW, EDGES, HEAD, D_HEAD = 4, "other", Head(1, 2), 8
OWN = slice(HEAD.number * D_HEAD, (HEAD.number + 1) * D_HEAD)


@pytest.fixture(scope="module")
def tables(model_dir, prompts, vocabulary):
    documents = prompts_as_clusters(len(prompts)).dense(*prompts.shape)
    text = RealText(prompts, vocabulary, WINDOW, documents)
    found = mechanism(open_native(model_dir), HEAD, text, n_resamples=20, seed=0)
    return found.scores, found.needs


@pytest.fixture(scope="module")
def bridge(model_dir):
    return open_bridge(model_dir)


@pytest.fixture(scope="module")
def weights(model_dir):
    return load_file(model_dir / "model.safetensors")


@pytest.fixture(scope="module")
def seen(bridge, prompts):
    """What the hooks show of the clean run."""
    kept = {}
    names = ["blocks.0.attn.o.hook_in", "blocks.1.hook_in", "embed.hook_out", "blocks.1.attn.hook_pattern"]
    hooks = [(name, lambda value, hook, name=name: kept.update({name: value})) for name in names]
    with torch.inference_mode():
        bridge.run_with_hooks(torch.from_numpy(prompts).long(), fwd_hooks=hooks)
    return {name: kept[name] for name in names}


def written(seen, weights, head):
    """What a head of layer 0 adds to the stream, in every prompt."""
    at = slice(head * D_HEAD, (head + 1) * D_HEAD)
    return seen["blocks.0.attn.o.hook_in"][:, :, head] @ weights["blocks.0.attn.o.weight"][:, at].T


def dominated(prompts, vocabulary, pattern):
    """Return the edges of the class, and the rows that count and are dominated by it."""
    classes = np.stack([class_matrix(one) for one in prompt_contexts(prompts, vocabulary, WINDOW)])
    edges = np.tril(classes == CLASSES.index(EDGES))
    rows = (pattern.numpy() * edges).sum(-1) >= 0.5
    rows[:, :16] = rows[:, -1] = False
    return edges, rows


@torch.inference_mode()
def test_a_contribution_is_what_ten_lines_of_transformer_lens_give(
    tables, seen, weights, prompts, vocabulary
):
    stream, pattern = seen["blocks.1.hook_in"], seen["blocks.1.attn.hook_pattern"][:, HEAD.number]
    scale = (stream.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    sides = {}
    for side, part in {"q": seen["embed.hook_out"], "k": written(seen, weights, 1)}.items():
        beyond = part - part.mean(0)
        normed = (beyond - beyond.mean(-1, keepdim=True)) / scale * weights["blocks.1.ln1.weight"]
        sides[side] = normed @ weights[f"blocks.1.attn.{side}.weight"][OWN].T
    pairs = sides["q"] @ sides["k"].mT / D_HEAD**0.5
    named, rows = dominated(prompts, vocabulary, pattern)
    found = []
    for p, i in np.argwhere(rows):
        row, weight = pairs[p, i, : i + 1].numpy(), pattern[p, i, : i + 1].numpy()
        here = named[p, i, : i + 1]
        found.append(
            np.average(row[here], weights=weight[here]) - np.average(row[~here], weights=weight[~here])
        )
    table = tables[0].set_index(["edges", "query", "key"])
    assert len(found) > 10
    assert table.loc[(EDGES, "embed", "0.1"), "contribution"] == pytest.approx(np.mean(found), abs=1e-5)
    assert abs(np.mean(found)) > 1e-3


@torch.inference_mode()
def test_a_share_is_that_of_a_hooked_run(tables, bridge, seen, weights, prompts, vocabulary):
    part, kept = written(seen, weights, 1), []
    change = part.mean(0) - part
    change[:, 0] = 0
    norm = (weights["blocks.1.ln1.weight"], weights["blocks.1.ln1.bias"])
    normed = layer_norm(seen["blocks.1.hook_in"] + change, (24,), *norm, 1e-5)
    key = normed @ weights["blocks.1.attn.k.weight"][OWN].T + weights["blocks.1.attn.k.bias"][OWN]

    def replace_key(keys, hook):
        keys = keys.clone()
        keys[:, :, HEAD.number] = key
        return keys

    hooks = [("blocks.1.attn.k.hook_out", replace_key)]
    hooks += [("blocks.1.attn.hook_pattern", lambda pattern, hook: kept.append(pattern[:, HEAD.number]))]
    bridge.run_with_hooks(torch.from_numpy(prompts).long(), fwd_hooks=hooks)
    shares = [
        dominated(prompts, vocabulary, pattern)[1][:, 16:-1].mean()
        for pattern in (seen["blocks.1.attn.hook_pattern"][:, HEAD.number], kept[0])
    ]
    line = tables[1].set_index(["edges", "component", "side"]).loc[(EDGES, "0.1", "key")]
    assert [line["share_clean"], line["share"]] == pytest.approx(shares, abs=1e-6)
    assert shares[0] != shares[1]
