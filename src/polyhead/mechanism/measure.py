"""Two passes over a text: one for the mean of each component, one for what the head makes of them.

The second pass gives two tables by edge class: which pairs of components the head's scores come from
(`scores.csv`), and how many rows the class still dominates when one component is replaced (`needs.csv`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from torch import Tensor

from polyhead.edges.classes import CLASSES, NO_CLASS, class_matrix, dominating
from polyhead.edges.survey import RealText, counted
from polyhead.mechanism.replacement import pattern, read_streams, replaced_inputs, replaced_patterns
from polyhead.mechanism.scores import about_means, contrast, contributions, head_inputs
from polyhead.model.components import BIAS, POS, QKV, DecomposableModel, Grouping, HeadReader, StreamParts
from polyhead.model.decomposition import InexactError, decomposable
from polyhead.model.head import Head
from polyhead.model.protocol import Model
from polyhead.model.vocabulary import ALL
from polyhead.stats import ratio_table

LEAST_SHARE = 0.01
"""Classes that dominate a smaller share of the head's rows are left out."""
SCORES = ["edges", "query", "key", "contribution", "contribution_low", "contribution_high"]
NEEDS = ["edges", "component", "side", "share_clean", "share", "share_low", "share_high"]


@dataclass(frozen=True)
class Mechanism:
    """The tables `scores.csv` and `needs.csv` of one head, or the reason why they are empty."""

    scores: pd.DataFrame
    needs: pd.DataFrame
    reason: str = ""


@torch.inference_mode()
def mechanism(
    model: Model,
    head: Head,
    text: RealText,
    components: Grouping = "heads",
    *,
    n_resamples: int,
    seed: int,
) -> Mechanism:
    """Take the scores of a head apart, and replace each component in its query and in its key.

    Returns:
        scores: edges (a class), query, key (components beyond their means, which `bias` has; or `all`: their
            sum), contribution (mean over the rows that the class dominates), with its interval.
        needs: edges (a class or `none`), component, side (query or key), share_clean and share (of the
            head's rows that the class dominates; as the head is, and with the component replaced), with the
            interval of the latter.
        Both are empty where the scores of this architecture cannot be taken apart exactly.
    """
    try:
        apart = HeadOnText(decomposable(model, head.layer), head, text, components)
    except InexactError as error:
        return Mechanism(pd.DataFrame(columns=SCORES), pd.DataFrame(columns=NEEDS), str(error))
    means, sums = apart.means(), None
    for one in apart.prompts():
        sums = sums or Sums.empty(int(text.documents.max()) + 1, one.stream.names)
        sums.add(one, means, apart.reader)
    assert sums is not None
    return Mechanism(sums.scores(n_resamples, seed), sums.needs(n_resamples, seed))


@dataclass(frozen=True)
class OnePrompt:
    """One prompt as the head reads it; rows are those that count."""

    stream: StreamParts
    clean: QKV
    hidden: Bool[Tensor, "dest src"]
    classes: Int[Tensor, "dest src"]
    documents: Int[ndarray, " row"]
    rows: slice

    def dominating(self, patterns: Float[Tensor, "pattern dest src"]) -> UInt8[ndarray, "pattern row"]:
        """Return the code of the class that dominates each row of some patterns."""
        rows = patterns[:, self.rows]
        masses = rows.new_zeros(*rows.shape[:2], len(CLASSES))
        masses.scatter_add_(-1, self.classes[self.rows].expand_as(rows), rows)
        return dominating(masses.cpu().numpy())


@dataclass(frozen=True)
class HeadOnText:
    """A head of a model whose stream is taken apart into components, on a text."""

    model: DecomposableModel
    head: Head
    text: RealText
    components: Grouping

    @cached_property
    def reader(self) -> HeadReader:
        """How the head reads the stream."""
        return self.model.reader(*self.head)

    def prompts(self) -> Iterator[OnePrompt]:
        """Run the layers below the head on one prompt after the other."""
        rows = counted(self.text.prompts.shape[1])
        for context, documents in zip(self.text.contexts(), self.text.documents, strict=True):
            tokens = torch.from_numpy(context.tokens).long().to(self.model.device)
            stream = self.model.parts(tokens, self.head.layer, self.components)
            clean, hidden = read_streams(stream.whole, self.reader), self.reader.hidden(len(tokens))
            classes = torch.from_numpy(class_matrix(context)).long().to(tokens.device)
            yield OnePrompt(stream, clean, hidden, classes, documents[rows], rows)

    def means(self) -> Float[Tensor, "component pos d_model"]:
        """Return the mean of every component but `bias` over prompts, at each position.

        The position embedding, which is the same in all prompts, has its mean over positions.
        """
        sums = torch.zeros(())
        for one in self.prompts():
            sums = sums.to(one.stream.parts) + one.stream.parts[:-1]
        means = sums / len(self.text.prompts)
        if POS in one.stream.names:
            place = one.stream.names.index(POS)
            means[place] = means[place, 1:].mean(0)
        return means


