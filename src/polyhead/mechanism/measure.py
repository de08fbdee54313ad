"""Two passes over a text: one for what is usual, one for what the scores of every row consist of and need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from polyhead.attention.behaviours import Context, SparseAtoms, sparse_atoms
from polyhead.edges.survey import RealText, counted, thinned
from polyhead.mechanism.causal import (
    edited_log_probabilities,
    pattern,
    replaced_patterns,
    replaced_sides,
    sides_of,
)
from polyhead.mechanism.kinds import Naming, mask_matrix, named_sources, row_codes
from polyhead.mechanism.means import Estimates, RunningMeans
from polyhead.mechanism.scores import about_means, contrast, contributions, head_inputs
from polyhead.model.components import POS, DecomposableModel, Grouping, Parts, Reader, Sides
from polyhead.model.head import Head

LEAST_SHARE = 0.01
"""Kinds of rows that are rarer among the head's rows are left out."""
MOST_ROWS = 400
"""Rows of one kind whose next token is looked at, at most; drawn at random."""
WRITTEN = ("attended", "next", "visible")
Report = Callable[[int], None]


@dataclass(frozen=True)
class Asked:
    """What is asked: one head, by which components, with which names for its rows, on which text."""

    model: DecomposableModel
    head: Head
    grouping: Grouping
    namings: tuple[Naming, ...]
    text: RealText
    n_resamples: int
    seed: int

    @cached_property
    def reader(self) -> Reader:
        """How the head reads the stream."""
        return self.model.reader(*self.head)

    @property
    def rows(self) -> slice:
        """The destinations that count."""
        return counted(self.text.prompts.shape[1])

    @property
    def documents(self) -> Int[ndarray, "prompt row"]:
        """The document of every row that counts."""
        return self.text.documents[:, self.rows]

    def means(self, kinds: int, columns: int) -> RunningMeans:
        """Start means over the text."""
        documents = int(self.text.documents.max()) + 1
        return RunningMeans(kinds, columns, documents, self.n_resamples, self.seed)


@dataclass(frozen=True)
class OnePrompt:
    """What both readings look at in a prompt."""

    tokens: Int[Tensor, " pos"]
    pairs: SparseAtoms
    stream: Parts
    clean: Sides
    hidden: Bool[Tensor, "dest src"]

    @cached_property
    def pattern(self) -> Float[Tensor, "dest src"]:
        """Who attends to whom."""
        return pattern(self.clean.query, self.clean.key, self.hidden)


def look_at(asked: Asked, context: Context) -> OnePrompt:
    """Run the layers below the head on one prompt, and keep what each component adds."""
    tokens = torch.from_numpy(context.tokens).long().to(asked.model.device)
    stream = asked.model.parts(tokens, asked.head.layer, asked.grouping)
    sides, hidden = sides_of(stream.whole, asked.reader), asked.reader.hidden(len(tokens))
    return OnePrompt(tokens, sparse_atoms(context), stream, sides, hidden)


@dataclass(frozen=True)
class Usual:
    """What the first reading finds: mean components and output, and the kind of every row.

    `kinds` are the names (a naming, one of its labels) that are common enough to be looked at.
    """

    names: tuple[str, ...]
    means: Float[Tensor, "component pos d_model"]
    output: Float[Tensor, " d_head"]
    kinds: tuple[tuple[str, str], ...]
    codes: Int[ndarray, "naming prompt row"]

    def place(self, naming: Naming) -> Int[ndarray, " code"]:
        """Return the place in `kinds` of every label of a naming; −1 for those that are left out."""
        places = {kind: place for place, kind in enumerate(self.kinds)}
        return np.array([places.get((naming.name, label), -1) for label in naming.labels])


