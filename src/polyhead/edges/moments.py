"""Where a head matters most on real text: rows whose right answer is lost without it, by class of edges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray

from polyhead.attention.labels import read_atoms
from polyhead.edges.classes import CLASSES, FIRST, NO_CLASS, class_masses, dominating
from polyhead.files import read_chunks

LEAST_LOST = 0.25
"""Part of the right first choice's probability that a row must lose."""
MOST_LISTED = 20
"""Triples of a class that are listed."""
TRIPLE = ["destination", "source", "next_token"]
COLUMNS = ["edges", *TRIPLE, "count", "drop", "copied", "prompt", "position"]


def dominated_rows(shards: Iterable[Path | str], prompts: int) -> pd.DataFrame:
    """Read the stored rows of the first prompts, from destination 16 on.

    Columns: prompt, position, edges (the class that dominates the row, or `none`), top_source.

    Raises:
        PolyheadError: a shard cannot be read.
    """
    names, parts = np.array([*CLASSES, NO_CLASS]), []
    for table in (table for path in shards for table in read_chunks(path)):
        edges = names[dominating(class_masses(read_atoms(table)))]
        parts.append(table.select(["prompt", "position", "top_source"]).to_pandas().assign(edges=edges))
    rows = pd.concat(parts, ignore_index=True)
    return rows[(rows["prompt"] < prompts) & (rows["position"] >= FIRST)]


def moments(
    effects: pd.DataFrame, rows: pd.DataFrame, prompts: Int[ndarray, "prompt pos"], names: Sequence[str]
) -> pd.DataFrame:
    """List the most frequent triples (destination, source, next token) among rows where the head matters.

    These are rows whose next token is the model's first choice and loses a quarter of its probability or more
    when the whole row goes to BOS. `effects` are from `polyhead.ablation.real_text.effect_rows`, `rows` from
    `dominated_rows`; `names` is the label of every token id.

    Columns: edges (the class that dominates the row, or `none`), destination, source (of the row's largest
    weight), next_token, count, drop (mean, of probability), copied (the next token is the source), prompt and
    position of the row that loses most. Of each class the most frequent; of equals, what loses more.
    """
    lost = effects["first"] & (effects["delta_logprob"] <= np.log(1 - LEAST_LOST))
    found = effects[lost].merge(rows, on=["prompt", "position"], validate="one_to_one")
    prompt, position = found["prompt"].to_numpy(), found["position"].to_numpy()
    places = dict(zip(TRIPLE, (position, found["top_source"].to_numpy(), position + 1), strict=True))
    found = found.assign(**{name: prompts[prompt, place] for name, place in places.items()})
    found["drop"] = np.exp(found["logprob"]) - np.exp(found["logprob"] + found["delta_logprob"])
    found = found.sort_values("drop", ascending=False, kind="stable")
    table = found.groupby(["edges", *TRIPLE], sort=False, as_index=False).agg(
        count=("drop", "size"),
        drop=("drop", "mean"),
        prompt=("prompt", "first"),
        position=("position", "first"),
    )
    table["copied"] = table["source"] == table["next_token"]
    table["edges"] = pd.Categorical(table["edges"], [*CLASSES, NO_CLASS])
    table = table.sort_values(["edges", "count", "drop"], ascending=[True, False, False], kind="stable")
    table = table.groupby("edges", observed=True).head(MOST_LISTED)
    text = {name: np.array(names, object)[table[name].to_numpy(int)] for name in TRIPLE}
    return table.assign(**text, edges=table["edges"].astype(str))[COLUMNS].reset_index(drop=True)
