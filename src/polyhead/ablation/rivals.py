"""Could the verdict on a head be due to something simpler? Two controls that could refute it.

Line starts: a head that always looks at the token that opens its line does *previous* where that is near, and
*induction* where an earlier line began alike. These edges get a class of their own, and the behaviours are
judged by what is left to them.

Chance: in any text many sources stand right after an earlier copy of the destination. Sources at other places
beside a copy are about as many; the share of rows that they dominate is what chance gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool
from numpy import ndarray

from polyhead.ablation.edge_costs import Answer, Edit, Fill, Question, cut_only, edge_costs
from polyhead.ablation.edge_profile import LEAST_SHARE, estimates, sums_by_cluster
from polyhead.ablation.edge_survey import RealText, Survey, counted, read_heads, survey, thinned
from polyhead.ablation.verdict import does, evidence
from polyhead.attention.behaviours import Context
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS, CLASSES, class_matrix
from polyhead.attention.rival_classes import OFFSETS, RIVAL, beside_copies, line_start_partition
from polyhead.intervals import ratio_table
from polyhead.model.head import Head
from polyhead.model.protocol import AblationModel

LINE_START = "line start"
JUDGED = {RIVAL: LINE_START} | {name: name for name in CLASS_BEHAVIOURS}
"""The classes that are judged, and what the table calls them."""
UNKNOWN = dict.fromkeys(("cost", "low", "high", "bos"), np.nan) | {"measured": 0}


def line_start_table(
    model: AblationModel,
    heads: Sequence[Head],
    text: RealText,
    *,
    n_resamples: int,
    seed: int,
    most_rows: int = 4000,
) -> pd.DataFrame:
    """Judge heads anew, with line starts as a class of their own, by the bounds of the verdict.

    Returns:
        head, edges (`line start` or a behaviour), rows (that these dominate), documents, share (of the head's
        rows), cost (nats, method mean) with low and high (over documents), bos, measured (rows), answer.
        No cost where the rows are too few of the head's.
    """
    found = survey(model, text.contexts(), heads, line_start_partition)
    pairs = [(h, name) for h in found.heads for name in JUDGED if found.share(h, name) >= LEAST_SHARE]
    questions = [
        Question(head, thinned(found.rows(head, name), most_rows, seed), edits(name), found.mean_of(head))
        for head, name in pairs
    ]
    answers = edge_costs(model, text.contexts(), questions, partition=line_start_partition)
    costs = _costs(pairs, questions, answers, text, n_resamples, seed) if pairs else {}
    lines = [
        _counted(found, head, name, text) | costs.get((head, name), UNKNOWN)
        for head in found.heads
        for name in JUDGED
    ]
    table = pd.DataFrame(lines)
    return table.assign(answer=[does(evidence(line)) for _, line in table.iterrows()])


def edits(name: str) -> tuple[Edit, ...]:
    """Return how a class is cut: with the mean output in its place, and with BOS."""
    return cut_only(name, Fill.MEAN), cut_only(name, Fill.BOS)


def _costs(
    pairs: Sequence[tuple[Head, str]],
    questions: Sequence[Question],
    answers: Sequence[Answer],
    text: RealText,
    n_resamples: int,
    seed: int,
) -> dict[tuple[Head, str], dict[str, float]]:
    """Return what was measured of every head and class; two lines of the estimates are one of them."""
    rows = [question.rows for question in questions]
    counts = pd.Series([some.sum() for some in rows for _ in range(2)])
    table = estimates([answer.costs for answer in answers], rows, counts, text, n_resamples, seed)
    by_mean, by_bos = table.iloc[::2], table.iloc[1::2]
    known = by_mean[["cost", "low", "high"]].assign(bos=by_bos["cost"].to_numpy(), measured=counts[::2])
    return dict(zip(pairs, known.to_dict("records"), strict=True))


def _counted(found: Survey, head: Head, name: str, text: RealText) -> dict[str, Any]:
    rows = found.rows(head, name)
    return {
        "head": str(head),
        "edges": JUDGED[name],
        "rows": int(rows.sum()),
        "documents": len(np.unique(text.clusters.documents[rows])),
        "share": found.share(head, name),
    }


@torch.inference_mode()
def chance_table(
    model: AblationModel, heads: Sequence[Head], text: RealText, *, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Return the share of rows that induction dominates, and that sources at other places beside a copy do.

    Returns:
        head, offset (of the source from the earlier copy: 1 is induction), rows, share, low, high (over
        documents).
    """
    heads, offsets = sorted(heads), sorted((1, *OFFSETS))
    hits = np.stack([_dominated(model, context, heads, offsets) for context in text.contexts()])
    documents = text.clusters.documents[:, counted(hits.shape[1])].ravel()
    flat = hits[:, counted(hits.shape[1])].reshape(-1, len(heads) * len(offsets)).astype(float)
    count = int(text.clusters.documents.max()) + 1
    sums, counts = (sums_by_cluster(values, documents, count) for values in (flat, np.ones_like(flat)))
    table = ratio_table(sums, counts, np.full(flat.shape[1], len(flat)), n_resamples, seed)
    names = pd.DataFrame(product(map(str, heads), offsets), columns=["head", "offset"])
    shares = table.rename(columns={"mean": "share"})[["share", "low", "high"]]
    return pd.concat([names.assign(rows=flat.sum(0).astype(int)), shares], axis=1)


def _dominated(
    model: AblationModel, context: Context, heads: Sequence[Head], offsets: Sequence[int]
) -> Bool[ndarray, "dest head offset"]:
    """Return whether sources at each place beside a copy hold at least half of each head's row."""
    classes = class_matrix(context)
    induction = classes == CLASSES.index("induction")
    masks = [induction if offset == 1 else beside_copies(context, offset, classes) for offset in offsets]
    pairs = torch.from_numpy(np.stack(masks))
    masses = [
        torch.einsum("hds,ods->dho", pattern, pairs.to(pattern))
        for pattern, _ in read_heads(model, context, heads)
    ]
    return (torch.cat(masses, 1) >= 0.5).cpu().numpy()