@torch.inference_mode()
def find_usual(asked: Asked) -> Usual:
    """Make the first pass over the text."""
    sums, output, codes = torch.zeros(()), torch.zeros(()), []
    for context in asked.text.contexts():
        one = look_at(asked, context)
        sums = sums + one.stream.parts[:-1]
        output = output + (one.pattern[asked.rows] @ one.clean.value).sum(0)
        codes.append(row_codes(one.pattern[None], one.pairs, asked.namings, asked.rows)[:, 0])
    found = np.stack(codes, 1)
    names, means = one.stream.names[:-1], sums / len(codes)
    if POS in names:  # the same in all prompts: its mean over positions
        means[names.index(POS)] = means[names.index(POS), 1:].mean(0)
    kinds = tuple(
        (naming.name, naming.labels[code])
        for naming, of in zip(asked.namings, found, strict=True)
        for code in np.flatnonzero(np.bincount(of.ravel()) >= max(1.0, LEAST_SHARE * of.size))
    )
    return Usual(names, means, output / max(1, found[0].size), kinds, found)


@dataclass(frozen=True)
class Found:
    """What the second reading finds, for every kind of rows. C is the number of components without `bias`.

    `scores`: contributions of all pairs of components, `bias` among them, query after query. `shares`: of
    rows that are of the kind; clean, then with each component replaced in the query, then in the key.
    `effects` (nats): what the head is worth there against its mean output; clean, then with each component
    replaced in the value. `written`: what it adds to the logits of the token it attends to most, of the next
    token, and on average of all tokens that it sees.
    """

    names: tuple[str, ...]
    kinds: tuple[tuple[str, str], ...]
    scores: Estimates
    shares: Estimates
    effects: Estimates
    written: Estimates


def nothing() -> Found:
    """Return an empty result, for a head of a model that cannot be taken apart."""
    none = np.zeros(0, np.int64)
    parts = [Estimates(np.zeros((0, n)), np.zeros((1, 0, n)), none, none) for n in (1, 1, 1, len(WRITTEN))]
    return Found((), (), *parts)


@torch.inference_mode()
def measure(asked: Asked, usual: Usual, report: Report = lambda done: None) -> Found:
    """Make the second pass over the text; `report` is called with the number of prompts done."""
    kinds, components = len(usual.kinds), len(usual.names)
    columns = {
        "scores": (components + 1) ** 2,
        "shares": 1 + 2 * components,
        "effects": 1 + components,
        "written": len(WRITTEN),
    }
    means = {name: asked.means(kinds, count) for name, count in columns.items()}
    sample = sampled(asked, usual)
    for number, context in enumerate(asked.text.contexts()):
        one = look_at(asked, context)
        replaced = replaced_sides(one.stream, asked.reader, usual.means)
        add_scores(means["scores"], asked, usual, one, number)
        add_shares(means["shares"], asked, usual, one, replaced, number)
        if sample[:, number].any():
            rows = np.asarray(sample[:, number].any(0))
            effects = effects_at(asked, usual, one, replaced, rows)
            for name, values in zip(("effects", "written"), effects, strict=True):
                add_sampled(means[name], values, asked.documents[number], sample[:, number])
        report(number + 1)
    found = {name: running.estimates() for name, running in means.items()}
    return Found(usual.names, usual.kinds, **found)


def add_scores(running: RunningMeans, asked: Asked, usual: Usual, one: OnePrompt, number: int) -> None:
    """Add the contributions of all pairs of components at the rows of one prompt."""
    inputs = head_inputs(about_means(one.stream, usual.means), asked.reader)
    scores = one.clean.query[asked.rows] @ one.clean.key.mT
    visible = ~one.hidden[asked.rows]
    masks = mask_matrix(one.pairs, len(one.tokens))[asked.rows]
    for naming, codes in zip(asked.namings, usual.codes[:, number], strict=True):
        named = named_sources(naming, codes, masks).to(scores.device)
        place = usual.place(naming)[codes]
        use = torch.from_numpy(place >= 0).to(named.device) & (named & visible).any(1)
        use &= (~named & visible).any(1)
        weights = contrast(scores[use], named[use], visible[use])
        found = contributions(inputs.query[:, asked.rows][:, use], inputs.key, weights)
        chosen = use.cpu().numpy()
        running.add(asked.documents[number][chosen], place[chosen], found.flatten(1).cpu().numpy())


