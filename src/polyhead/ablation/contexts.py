"""Contexts found by rule: places in real text at which a head is ablated as it is in tasks.

Templates are chosen by people; nobody can have chosen these. One rule for all four behaviours: the edges of a
behaviour dominate the row, the destination counts (`FIRST`), and the token that comes next is the model's
first choice. Of all places that fit, some are drawn, from as many documents as there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from polyhead.ablation.edge_costs import (
    LOGITS_AT_ONCE,
    Codes,
    Edit,
    Fill,
    Tokens,
    changes,
    cut_only,
    parts_by_class,
)
from polyhead.ablation.edge_profile import sums_by_cluster
from polyhead.ablation.edge_survey import RealText, survey
from polyhead.ablation.patching import Method, Outcome, ablated_runs, head_change, read_answer, replacement
from polyhead.attention.behaviours import Context
from polyhead.attention.edge_classes import CLASS_BEHAVIOURS, FIRST, class_matrix
from polyhead.intervals import LEAST_CLUSTERS, ratio_intervals
from polyhead.model.head import Head
from polyhead.model.protocol import AblationModel
from polyhead.model.vocabulary import ALL

BEFORE = FIRST
"""Positions before the destination at which the head is ablated, too; the last of them may be BOS, whose row
no ablation changes."""
RUN_COLUMNS = ["behaviour", "eligible", "prompts", "documents"]
RUN_COLUMNS += ["run", "method", "edges", "top1", "probability", "drop", "low", "high"]
CLEAN_RUN = {"run": "clean", "method": "", "edges": ""}
POSITION_COLUMNS = ["behaviour", "distance", "prompts", "drop", "low", "high"]
TO_BOS = partial(replacement, method=Method.BOS)


@dataclass(frozen=True)
class Places:
    """Places that were drawn for a behaviour: prompt and destination of each, and how many fit the rule."""

    prompts: Int[ndarray, " context"]
    destinations: Int[ndarray, " context"]
    documents: Int[ndarray, " context"]
    eligible: int


@dataclass(frozen=True)
class Found:
    """The places of one head's behaviours, and the head's mean output over the prompts they are from."""

    head: Head
    places: dict[str, Places]
    mean: Float[ndarray, " d_head"]


def edits_of(behaviour: str) -> tuple[tuple[Fill, str], ...]:
    """Return what is done at the destination: the whole row, then the behaviour's edges alone, two ways."""
    return tuple((method, edges) for edges in (ALL, behaviour) for method in (Fill.BOS, Fill.MEAN))


@torch.inference_mode()
def predicted(
    model: AblationModel, prompts: Int[ndarray, "prompt pos"], rows: Bool[ndarray, "prompt pos"]
) -> Bool[ndarray, "prompt pos"]:
    """Return which of the rows are followed by the token that is the model's first choice there."""
    right = np.zeros_like(rows)
    for number in np.flatnonzero(rows[:, :-1].any(1)):
        tokens, places = torch.from_numpy(prompts[number]).long(), np.flatnonzero(rows[number, :-1])
        residual = model.residual_before(0, tokens[None])
        for layer in model.layers:
            residual = layer(residual)
        first = [model.logits(some).argmax(-1).cpu() for some in residual[0, places].split(LOGITS_AT_ONCE)]
        right[number, places] = (torch.cat(first) == tokens[places + 1]).numpy()
    return right


def find_contexts(
    model: AblationModel, text: RealText, heads: Sequence[Head], most: int, seed: int
) -> dict[Head, Found]:
    """Find the places that fit the rule for each behaviour of some heads, and draw at most `most` of each."""
    surveyed = survey(model, text.contexts(), heads)
    rows = {(head, name): surveyed.rows(head, name) for head in surveyed.heads for name in CLASS_BEHAVIOURS}
    right = predicted(model, text.prompts, np.any(list(rows.values()), axis=0))
    documents = text.clusters.documents
    return {
        head: Found(
            head,
            {name: draw_places(rows[head, name] & right, documents, most, seed) for name in CLASS_BEHAVIOURS},
            surveyed.mean_of(head),
        )
        for head in surveyed.heads
    }


def draw_places(
    fit: Bool[ndarray, "prompt pos"], documents: Int[ndarray, "prompt pos"], most: int, seed: int
) -> Places:
    """Draw at most so many of the places that fit, from as many documents as possible."""
    prompts, destinations = np.nonzero(fit)
    of = documents[prompts, destinations]
    chosen = drawn(of, most, seed)
    return Places(prompts[chosen], destinations[chosen], of[chosen], len(of))


def drawn(documents: Int[ndarray, " place"], most: int, seed: int) -> Int[ndarray, " chosen"]:
    """Draw at most so many places: one of every document before a second of any."""
    order = np.random.default_rng(seed).permutation(len(documents))
    turn = pd.Series(documents[order]).groupby(documents[order]).cumcount().to_numpy()
    return np.sort(order[np.argsort(turn, kind="stable")[:most]])


