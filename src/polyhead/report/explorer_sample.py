"""Which prompts the explorer shows: some that are asked for, and others drawn at random.

Asked for are the prompts of the report's examples, and some that have a row of every kind: of every label, of
every shown destination token with every label, and dominated by every class of edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool, Int
from numpy import ndarray

from polyhead.attention.labelled_rows import Chunks, count_groups, take_ranked
from polyhead.attention.labels import read_atoms
from polyhead.edges.classes import CLASSES, FIRST, NONE, class_masses, dominating
from polyhead.model.vocabulary import ALL
from polyhead.style import ordered

Place = tuple[int, int]
"""A row: its prompt and its position."""


@dataclass(frozen=True)
class Group:
    """The rows of one destination token (or `all`) with one label: how many the study has."""

    token: str
    taxonomy: str
    label: str
    total: int


def sample_groups(
    labels: Chunks,
    names: Sequence[str],
    shown: Sequence[str],
    taxonomies: Sequence[str],
    near: Sequence[int],
    seed: int,
) -> tuple[list[Group], list[Place]]:
    """Draw a row of every pair of shown destination token and label.

    Labels of the first taxonomy are looked for at every shown token, those of the others over all rows.

    Args:
        labels: prompt, position, token, one column per taxonomy.
        names: label of every token id.
        shown: destination tokens, `all` first.
        taxonomies: columns to sample by.
        near: prompts that are shown anyway; a row is drawn from them where they have one.
        seed: seed of the sample.

    Returns:
        The groups, and a row of each.
    """
    views = [(token, taxonomies[0]) for token in shown] + [(ALL, taxonomy) for taxonomy in taxonomies[1:]]
    rng = np.random.default_rng(seed)
    name_groups = partial(_groups_of, names=names, views=views, near=np.asarray(near))
    counts = count_groups(labels, name_groups)
    members = [
        (*view, label)
        for view in views
        for label in ordered([group[2] for group in counts if group[:2] == view and group[3] is EVERYWHERE])
    ]
    ranks = {}
    for member in members:
        group = (*member, NEAR if counts.get((*member, NEAR), 0) else EVERYWHERE)
        ranks[group] = rng.integers(counts[group], size=1)
    places, rows = take_ranked(labels, name_groups, ranks)
    chosen = rows.loc[[place for places_of_group in places.values() for place in places_of_group]]
    groups = [Group(*member, counts[(*member, EVERYWHERE)]) for member in members]
    return groups, list(zip(chosen["prompt"].tolist(), chosen["position"].tolist(), strict=True))


NEAR, EVERYWHERE = "near", "everywhere"


def _groups_of(
    chunk: pd.DataFrame, names: Sequence[str], views: Sequence[tuple[str, str]], near: Int[ndarray, " prompt"]
) -> Iterator[tuple[tuple[str, str, str, str], Bool[ndarray, " row"]]]:
    """Yield the groups of a chunk, each for all prompts and for the `near` ones, with masks of their rows."""
    inside = chunk["prompt"].isin(near).to_numpy()
    for token, taxonomy in views:
        of_token = True if token == ALL else (chunk["token"] == names.index(token)).to_numpy()
        labels = chunk[taxonomy].cat
        codes = labels.codes.to_numpy()
        for code in np.unique(codes[of_token] if token != ALL else codes):
            rows = of_token & (codes == code)
            yield (token, taxonomy, labels.categories[code], EVERYWHERE), rows
            yield (token, taxonomy, labels.categories[code], NEAR), rows & inside


def rows_of_classes(tables: Iterable[pa.Table]) -> dict[str, Place]:
    """Return the first row that each class of edges dominates, where there is one, and it counts."""
    found: dict[str, Place] = {}
    for table in tables:
        code = dominating(class_masses(read_atoms(table)))
        prompt, position = (table[name].to_numpy() for name in ("prompt", "position"))
        code = np.where(position < FIRST, NONE, code)
        for name in (name for name in CLASSES if name not in found):
            rows = np.flatnonzero(code == CLASSES.index(name))
            if len(rows):
                found[name] = int(prompt[rows[0]]), int(position[rows[0]])
        if len(found) == len(CLASSES):
            break
    return found


def by_prompt(places: Iterable[Place]) -> dict[int, list[int]]:
    """Return the positions of every prompt, prompts in the order in which they first come."""
    found: dict[int, list[int]] = {}
    for prompt, position in places:
        found.setdefault(prompt, []).append(position)
    return found