def add_shares(
    running: RunningMeans, asked: Asked, usual: Usual, one: OnePrompt, replaced: Sides, number: int
) -> None:
    """Name the rows of one prompt again, with every component replaced in the query and in the key."""
    codes = [usual.codes[:, number, None]]
    for some in replaced_patterns(one.clean, replaced, one.hidden):
        codes.append(row_codes(some, one.pairs, asked.namings, asked.rows))
    every = np.concatenate(codes, 1)
    documents, at = np.unique(asked.documents[number], return_inverse=True)
    sums = np.zeros((len(documents), len(usual.kinds), every.shape[1]), np.float32)
    for naming, of in zip(asked.namings, every, strict=True):
        run, row = np.indices(of.shape)
        place = usual.place(naming)[of]
        kept = place >= 0
        np.add.at(sums, (at[row[kept]], place[kept], run[kept]), 1)
    counts = np.repeat(np.bincount(at)[:, None], len(usual.kinds), 1)
    running.add_sums(documents, sums, counts, sums[..., 0])


def sampled(asked: Asked, usual: Usual) -> Bool[ndarray, "kind prompt row"]:
    """Draw the rows of every kind whose next token is looked at."""
    rows = [
        usual.codes[asked.namings.index(naming)] == naming.labels.index(label)
        for name, label in usual.kinds
        for naming in asked.namings
        if naming.name == name
    ]
    shape = (0, *usual.codes.shape[1:])
    return (
        np.stack([thinned(some, MOST_ROWS, asked.seed) for some in rows]) if rows else np.zeros(shape, bool)
    )


def add_sampled(
    running: RunningMeans,
    values: Float[ndarray, "some column"],
    documents: Int[ndarray, " row"],
    sample: Bool[ndarray, "kind row"],
) -> None:
    """Add what was measured at the drawn rows of one prompt to every kind that they were drawn for."""
    rows = sample.any(0)
    kind, row = np.nonzero(sample[:, rows])
    running.add(documents[rows][row], kind, values[row])


def effects_at(
    asked: Asked, usual: Usual, one: OnePrompt, replaced: Sides, rows: Bool[ndarray, " row"]
) -> tuple[Float[ndarray, "some column"], Float[ndarray, "some three"]]:
    """Measure what the head hands on at some rows of one prompt.

    Returns:
        What it is worth there (nats) against its mean output, as it is and with each component replaced in
        the value; and what it adds to logits.
    """
    dests = torch.from_numpy(np.flatnonzero(rows)).to(one.tokens.device) + asked.rows.start
    attention = one.pattern[dests]
    z = attention @ one.clean.value
    edited = torch.cat([usual.output.expand_as(z)[None], attention @ replaced.value]).transpose(0, 1)
    clean, after, final = edited_log_probabilities(
        asked.model, asked.head, one.tokens, one.stream.whole, dests, edited - z[:, None]
    )
    worth = torch.cat([clean[:, None], after[:, 1:]], 1) - after[:, :1]
    written = asked.model.written(asked.head.layer, one.stream.whole)[asked.head.number, dests]
    logits = asked.model.direct(written, final)
    return worth.cpu().numpy(), direct_effects(logits, attention, one.tokens, dests).cpu().numpy()


def direct_effects(
    logits: Float[Tensor, "row vocabulary"],
    attention: Float[Tensor, "row src"],
    tokens: Int[Tensor, " pos"],
    dests: Int[Tensor, " row"],
) -> Float[Tensor, "row three"]:
    """Return what is added to the logits of the token attended to most, the next, all in view on average."""
    seen = logits[:, tokens]
    top = seen.gather(1, attention.argmax(1, keepdim=True))[:, 0]
    following = logits.gather(1, tokens[dests + 1, None])[:, 0]
    visible = torch.arange(len(tokens), device=tokens.device) <= dests[:, None]
    return torch.stack([top, following, (seen * visible).sum(1) / visible.sum(1)], 1)
