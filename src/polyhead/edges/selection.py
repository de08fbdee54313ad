"""Which head is worth a study: a ranking by verdict, made on other documents than those of the report.

What is chosen on some data looks better on them than it is. So heads, and the destination tokens that figures
show, are chosen on one sample, and everything that is said of them is measured on another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from polyhead.errors import PolyheadError
from polyhead.model.head import Head

ORDER = ("polysemantic", "undecided", "one behaviour", "none")
CRITERION = (
    "by verdict (polysemantic, undecided, one behaviour, none); of equal verdicts a layer below the last one "
    "first, since nothing above reads what the last layer writes at other positions; then by the smallest "
    "cost among the head's behaviours, the largest first"
)


def ranking(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Rank every head of a model, the best candidate first.

    Args:
        verdicts: `verdicts.csv` of the selection sample.

    Returns:
        rank (from 1), head, verdict, behaviours, smallest_cost (nats), below_last_layer.
    """
    layers = verdicts["head"].map(lambda head: Head.parse(head).layer)
    table = verdicts[["head", "verdict", "behaviours", "smallest_cost"]].assign(
        below_last_layer=layers < layers.max(), order=verdicts["verdict"].map(ORDER.index)
    )
    table = table.sort_values(
        ["order", "below_last_layer", "smallest_cost"], ascending=[True, False, False], kind="stable"
    )
    table.insert(0, "rank", range(1, len(table) + 1))
    return table.drop(columns="order").reset_index(drop=True)


def selection_record(
    ranked: pd.DataFrame, studied: Sequence[str], given: bool, sample: dict[str, Any]
) -> dict[str, Any]:
    """Return what `selection.json` holds: what was considered, by which criterion, and what came out.

    Args:
        ranked: from `ranking`.
        studied: the study's heads; none where the winner is to be taken.
        given: whether these were named in the config.
        sample: how the selection sample was drawn.
    """
    winner = str(ranked["head"].iloc[0])
    heads = list(studied) or [winner]
    places = ranked.set_index("head")["rank"]
    return {
        "criterion": CRITERION,
        "sample": sample,
        "winner": winner,
        "studied": [{"head": head, "rank": int(places[head]), "of": len(ranked)} for head in heads],
        "chosen_by": "hand" if given else "the criterion",
        "considered": ranked.astype(object).where(ranked.notna(), None).to_dict("records"),
    }


def check_apart(selection: pd.DataFrame, report: pd.DataFrame) -> int:
    """Return how many documents the selection sample holds; both samples as `prompts.parquet`.

    Raises:
        PolyheadError: a prompt, or a document where both samples name them, is in both.
    """
    shared = set(map(tuple, selection["tokens"])) & set(map(tuple, report["tokens"]))
    if shared:
        raise PolyheadError(f"{len(shared)} prompts are in the selection sample and in the report's sample")
    if "documents" not in selection or "documents" not in report:
        return len(selection)
    chosen, reported = ({d for ids in table["documents"] for d in ids} for table in (selection, report))
    if both := chosen & reported:
        raise PolyheadError(
            f"{len(both)} documents are in the selection sample and in the report's sample, the first of "
            f"them document {min(both)}; choose another split: selection.split"
        )
    return len(chosen)
