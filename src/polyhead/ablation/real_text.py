"""What one head is worth at every position of real text, at about the cost of a second forward pass.

For each destination p on its own: how much does the log probability of the next token, read at p, change when
the head is BOS-ablated at p and nowhere else? An ablation at p changes nothing before p. So a second stream
beside the clean one holds, at every p, what position p would be if it alone were ablated.
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

from polyhead.ablation.patching import Method, head_change, replacement, require_change
from polyhead.ablation.verdict import HARMED
from polyhead.attention.labels import UNKNOWN
from polyhead.model.protocol import AblationModel, Residual, Tokens
from polyhead.model.vocabulary import ALL
from polyhead.prompts.clusters import Clustering, Clusterings
from polyhead.stats import ratio_table

TOKENS_AT_ONCE = 4096
POSITIONS_AT_ONCE = 512


@torch.inference_mode()
def single_position_effects(
    model: AblationModel, tokens: Tokens, layer: int, head: int
) -> tuple[Float[Tensor, "batch dest"], Float[Tensor, "batch dest"]]:
    """Return the next token's clean log probability, and its change (nats) under the ablation.

    The head is BOS-ablated at each destination alone, and the token after that destination is read there.
    Destinations are 1 … n−2: position 0 has no row to ablate and position n−1 no next token.
    A negative change means that the head helps there.

    Raises:
        PolyheadError: the ablation changed the head's output nowhere.
    """
    residual = model.residual_before(layer, tokens)
    change = head_change(model.layers[layer], head, residual, partial(replacement, method=Method.BOS))
    require_change(model, change, layer, head)
    streams = model.two_streams(layer, head, residual, change)
    before, after = (next_log_probability(model, stream, tokens) for stream in streams)
    return before, after - before


def next_log_probability(
    model: AblationModel, residual: Residual, tokens: Tokens
) -> Float[Tensor, "batch dest"]:
    """Return the log probability of the token that follows, at positions 1 … n−2."""
    read, following = residual[:, 1:-1].flatten(0, 1), tokens[:, 2:].flatten().to(residual.device)
    parts = [
        -functional.cross_entropy(model.logits(some), token, reduction="none")
        for some, token in zip(read.split(POSITIONS_AT_ONCE), following.split(POSITIONS_AT_ONCE), strict=True)
    ]
    return torch.cat(parts).view(len(tokens), -1)


OTHER, LEAST_PROMPTS = "other", 5
"""Labels that occur in fewer prompts are counted together: intervals of their own would say nothing."""


def effect_rows(
    model: AblationModel,
    prompts: Int[ndarray, "prompt pos"],
    layer: int,
    head: int,
    report: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """Measure every destination of every prompt, some at a time; `report` gets the number done.

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


COLUMNS = ["taxonomy", "label", "rows", "documents", "share", "mean", "low", "high"]
COLUMNS += ["package_low", "package_high", "of_total", "harmed"]


def effects_by_label(
    effects: pd.DataFrame,
    labels: pd.DataFrame,
    taxonomies: list[str],
    clusters: Clusterings,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Average the effects of the rows of each label, per taxonomy, and of all rows.

    Columns: taxonomy, label (`all` or a label), rows, documents (they are from), share (of rows), mean (of
    delta_logprob, nats), low, high (bootstrap over documents), package_low, package_high (over packages,
    where known), of_total (share of the summed effect that these rows make up), harmed (share of rows whose
    next token loses more than 0.1 nats), by falling number of rows. No interval for fewer than 100 rows, or
    rows from fewer than 20 documents. Labels that occur in fewer than five prompts are one line, `other`.
    Without effects the table is empty: in a prompt of two tokens no destination has a next token.
    """
    if effects.empty:
        return pd.DataFrame(columns=COLUMNS)
    table = effects.merge(labels, on=["prompt", "position"], validate="one_to_one")
    if len(table) < len(effects):
        raise ValueError("a row of real text has no label")
    parts = [
        _by_label(table, _fold_rare(table["prompt"], table[name].astype(str)), clusters, n_resamples, seed)
        for name in taxonomies
    ]
    return pd.concat(parts, keys=taxonomies, names=["taxonomy", None]).reset_index("taxonomy")[COLUMNS]


def _fold_rare(prompt: pd.Series, label: pd.Series) -> pd.Series:
    rare = prompt.groupby(label).nunique() < min(LEAST_PROMPTS, prompt.nunique())
    return label.where(~label.map(rare) | (label == UNKNOWN), OTHER)


def _by_label(
    table: pd.DataFrame, label: pd.Series, clusters: Clusterings, n_resamples: int, seed: int
) -> pd.DataFrame:
    rows = pd.concat([table.assign(label=label), table.assign(label=ALL)])
    by_label = rows["delta_logprob"].astype(float).groupby(rows["label"])
    part = by_label.agg(rows="size", mean="mean", total="sum", harmed=lambda delta: (delta < HARMED).mean())
    part = part.assign(share=part["rows"] / len(table), of_total=part["total"] / part.loc[ALL, "total"])
    for prefix, one in {"": clusters.documents, "package_": clusters.packages}.items():
        found = _by_cluster(rows, one, part["rows"], n_resamples, seed) if one else None
        for name in ("low", "high", "clusters"):
            part[prefix + name] = found[name].to_numpy() if found is not None else np.nan
    part = part.rename(columns={"clusters": "documents"})
    return part.reset_index().sort_values("rows", ascending=False, kind="stable")


def _by_cluster(
    rows: pd.DataFrame, clusters: Clustering, counts: pd.Series, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Return low, high and number of clusters of each label, in the order of `counts`."""
    cluster = clusters.of(rows["prompt"].to_numpy(), rows["position"].to_numpy())
    groups = rows["delta_logprob"].astype(float).groupby([cluster, rows["label"].to_numpy()])
    sums, ones = (groups.agg(how).unstack(fill_value=0)[counts.index] for how in ("sum", "count"))
    found = ratio_table(sums.to_numpy(float), ones.to_numpy(float), counts.to_numpy(int), n_resamples, seed)
    return found.assign(clusters=(ones > 0).sum().to_numpy())
