"""What the explorer knows of one prompt: its head's queries and keys, and what was measured at its rows.

Every row can be drawn from queries and keys, numbers of 16 bits, so that no pattern is stored; it is checked
that they give the model's own pattern. Labels, masses, probabilities and the other heads' top sources are
there for every row. What takes a run for each row (the cost of cutting a class of edges, what a score is made
of) is there for the rows asked for, and for some others.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from polyhead.ablation.patching import Method, head_change, replacement
from polyhead.ablation.real_text import next_log_probability
from polyhead.attention.behaviours import Context
from polyhead.attention.labels import Definitions, read_atoms
from polyhead.attention.rows import prompt_contexts, shard_tables
from polyhead.edges.classes import CLASSES, class_masses, dominating
from polyhead.edges.costs import Fill, Question, cut_only, edge_costs
from polyhead.errors import PolyheadError
from polyhead.mechanism.causal import sides_of
from polyhead.mechanism.scores import about_means, contrast, contributions, head_inputs
from polyhead.model.components import POS, DecomposableModel, Grouping
from polyhead.model.decomposition import decomposable
from polyhead.model.head import Head, all_heads
from polyhead.model.head_scores import HeadScores, head_scores
from polyhead.model.protocol import AblationModel, PatternModel
from polyhead.model.vocabulary import Vocabulary

LARGEST_ERROR = 1e-3
"""No weight that is drawn may differ by more from the model's."""
MOST_OTHERS = 31
"""Other heads whose top source is kept for every row: those of the nearest layers."""
MEASURED = 24
"""Rows of a prompt, drawn at random, at which edges are cut, besides those asked for."""
TOP_PAIRS = 5
BITS = 4000
"""Entropies are kept as whole numbers of so many parts of a bit."""
UINT16 = 2**16 - 1
UINT8 = 2**8 - 1
INT16 = 2**15 - 1


@dataclass(frozen=True)
class Shown:
    """A prompt of the page.

    `name` is what a link calls it. `tokens` are the `length` that are shown, and the one that follows, where
    it is known. `rows` are asked for.
    """

    name: str
    kind: str
    source: str
    source_type: str
    tokens: Int[ndarray, " pos"]
    length: int
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Usual:
    """The model whose stream comes apart, and the mean of its components, over prompts, at every position."""

    model: DecomposableModel
    grouping: Grouping
    names: tuple[str, ...]
    means: Float[Tensor, "component pos d_model"]


@dataclass(frozen=True)
class Asked:
    """What is asked of every prompt. Without `mean` (of the head's output) no edges are cut."""

    model: PatternModel
    vocabulary: Vocabulary
    head: Head
    definitions: Definitions
    mean: Float[ndarray, " d_head"] | None
    usual: Usual | None
    seed: int

    @cached_property
    def others(self) -> list[Head]:
        """The other heads that are shown, in the model's order."""
        heads = set(all_heads(self.model.n_layers, self.model.n_heads)) - {self.head}
        near = sorted(heads, key=lambda head: (abs(head.layer - self.head.layer), head))
        return sorted(near[:MOST_OTHERS])


def usual_parts(
    model: PatternModel, head: Head, prompts: Int[ndarray, "prompt pos"], grouping: Grouping
) -> Usual | None:
    """Return the mean components below a head, or None where the stream cannot be taken apart."""
    try:
        apart = decomposable(model, head.layer)
    except PolyheadError:
        return None
    if not len(prompts):
        return None
    with torch.inference_mode():
        sums = torch.zeros(())
        for tokens in torch.from_numpy(prompts).long():
            stream = apart.parts(tokens.to(apart.device), head.layer, grouping)
            sums = sums + stream.parts[:-1]
        names, means = stream.names[:-1], sums / len(prompts)
        if POS in names and prompts.shape[1] > 1:  # the same in all prompts: its mean over positions
            means[names.index(POS)] = means[names.index(POS), 1:].mean(0)
    return Usual(apart, grouping, names, means)


def prompt_record(asked: Asked, shown: Shown) -> dict[str, Any]:
    """Return what the page needs to know of a prompt, plain data; arrays are base64, little-endian.

    `tokens` are token ids, as a list: those shown, and the one that follows where it is known.

    Raises:
        PolyheadError: queries and keys cannot be read, or do not give the model's pattern.
    """
    n = shown.length
    heads, tokens = [asked.head, *asked.others], torch.from_numpy(shown.tokens[None, :n]).long()
    own, others = top_sources(asked, tokens, heads)
    scores = head_scores(asked.model, asked.head, tokens)
    labels, classes = names_of(asked, shown)
    return {
        "name": shown.name,
        "kind": shown.kind,
        "source": shown.source,
        "sourceType": shown.source_type,
        "length": n,
        "tokens": shown.tokens.tolist(),
        "window": scores.window,
        "softcap": scores.softcap or 0,
        "scores": coded_scores(scores, own, f"head {asked.head}, prompt {shown.name}"),
        "entropy": coded(entropy(own) * BITS, "<u2"),
        "labels": labels,
        "classes": classes,
        "others": others,
        **probabilities(asked, shown),
        "measured": measured(asked, shown),
    }


