"""What one head is worth at every position of real text, at about the cost of a second forward pass.

For each destination p on its own: how much does the log probability of the next token, read at p, change when
the head is BOS-ablated at p and nowhere else? An ablation at p changes nothing before p. So a second stream
beside the clean one holds, at every p, what position p would be if it alone were ablated: above the head's
layer its queries ask the clean keys and values for all j < p and its own for j = p.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from polyhead.ablation import Kind, head_change, replacement, require_change
from polyhead.intervals import ratio_intervals
from polyhead.labels import UNKNOWN
from polyhead.tokens import ALL
from polyhead.transformer import AttentionLayer, AttentionOnly, Residual, causal_mask

TOKENS_AT_ONCE = 4096
QUERIES_AT_ONCE = 128
POSITIONS_AT_ONCE = 512


@torch.inference_mode()
def single_position_effects(
    model: AttentionOnly, tokens: Int[Tensor, "batch pos"], layer: int, head: int
) -> tuple[Float[Tensor, "batch dest"], Float[Tensor, "batch dest"]]:
    """Return the next token's clean log probability, and its change (nats) under the ablation.

    The head is BOS-ablated at each destination alone, and the token after that destination is read there.
    Destinations are 1 … n−2: position 0 has no row to ablate and position n−1 no next token.
    A negative change means that the head helps there.

    Raises:
        PolyheadError: the ablation changed the head's output nowhere.
    """
    residual = model.residual_before(layer, tokens)
    change = head_change(model.layers[layer], head, residual, partial(replacement, kind=Kind.BOS))
    require_change(change, layer, head)
    clean = model.layers[layer](residual)
    single = clean + change
    for above in model.layers[layer + 1 :]:
        clean, single = two_streams(above, clean, single)
    before, after = (next_log_probability(model, stream, tokens) for stream in (clean, single))
    return before, after - before


def two_streams(layer: AttentionLayer, clean: Residual, single: Residual) -> tuple[Residual, Residual]:
    """Run a layer on the clean stream and on the one that holds each position as if it alone were ablated."""
    x = layer.norm(torch.cat([clean, single]))
    (query, own_query), (key, own_key), (value, own_value) = (
        layer.split(side(x)).chunk(2) for side in (layer.query, layer.key, layer.value)
    )
    z = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    own_z = attend_alone(own_query, key, value, own_key, own_value)
    written, own_written = layer.write(torch.cat([z, own_z])).chunk(2)
    return clean + written, single + own_written


Side = Float[Tensor, "batch head pos d_head"]


def attend_alone(query: Side, key: Side, value: Side, own_key: Side, own_value: Side) -> Side:
    """Return attention whose destination p sees `key` and `value` at j < p, its own at j = p."""
    z = torch.empty_like(query)
    own_score = (query * own_key).sum(-1)
    for first in range(0, query.shape[2], QUERIES_AT_ONCE):
        end = min(first + QUERIES_AT_ONCE, query.shape[2])
        scores = query[:, :, first:end] @ key[:, :, :end].mT
        block = scores[..., first:end]
        block.masked_fill_(causal_mask(end - first, query.device), -torch.inf)
        block.diagonal(dim1=-2, dim2=-1).copy_(own_score[:, :, first:end])
        weights = scores.mul_(query.shape[-1] ** -0.5).softmax(-1)
        own = weights[..., first:end].diagonal(dim1=-2, dim2=-1)[..., None]
        z[:, :, first:end] = weights @ value[:, :, :end] + own * (own_value - value)[:, :, first:end]
    return z


def next_log_probability(
    model: AttentionOnly, residual: Residual, tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, "batch dest"]:
    """Return the log probability of the token that follows, at positions 1 … n−2."""
    read, following = residual[:, 1:-1].flatten(0, 1), tokens[:, 2:].flatten().to(residual.device)
    parts = [
        -functional.cross_entropy(model.logits(some), token, reduction="none")
        for some, token in zip(read.split(POSITIONS_AT_ONCE), following.split(POSITIONS_AT_ONCE), strict=True)
    ]
    return torch.cat(parts).view(len(tokens), -1)


HARMED = -0.1
"""Nats: a row whose next token loses more than this is counted as one that needs the head."""
OTHER, LEAST_PROMPTS = "other", 5
"""Labels that occur in fewer prompts are counted together: intervals of their own would say nothing."""


def effect_rows(
    model: AttentionOnly,
    prompts: Int[ndarray, "prompt pos"],
    layer: int,
    head: int,
    report: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """Measure every destination of every prompt, some at a time; `report` hears how many prompts are done.

    Columns: prompt, position, logprob (clean, of the token at position + 1), delta_logprob (nats).
    """
    parts, batch = [], max(1, TOKENS_AT_ONCE // prompts.shape[1])
    for first in range(0, len(prompts), batch):
        tokens = torch.from_numpy(prompts[first : first + batch]).long()
        found = single_position_effects(model, tokens, layer, head)
        parts.append([side.float().cpu().numpy().ravel() for side in found])
        report(first + len(tokens))
    logprob, delta = (np.concatenate(side) for side in zip(*parts, strict=True))
    positions = np.arange(1, prompts.shape[1] - 1, dtype=np.int32)
    return pd.DataFrame(
        {
            "prompt": np.repeat(np.arange(len(prompts), dtype=np.int32), len(positions)),
            "position": np.tile(positions, len(prompts)),
            "logprob": logprob,
            "delta_logprob": delta,
        }
    )


def effects_by_label(
    effects: pd.DataFrame, labels: pd.DataFrame, taxonomies: list[str], draws: int, seed: int
) -> pd.DataFrame:
    """Average the effects of the rows of each label, per taxonomy, and of all rows.

    Columns: taxonomy, label (`all` or a label), rows, share (of rows), mean (of delta_logprob, nats), low,
    high (bootstrap over prompts), of_total (share of the summed effect that these rows make up), harmed
    (share of rows whose next token loses more than 0.1 nats), by falling number of rows. Labels that occur in
    fewer than five prompts are one line, `other`.
    """
    table = effects.merge(labels, on=["prompt", "position"], validate="one_to_one")
    if len(table) < len(effects):
        raise ValueError("a row of real text has no label")
    parts = [
        _by_label(table, _fold_rare(table["prompt"], table[name].astype(str)), draws, seed).assign(
            taxonomy=name
        )
        for name in taxonomies
    ]
    columns = ["taxonomy", "label", "rows", "share", "mean", "low", "high", "of_total", "harmed"]
    return pd.concat(parts, ignore_index=True)[columns]


def _fold_rare(prompt: pd.Series, label: pd.Series) -> pd.Series:
    rare = prompt.groupby(label).nunique() < min(LEAST_PROMPTS, prompt.nunique())
    return label.where(~label.map(rare) | (label == UNKNOWN), OTHER)


def _by_label(table: pd.DataFrame, label: pd.Series, draws: int, seed: int) -> pd.DataFrame:
    delta = table["delta_logprob"].astype(float)
    per_prompt = delta.groupby([table["prompt"], label]).agg(["sum", "count"]).unstack(fill_value=0)
    sums, counts = per_prompt["sum"], per_prompt["count"]
    sums.insert(0, ALL, sums.sum(1))
    counts.insert(0, ALL, counts.sum(1))
    low, high = ratio_intervals(sums.to_numpy(float), counts.to_numpy(float), draws, seed)
    harmed = (delta < HARMED).groupby(label).mean()
    harmed[ALL] = (delta < HARMED).mean()
    rows, total = counts.sum(), sums.sum()
    part = pd.DataFrame(
        {"rows": rows, "share": rows / len(table), "mean": total / rows, "low": low, "high": high}
    )
    part = part.assign(of_total=total / total[ALL], harmed=harmed)
    return part.rename_axis("label").reset_index().sort_values("rows", ascending=False, kind="stable")