@dataclass(frozen=True)
class Sums:
    """Sums over rows, by document and by the class that dominates the row.

    `pairs` are contributions to scores, over `compared` rows: those that see a source of the class and
    another one. `runs` counts rows: first of the head as it is, then with each component replaced in the
    query, then in the key.
    """

    names: tuple[str, ...]
    pairs: Float[ndarray, "document class pair"]
    compared: Int[ndarray, "document class"]
    runs: Int[ndarray, "document class_or_none run"]

    @classmethod
    def empty(cls, documents: int, names: tuple[str, ...]) -> Sums:
        """Start at zero."""
        pairs = np.zeros((documents, len(CLASSES), len(names) ** 2), np.float32)
        runs = np.zeros((documents, len(CLASSES) + 1, 2 * len(names) - 1), np.int64)
        return cls(names, pairs, np.zeros(pairs.shape[:2], np.int64), runs)

    def add(self, one: OnePrompt, means: Float[Tensor, "component pos d_model"], reader: HeadReader) -> None:
        """Add the rows of one prompt."""
        clean = pattern(one.clean.query, one.clean.key, one.hidden)[None]
        replaced = replaced_patterns(one.clean, replaced_inputs(one.stream, reader, means), one.hidden)
        codes = np.concatenate([one.dominating(some) for some in (clean, *replaced)])
        run = np.arange(len(codes))[:, None]
        np.add.at(self.runs, (one.documents, codes, run), 1)
        self._add_pairs(one, codes[0], means, reader)

    def _add_pairs(
        self, one: OnePrompt, codes: UInt8[ndarray, " row"], means: Tensor, reader: HeadReader
    ) -> None:
        inputs = head_inputs(about_means(one.stream, means), reader)
        scores, visible = one.clean.query[one.rows] @ one.clean.key.mT, ~one.hidden[one.rows]
        of_class = one.classes[one.rows] == torch.from_numpy(codes).to(visible.device)[:, None]
        use = (of_class & visible).any(1) & (~of_class & visible).any(1)
        weights = contrast(scores[use], of_class[use], visible[use])
        found = contributions(inputs.query[:, one.rows][:, use], inputs.key, weights).flatten(1)
        at = one.documents[use.cpu().numpy()], codes[use.cpu().numpy()]
        np.add.at(self.pairs, at, found.cpu().numpy())
        np.add.at(self.compared, at, 1)

    def common(self) -> list[tuple[int, str]]:
        """Return code and name of the classes that dominate enough of the head's rows."""
        shares = self.runs[..., 0].sum(0) / max(1, self.runs[..., 0].sum())
        names = enumerate((*CLASSES, NO_CLASS))
        return [(code, name) for code, name in names if shares[code] >= LEAST_SHARE]

    def scores(self, n_resamples: int, seed: int) -> pd.DataFrame:
        """Return the table of contributions; a class without a row that can be compared has no lines."""
        names = [*self.names, ALL]
        pairs = pd.DataFrame([(q, k) for q in names for k in names], columns=["query", "key"])
        parts = []
        for code, name in self.common():
            if name != NO_CLASS and self.compared[:, code].any():
                sums = with_totals(self.pairs[:, code], len(self.names))
                found = ratio_table("contribution", sums, self.compared[:, [code]], n_resamples, seed)
                parts.append(pairs.assign(edges=name).join(found))
        return stacked(parts, SCORES)

    def needs(self, n_resamples: int, seed: int) -> pd.DataFrame:
        """Return the table of shares."""
        inputs = [(name, side) for side in ("query", "key") for name in self.names if name != BIAS]
        every, parts = self.runs[:, :, 0].sum(1, keepdims=True), []
        for code, name in self.common():
            found = ratio_table("share", self.runs[:, code].astype(float), every, n_resamples, seed)
            lines = pd.DataFrame(inputs, columns=["component", "side"])
            lines = lines.assign(edges=name, share_clean=found["share"].iloc[0])
            parts.append(lines.join(found.iloc[1:].reset_index(drop=True)))
        return stacked(parts, NEEDS)


def stacked(parts: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Put tables one below the other; of none, an empty one."""
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def with_totals(
    pairs: Float[ndarray, "document pair"], components: int
) -> Float[ndarray, "document pair_or_total"]:
    """Add to the pairs of components the sums over either and over both."""
    square = pairs.reshape(-1, components, components)
    square = np.concatenate([square, square.sum(-1, keepdims=True)], -1)
    square = np.concatenate([square, square.sum(-2, keepdims=True)], -2)
    return square.reshape(len(pairs), -1)