@torch.inference_mode()
def top_sources(
    asked: Asked, tokens: Int[Tensor, "one pos"], heads: Sequence[Head]
) -> tuple[Float[Tensor, "dest src"], dict[str, str]]:
    """Return the head's pattern; and of every other head the top source of each row, and its weight."""
    source: dict[Head, ndarray] = {}
    weight: dict[Head, ndarray] = {}
    own = torch.empty(0)
    for layer, patterns in asked.model.layer_patterns(tokens, heads):
        here = sorted(head for head in heads if head.layer == layer)
        largest = patterns[0].max(-1)
        weight |= dict(zip(here, largest.values.cpu().numpy(), strict=True))
        source |= dict(zip(here, largest.indices.cpu().numpy(), strict=True))
        if asked.head in here:
            own = patterns[0, here.index(asked.head)].float().cpu().clone()
    if not asked.others:
        return own, {"source": "", "weight": ""}
    sources, weights = (np.stack([side[head] for head in asked.others]) for side in (source, weight))
    return own, {"source": coded(sources, "<u2"), "weight": coded(weights * UINT8, "<u1")}


@dataclass(frozen=True)
class Piece:
    """Numbers rounded to whole multiples of a step, one step for every dimension: 16 bits a number.

    A dimension far larger than the others then costs the others nothing.
    """

    steps: Float[ndarray, " d_head"]
    multiples: Int[ndarray, "pos d_head"]

    @classmethod
    def nearest(cls, values: Float[ndarray, "pos d_head"]) -> Piece:
        """Round numbers."""
        largest = np.abs(values).max(0).astype(np.float32)
        steps = np.where(largest > 0, largest, np.float32(1)) / np.float32(INT16)
        return cls(steps, np.round(values / steps).astype(np.int16))

    @property
    def values(self) -> Float[ndarray, "pos d_head"]:
        """The numbers, as the page has them."""
        return self.multiples * self.steps

    @property
    def coded(self) -> list[str]:
        """Steps and multiples, for the page."""
        return [coded(self.steps, "<f4"), coded(self.multiples, "<i2")]


def coded_scores(scores: HeadScores, own: Float[Tensor, "dest src"], subject: str) -> list[list[list[str]]]:
    """Return queries and keys rounded to 16 bits.

    Where one array is too coarse, a second one holds what is left.
    """
    centred = scores.about_mean_key()
    sides = [side[0].float().cpu().numpy() for side in (centred.query, centred.key)]
    for count in (1, 2):
        parts = [rounded_pieces(side, count) for side in sides]
        query, key = (torch.from_numpy(np.sum([piece.values for piece in of], 0))[None] for of in parts)
        drawn = HeadScores(query, key, scores.window, scores.softcap).pattern()[0]
        if float((drawn - own).abs().max()) <= 0.9 * LARGEST_ERROR:
            return [[piece.coded for piece in of] for of in parts]
    raise PolyheadError(
        f"{subject}: queries and keys do not give the model's pattern (apart by "
        f"{float((drawn - own).abs().max()):.2g}); this architecture decides otherwise who attends to whom"
    )


def rounded_pieces(side: Float[ndarray, "pos d_head"], count: int) -> list[Piece]:
    """Return pieces that sum to the side, as nearly as so many can."""
    found: list[Piece] = []
    for _ in range(count):
        found.append(Piece.nearest(side))
        side = side - found[-1].values
    return found


def entropy(pattern: Float[Tensor, "dest src"]) -> Float[ndarray, " dest"]:
    """Return the entropy of every row, in bits."""
    return (torch.special.entr(pattern).sum(-1) / np.log(2)).numpy()


def names_of(asked: Asked, shown: Shown) -> tuple[dict[str, list[str]], str]:
    """Return every row's label in each taxonomy, and its dominating class, from position 1 on."""
    prompt, ids = shown.tokens[None, : shown.length], np.zeros(1, np.int64)
    if shown.length < 2:
        return {name: [] for name in asked.definitions.taxonomies}, ""
    [table] = shard_tables(asked.model, asked.vocabulary, [asked.head], ids, prompt, asked.definitions.window)
    atoms = read_atoms(table)
    labels = {name: found.astype(str).tolist() for name, found in asked.definitions.labels(atoms).items()}
    return labels, coded(dominating(class_masses(atoms)), "<u1")