@torch.inference_mode()
def ablate_context(
    model: AblationModel,
    tokens: Tokens,
    codes: Codes,
    head: Head,
    edits: Sequence[Edit],
    mean: Float[ndarray, " d_head"],
) -> Outcome:
    """Edit a head in one context, and read what comes next at the destination.

    Args:
        model: the model.
        tokens: the text up to the destination, and the token after it, which is the answer.
        codes: class of every edge of the destination, as one row.
        head: the head.
        edits: what is cut at the destination.
        mean: the head's mean output, for edits that put it there.

    Returns:
        The answer's probability and rank: clean, after each edit, and with the head BOS-ablated at each of
        the `BEFORE` positions before the destination, the nearest first.
    """
    text, layer = tokens[None, :-1], model.layers[head.layer]
    destination = text.shape[1] - 1
    residual = model.residual_before(head.layer, text)
    pattern, of_head = layer.read(residual, [head.number])
    row, values = pattern[0, 0, -1:], of_head[0, 0]
    parts = parts_by_class(row, codes.to(row.device), values)
    here = changes(parts, edits, torch.from_numpy(mean).to(values), values[0])
    elsewhere = [destination - distance for distance in range(1, BEFORE + 1)]
    change = torch.cat([here, head_change(layer, head.number, residual, TO_BOS)[:, elsewhere]], 1)
    places = [destination] * len(edits) + elsewhere
    clean = model.clean_run(head.layer, residual)
    runs = ablated_runs(clean, [head.number] * len(places), change, places)
    return read_answer(model, runs, tokens[-1:].to(runs.device))


def head_contexts(
    model: AblationModel, found: Found, text: RealText, n_resamples: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ablate a head in the contexts that were found for each of its behaviours.

    Returns:
        behaviour, eligible (places that fit the rule), prompts (contexts drawn), documents (they are from),
        run (clean or ablated), method (bos or mean), edges (`all`: the whole row, or the behaviour), top1,
        probability (mean, of the true next token), drop (clean − ablated), low, high (bootstrap over
        documents, each context paired with its clean run; empty for fewer than 20 documents). A behaviour
        with no context has its clean line alone.

        And for every position before the destination: behaviour, distance, prompts, drop (head BOS-ablated
        there, read at the destination), low, high.
    """
    runs, positions = [], []
    for name, places in found.places.items():
        edits = [cut_only(edges, method) for method, edges in edits_of(name)]
        outcomes = [
            ablate_context(model, tokens, codes, found.head, edits, found.mean)
            for tokens, codes in _texts(text, places)
        ]
        if not outcomes:
            runs.append(_facts(name, places) | CLEAN_RUN)
            continue
        probability = torch.cat([one.probability for one in outcomes]).double().cpu().numpy()
        first = torch.cat([one.rank for one in outcomes]).cpu().numpy() == 0
        drops = drop_table(probability[:, :1] - probability[:, 1:], places.documents, n_resamples, seed)
        runs += _runs(name, places, probability, first, drops)
        before = drops.iloc[len(edits) :].reset_index(drop=True)
        facts = {"behaviour": name, "prompts": len(places.prompts)}
        positions.append(before.assign(**facts, distance=range(1, BEFORE + 1)))
    before = pd.concat(positions, ignore_index=True) if positions else pd.DataFrame(columns=POSITION_COLUMNS)
    return pd.DataFrame(runs, columns=RUN_COLUMNS), before[POSITION_COLUMNS]


def _texts(text: RealText, places: Places) -> Iterator[tuple[Tokens, Codes]]:
    """Yield each context's tokens with the one that follows, and the classes of its destination's edges."""
    for number, destination in zip(places.prompts.tolist(), places.destinations.tolist(), strict=True):
        tokens = text.prompts[number, : destination + 2]
        indents, eos = text.vocabulary.indents[tokens[:-1]], text.vocabulary.eos
        codes = class_matrix(Context(tokens[:-1], indents, eos, text.window))[-1:]
        yield torch.from_numpy(tokens).long(), torch.from_numpy(codes)


def _facts(name: str, places: Places) -> dict[str, object]:
    documents = len(np.unique(places.documents))
    facts = {"behaviour": name, "eligible": places.eligible}
    return facts | {"prompts": len(places.prompts), "documents": documents}


def _runs(
    name: str,
    places: Places,
    probability: Float[ndarray, "context run"],
    first: Bool[ndarray, "context run"],
    drops: pd.DataFrame,
) -> Iterator[dict[str, object]]:
    """Yield the lines of the clean run and of every edit at the destination."""
    names = [
        tuple(CLEAN_RUN.values()),
        *(("ablated", method.value, edges) for method, edges in edits_of(name)),
    ]
    for place, (run, method, edges) in enumerate(names):
        measured = {"top1": first[:, place].mean(), "probability": probability[:, place].mean()}
        lost = drops.iloc[place - 1].to_dict() if place else {}
        yield _facts(name, places) | {"run": run, "method": method, "edges": edges} | measured | lost


def drop_table(
    drops: Float[ndarray, "context column"], documents: Int[ndarray, " context"], n_resamples: int, seed: int
) -> pd.DataFrame:
    """Return each column's mean drop, with low and high by document; empty for fewer than 20 documents."""
    codes = np.unique(documents, return_inverse=True)[1]
    count = int(codes.max()) + 1
    low, high = np.full((2, drops.shape[1]), np.nan)
    if count >= LEAST_CLUSTERS:
        sums, ones = (sums_by_cluster(some, codes, count) for some in (drops, np.ones_like(drops)))
        low, high = ratio_intervals(sums, ones, n_resamples, seed)
    return pd.DataFrame({"drop": drops.mean(0), "low": low, "high": high})
