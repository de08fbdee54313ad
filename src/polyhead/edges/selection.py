"""Which head is worth a study: a ranking of all heads, made on other documents than those of the report.

What is chosen on some data looks better on them than it is. So heads, and the destination tokens that figures
show, are chosen on one sample, and everything that is said of them is measured on another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from polyhead.attention.atlas import labels_of_heads
from polyhead.attention.distribution import FEWEST_TO_SELECT, shown_tokens
from polyhead.attention.labels import UNKNOWN, Definitions, label_table
from polyhead.attention.rows import shard_tables
from polyhead.edges.survey import RealText
from polyhead.model.head import Head, all_heads
from polyhead.model.protocol import Model
from polyhead.model.vocabulary import ALL

GROUPS = ("middle", "last", "first")
"""Layers, in the order in which heads are looked for. In the last one, ablation elsewhere cannot matter."""
LEAST_SINK = 0.1
"""Share of rows that a sink must dominate to count as one more behaviour."""
CRITERION = (
    "heads that do two behaviours or more, the sink not counted: of the middle layers first, then of the "
    "last, then of the first; of one group, most behaviours (a sink that dominates 10 % of the rows counts "
    "as one more), then the largest share of rows that the extended labels name, then the lower index; "
    "after them all other heads, by the share of named rows"
)


def ranking(verdicts: pd.DataFrame, named: pd.Series) -> pd.DataFrame:
    """Rank every head of a model by `verdicts.csv` of the selection sample, the best candidate first.

    Columns: rank (from 1), head, layers (middle, last, first), behaviours, verdict, sink (share of rows), and
    named, see `named_shares`.
    """
    heads = verdicts["head"].map(Head.parse)
    last = max(head.layer for head in heads)
    layers, named = [layers_of(head, last) for head in heads], verdicts["head"].map(named)
    table = verdicts.assign(layers=layers, named=named)
    done = table["behaviours"].str.split("+").map(len)  # of none: 1, as of one
    several = done >= 2
    order = pd.DataFrame(
        {
            "group": table["layers"].map(GROUPS.index).where(several, len(GROUPS)),
            "count": (done + (table["sink"] >= LEAST_SINK)).where(several, 0),
            "named": table["named"],
            "place": [sorted(heads).index(head) for head in heads],
        }
    )
    table = table.loc[order.sort_values([*order], ascending=[True, False, False, True]).index]
    table = table.assign(rank=range(1, len(table) + 1)).reset_index(drop=True)
    return table[["rank", "head", "layers", "behaviours", "verdict", "sink", "named"]]


def layers_of(head: Head, last: int) -> str:
    """Return the group of layers that a head is in; a model of one layer has a last one only."""
    return "last" if head.layer == last else "middle" if head.layer else "first"


def named_shares(model: Model, text: RealText, threshold: float) -> pd.Series:
    """Return the share of every head's rows that the extended labels name, by head."""
    heads = all_heads(model.n_layers, model.n_heads)
    definitions = Definitions(text.window, threshold, ["extended"])
    found = labels_of_heads(model, text.vocabulary, heads, text.prompts, definitions)
    return pd.Series({str(head): float((labels != UNKNOWN).mean()) for (head, _), labels in found.items()})


def selection_record(
    ranked: pd.DataFrame, studied: Sequence[str], given: bool, sample: dict[str, Any]
) -> dict[str, Any]:
    """Return what `selection.json` holds: what was considered, by which criterion, and what came out.

    `studied` are the study's heads, none where the first of the ranking is to be taken; `given`: whether the
    config names them; `sample`: how the selection sample was drawn.
    """
    places, winner = ranked.set_index("head")["rank"], str(ranked["head"].iloc[0])
    return {
        "criterion": CRITERION,
        "sample": sample,
        "winner": winner,
        "studied": [
            {"head": head, "rank": int(places[head]), "of": len(ranked)} for head in studied or [winner]
        ],
        "chosen_by": "hand" if given else "the criterion",
        "considered": ranked.astype(object).where(ranked.notna(), None).to_dict("records"),
    }


def selected_tokens(
    model: Model,
    text: RealText,
    heads: Sequence[Head],
    taxonomy: str,
    threshold: float,
    *,
    named: Sequence[str],
    frequent: int,
    unlike: int,
) -> dict[str, list[str]]:
    """Return, for each head, the destination tokens that its figures show; see `shown_tokens`."""
    numbers = np.arange(len(text.prompts))
    tables = shard_tables(model, text.vocabulary, heads, numbers, text.prompts, text.window)
    found = {}
    for head, table in zip(heads, tables, strict=True):
        labels = label_table(table, [taxonomy], threshold)
        shares = token_shares(labels, text.vocabulary.labels, taxonomy)
        found[str(head)] = shown_tokens(shares, named, frequent, unlike)
    return found


def token_shares(labels: pd.DataFrame, names: Sequence[str], taxonomy: str) -> pd.DataFrame:
    """Return the share of each label (columns) over all rows, then at destination tokens by frequency."""
    tokens = labels["token"].map(dict(enumerate(names)))
    rows = tokens.value_counts()
    shares = pd.crosstab(tokens, labels[taxonomy], normalize="index", margins=True, margins_name=ALL)
    return shares.loc[[ALL, *rows.index[rows >= FEWEST_TO_SELECT]]]