@torch.inference_mode()
def probabilities(asked: Asked, shown: Shown) -> dict[str, str]:
    """Return the next token's log probability at positions from 1 on, clean and with the row ablated.

    The head is made to attend to BOS alone at this one position. NaN where no next token is known.
    """
    model = asked.model
    tokens = torch.from_numpy(shown.tokens[None]).long()
    if not isinstance(model, AblationModel) or tokens.shape[1] < 3:
        return {"clean": "", "ablated": ""}
    residual = model.residual_before(asked.head.layer, tokens)
    edit = partial(replacement, method=Method.BOS)
    change = head_change(model.layers[asked.head.layer], asked.head.number, residual, edit)
    streams = model.two_streams(*asked.head, residual, change)
    clean, ablated = (next_log_probability(model, stream, tokens)[0].cpu().numpy() for stream in streams)
    return {"clean": coded(clean, "<f4"), "ablated": coded(ablated, "<f4")}


def measured_rows(shown: Shown, seed: int) -> Bool[ndarray, " pos"]:
    """Return the rows asked for, and some others, of those that have a next token."""
    rows, last = np.zeros(len(shown.tokens), bool), min(shown.length, len(shown.tokens) - 1)
    if last > 1:
        rng = np.random.default_rng([seed, crc32(shown.name.encode())])
        rows[rng.choice(np.arange(1, last), min(MEASURED, last - 1), replace=False)] = True
        rows[[row for row in shown.rows if 1 <= row < last]] = True
    return rows


def measured(asked: Asked, shown: Shown) -> dict[str, dict[str, Any]]:
    """Return, by position, mass and cost of every class of edges, and the top pairs of components."""
    rows = measured_rows(shown, asked.seed)
    positions = np.flatnonzero(rows).tolist()
    found: dict[str, dict[str, Any]] = {str(position): {} for position in positions}
    if positions and asked.mean is not None and isinstance(asked.model, AblationModel):
        [context] = prompt_contexts(shown.tokens[None], asked.vocabulary, asked.definitions.window)
        cut = cut_everything(asked.model, asked.head, asked.mean, context, rows)
        for position, masses, costs in zip(positions, *cut, strict=True):
            found[str(position)] |= {"masses": rounded(masses), "costs": rounded(costs)}
    if positions and asked.usual is not None:
        tokens = torch.from_numpy(shown.tokens[: shown.length]).long()
        pairs_of_rows = top_pairs(asked.head, asked.usual, tokens, positions)
        for position, pairs in zip(positions, pairs_of_rows, strict=True):
            found[str(position)]["pairs"] = pairs
    return {position: some for position, some in found.items() if some}


def cut_everything(
    model: AblationModel,
    head: Head,
    mean: Float[ndarray, " d_head"],
    context: Context,
    rows: Bool[ndarray, " pos"],
) -> tuple[Float[ndarray, "row class"], Float[ndarray, "row class"]]:
    """Return masses, and costs (nats) with the head's mean output in the place of what is cut."""
    edits = tuple(cut_only(name, Fill.MEAN) for name in CLASSES)
    [answer] = edge_costs(model, [context], [Question(head, rows[None], edits, mean)])
    return answer.masses, answer.costs


def rounded(values: Float[ndarray, " class"]) -> list[float]:
    """Return numbers of four decimals."""
    return [round(float(value), 4) for value in values]


@torch.inference_mode()
def top_pairs(
    head: Head, usual: Usual, tokens: Int[Tensor, " pos"], positions: list[int]
) -> list[list[list[Any]]]:
    """Return which pairs of components (query, key) raise the score of a row's top source, or lower it most.

    A contribution counts relative to the other sources that the row sees; see `polyhead.mechanism.scores`.
    """
    stream = usual.model.parts(tokens.to(usual.model.device), head.layer, usual.grouping)
    reader = usual.model.reader(*head)
    inputs = head_inputs(about_means(stream, usual.means[:, : len(tokens)]), reader)
    sides = sides_of(stream.whole, reader)
    scores = (sides.query @ sides.key.mT)[positions]
    visible = torch.ones(len(tokens), len(tokens), dtype=torch.bool).tril()[positions].to(scores.device)
    top = scores.masked_fill(~visible, -torch.inf).argmax(-1, keepdim=True)
    weights = contrast(scores, torch.zeros_like(visible).scatter(1, top, True), visible)
    found = contributions(inputs.query[:, positions], inputs.key, weights).flatten(1).cpu()
    kept = found.abs().topk(min(TOP_PAIRS, found.shape[1])).indices
    width = len(stream.names)
    return [
        [[stream.names[p // width], stream.names[p % width], round(float(of[p]), 3)] for p in places.tolist()]
        for of, places in zip(found, kept, strict=True)
    ]


def coded(values: ndarray, kind: str) -> str:
    """Encode numbers as base64 of a little-endian type; for whole numbers they are rounded and clipped."""
    if kind[1] == "u":
        values = np.round(values).clip(0, np.iinfo(kind).max)
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()
