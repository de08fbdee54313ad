"""Before any edge is cut: which rows each class dominates, and what each head mixes on average."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from torch import Tensor

from polyhead.attention.behaviours import Context
from polyhead.attention.rows import prompt_contexts
from polyhead.edges.classes import CLASSES, FIRST, NONE, class_matrix, dominating
from polyhead.model.head import Head
from polyhead.model.protocol import Model
from polyhead.model.vocabulary import ALL, Vocabulary
from polyhead.prompts.clusters import read_clustering
from polyhead.prompts.sampling import read_prompts


@dataclass(frozen=True)
class RealText:
    """Prompts that edges are cut on, what makes their classes, and the document of every position."""

    prompts: Int[ndarray, "prompt pos"]
    vocabulary: Vocabulary
    window: int
    documents: Int[ndarray, "prompt pos"]

    def contexts(self) -> Iterator[Context]:
        """Yield what the predicates look at, prompt by prompt."""
        return prompt_contexts(self.prompts, self.vocabulary, self.window)


def read_real_text(path: Path | str, count: int, vocabulary: Vocabulary, window: int) -> RealText:
    """Read the first prompts of a study, and the documents that they are from.

    Raises:
        PolyheadError: the file is missing or damaged.
    """
    prompts = read_prompts(path, count=count)
    return RealText(prompts, vocabulary, window, read_clustering(path, count).dense(*prompts.shape))


def counted(positions: int) -> slice:
    """Return the destinations that count: from `FIRST` on, those with a next token; maybe none."""
    return slice(FIRST, max(FIRST, positions - 1))


@dataclass(frozen=True)
class Survey:
    """What a survey found about some heads, over all prompts.

    `dominating` is the class of each row that counts, `NONE` where no class dominates or the row does not
    count; `uniform` the share of rows that each class would dominate if attention were uniform. `mass` (on
    each class) and `entropy` (nats) are means over the rows that count, `output` (the mean of `z`) over
    destinations from `FIRST` on. `lines` says whether any token of the prompts breaks a line.
    """

    heads: tuple[Head, ...]
    dominating: UInt8[ndarray, "head prompt pos"]
    uniform: Float[ndarray, " class"]
    mass: Float[ndarray, "head class"]
    entropy: Float[ndarray, " head"]
    output: Float[ndarray, "head d_head"]
    lines: bool

    def rows(self, head: Head, name: str) -> Bool[ndarray, "prompt pos"]:
        """Return the rows of a head that a class dominates; with `all`, every row that counts."""
        if name == ALL:
            rows = np.zeros_like(self.dominating[0], bool)
            rows[:, counted(rows.shape[1])] = True
            return rows
        return self.dominating[self.heads.index(head)] == CLASSES.index(name)

    def share(self, head: Head, name: str) -> float:
        """Return the share of a head's rows that a class dominates; NaN where no row counts."""
        every = int(self.rows(head, ALL).sum())
        return float(self.rows(head, name).sum() / every) if every else float("nan")

    def mean_of(self, head: Head) -> Float[ndarray, " d_head"]:
        """Return a head's mean output."""
        return self.output[self.heads.index(head)]


@torch.inference_mode()
def survey(model: Model, prompts: Iterable[Context], heads: Sequence[Head]) -> Survey:
    """Run the model once over all prompts, up to the highest layer asked for."""
    heads, codes, uniform, means, lines = tuple(sorted(heads)), [], [], [], False
    for context in prompts:
        classes, rows = torch.from_numpy(class_matrix(context)).long(), counted(len(context.tokens))
        masses, entropy, z = _prompt_parts(model, context, heads, classes)
        codes.append(np.full(masses.shape[:2], NONE, np.uint8))
        codes[-1][:, rows] = dominating(masses[:, rows])
        uniform.append(dominating(uniform_masses(classes)[rows]))
        means.append([row_mean(side) for side in (masses[:, rows], entropy[:, rows], z[:, FIRST:])])
        lines = lines or bool((context.indent >= 0).any())
    mass, entropy, output = (np.mean(values, 0).astype(np.float32) for values in zip(*means, strict=True))
    found = np.concatenate(uniform)
    shares = np.bincount(found, minlength=len(CLASSES))[: len(CLASSES)] / max(1, len(found))
    return Survey(heads, np.stack(codes, 1), shares, mass, entropy, output, lines)


def uniform_masses(classes: Int[Tensor, "dest src"]) -> Float[ndarray, "dest class"]:
    """Return the mass of uniform attention: the share of each class among the sources that a row sees."""
    visible = mass_by_class(torch.ones(classes.shape).tril(), classes).numpy()
    return visible / visible.sum(-1, keepdims=True)


def row_mean(values: Float[ndarray, "head row *column"]) -> Float[ndarray, head * column]:
    """Return the mean over rows; 0 where there are none."""
    return values.sum(1, dtype=np.float64) / max(1, values.shape[1])


def _prompt_parts(
    model: Model, context: Context, heads: Sequence[Head], classes: Int[Tensor, "dest src"]
) -> tuple[Float[ndarray, "head pos class"], Float[ndarray, "head pos"], Float[ndarray, "head pos d_head"]]:
    """Return masses by class, entropy (nats) and output `z` of sorted heads, at every row of one prompt."""
    residual = model.residual_before(0, torch.from_numpy(context.tokens).long()[None])
    codes, parts = classes.to(residual.device), []
    for depth in range(heads[-1].layer + 1):
        if here := [head.number for head in heads if head.layer == depth]:
            pattern, values = (side[0] for side in model.layers[depth].read(residual, here))
            by_class = torch.stack([mass_by_class(rows, codes) for rows in pattern])
            parts.append((by_class, torch.special.entr(pattern).sum(-1), pattern @ values))
        if depth < heads[-1].layer:
            residual = model.layers[depth](residual)
    masses, entropies, outputs = (torch.cat(side).cpu().numpy() for side in zip(*parts, strict=True))
    return masses, entropies, outputs


def mass_by_class(
    pattern: Float[Tensor, "dest src"], codes: Int[Tensor, "dest src"]
) -> Float[Tensor, "dest class"]:
    """Return each row's mass on each class."""
    return pattern.new_zeros(len(pattern), len(CLASSES)).scatter_add_(1, codes, pattern)


def drawn(
    rows: Bool[ndarray, "prompt pos"], first: int, later: int, seed: int
) -> tuple[Bool[ndarray, "prompt pos"], Bool[ndarray, "prompt pos"]]:
    """Return at most so many of the rows for a first look, and others for a later one.

    Both are spread evenly over the text: every k-th row, from a random start.
    """
    rng, places = np.random.default_rng(seed), np.flatnonzero(rows)
    both = every_kth(places, first + later, rng)
    now = every_kth(both, first, rng)
    sides = np.zeros((2, rows.size), bool)
    sides[0, now] = sides[1, np.setdiff1d(both, now)] = True
    return sides[0].reshape(rows.shape), sides[1].reshape(rows.shape)


def every_kth(places: Int[ndarray, " _"], most: int, rng: np.random.Generator) -> Int[ndarray, " _"]:
    """Return at most so many of the places, evenly spaced from a random start."""
    if len(places) <= most:
        return places
    return places[((np.arange(most) + rng.random()) * len(places) / most).astype(int)]
