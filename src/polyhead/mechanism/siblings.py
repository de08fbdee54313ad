"""Does it take one head? Which others do the same on the same rows, and what they are worth together.

On the rows of one kind (a label, or a class of edges that dominates) another head is a *sibling* when its own
rows are of that kind at `LEAST_SHARED` of the same destinations or more. Siblings are chosen on half of the
documents; what is said of them is measured on the others.

At a destination a head's row is ablated: something neutral takes the place of what it mixes there. If heads
stand in for each other, ablating all of them costs more than the sum of what each alone costs. Where one of
them is above another, its output is replaced all the same, whatever the ablation below does to its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, Int16
from numpy import ndarray
from torch import Tensor

from polyhead.ablation.edge_costs import Fill, log_probability
from polyhead.ablation.edge_profile import sums_by_cluster
from polyhead.ablation.edge_survey import RealText, counted, thinned
from polyhead.attention.behaviours import sparse_atoms
from polyhead.intervals import ratio_table
from polyhead.mechanism.kinds import Naming, row_codes, speaks
from polyhead.mechanism.measure import LEAST_SHARE, Report
from polyhead.model.head import Head, all_heads
from polyhead.model.protocol import AblationModel, Held

LEAST_SHARED = 0.5
MOST_SIBLINGS = 5
MOST_ROWS = 300
"""Rows of one kind at which heads are ablated, at most; drawn at random."""
FILLS = (Fill.MEAN, Fill.BOS)
SUM, TOGETHER, BEYOND = "sum", "together", "beyond"
ROW = ["taxonomy", "label", "rows", "documents"]
SHARED_COLUMNS = [*ROW, "head", "chosen", "share_chosen_on", "share", "low", "high", "share_of_all"]
COST_COLUMNS = [*ROW, "siblings", "ablated", "method", "cost", "low", "high", "measured"]

Tokens = Int[Tensor, " pos"]
Rows = Bool[ndarray, "prompt pos"]
Group = frozenset[Head]


@dataclass(frozen=True)
class Named:
    """Every row of every head by name: the code of its label in each naming, −1 where it does not count.

    `outputs` is each head's mean `z` over the rows that count.
    """

    heads: tuple[Head, ...]
    namings: tuple[Naming, ...]
    codes: Int16[ndarray, "naming head prompt pos"]
    outputs: dict[Head, Float[Tensor, " d_head"]]

    def rows(self, head: Head, naming: int, code: int) -> Rows:
        """Return the rows of a head that have a name."""
        return self.codes[naming, self.heads.index(head)] == code

    def kinds(self, head: Head) -> Iterator[tuple[int, int]]:
        """Yield naming and code of the behaviours that are common enough among a head's rows."""
        for number, naming in enumerate(self.namings):
            codes = self.codes[number, self.heads.index(head)]
            counts = np.bincount(codes[codes >= 0], minlength=len(naming.labels))
            for code, label in enumerate(naming.labels):
                if speaks(label) and counts[code] >= max(1.0, LEAST_SHARE * counts.sum()):
                    yield number, code


@torch.inference_mode()
def name_rows(
    model: AblationModel, text: RealText, namings: Sequence[Naming], report: Report = lambda done: None
) -> Named:
    """Run the model once over all prompts and name every row of every head."""
    heads, rows = tuple(all_heads(model.n_layers, model.n_heads)), counted(text.prompts.shape[1])
    codes = np.full((len(namings), len(heads), *text.prompts.shape), -1, np.int16)
    outputs = []
    for number, context in enumerate(text.contexts()):
        pairs, residual = sparse_atoms(context), model.residual_before(0, _tensor(context.tokens)[None])
        sums = []
        for depth, layer in enumerate(model.layers):
            pattern, values = layer.read(residual, list(range(model.n_heads)))
            here = slice(depth * model.n_heads, (depth + 1) * model.n_heads)
            codes[:, here, number, rows] = row_codes(pattern[0], pairs, namings, rows)
            sums.append((pattern[0, :, rows] @ values[0]).sum(1))
            residual = layer(residual)
        outputs.append(torch.cat(sums))
        report(number + 1)
    mean = torch.stack(outputs).sum(0) / max(1, int((codes[0, 0] >= 0).sum()))
    return Named(heads, tuple(namings), codes, dict(zip(heads, mean, strict=True)))


def _tensor(tokens: Int[ndarray, " pos"]) -> Tokens:
    return torch.from_numpy(tokens).long()


@dataclass(frozen=True)
class Halves:
    """Rows by the half that their document is in: siblings are chosen on one, measured on the other."""

    documents: Int[ndarray, "prompt pos"]
    measuring: Rows

    @classmethod
    def drawn(cls, documents: Int[ndarray, "prompt pos"], seed: int) -> Halves:
        """Draw half of the documents."""
        order = np.random.default_rng(seed).permutation(int(documents.max()) + 1)
        return cls(documents, (order % 2 == 0)[documents])


@dataclass(frozen=True)
class Kind:
    """Rows of one kind of a head, and its siblings there, the one that shares most of them first."""

    naming: int
    code: int
    rows: Rows
    siblings: tuple[Head, ...]


def shared_rows(
    named: Named, head: Head, halves: Halves, n_resamples: int, seed: int
) -> tuple[list[Kind], pd.DataFrame]:
    """Find the siblings of a head, for each kind of its rows.

    Returns:
        The kinds; and for each of them and every other head: taxonomy, label, rows (of the measuring half),
        documents, head (the other), chosen (as a sibling), share_chosen_on (of the kind's rows on which the
        other head's row is of that kind too, in the choosing half), share (the same in the measuring half)
        with low and high (bootstrap over documents), share_of_all (of all the other head's rows there).
    """
    kinds, tables = [], []
    others = [place for place, other in enumerate(named.heads) if other != head]
    for number, code in named.kinds(head):
        own = named.rows(head, number, code)
        same = named.codes[number][others] == code
        choosing, rows = own & ~halves.measuring, own & halves.measuring
        chosen_on = _share(same, choosing)
        best = [place for place in np.argsort(-chosen_on, kind="stable") if chosen_on[place] >= LEAST_SHARED]
        best = best[:MOST_SIBLINGS]
        heads = [named.heads[place] for place in others]
        kinds.append(Kind(number, code, rows, tuple(heads[place] for place in best)))
        found = _means(same[:, rows].T.astype(float), halves.documents[rows], n_resamples, seed)
        facts = _facts(named, kinds[-1], halves)
        tables.append(
            found.rename(columns={"mean": "share"}).assign(
                **facts,
                head=[str(other) for other in heads],
                chosen=np.isin(np.arange(len(heads)), best),
                share_chosen_on=chosen_on,
                share_of_all=_share(same, halves.measuring & (named.codes[number][others[:1]][0] >= 0)),
            )
        )
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=SHARED_COLUMNS)
    return kinds, table[SHARED_COLUMNS]


def _share(same: Bool[ndarray, "head prompt pos"], rows: Rows) -> Float[ndarray, " head"]:
    return same[:, rows].sum(1) / max(1, int(rows.sum()))


def _facts(named: Named, kind: Kind, halves: Halves) -> dict[str, object]:
    naming = named.namings[kind.naming]
    documents = len(np.unique(halves.documents[kind.rows]))
    return dict(
        zip(ROW, [naming.name, naming.labels[kind.code], int(kind.rows.sum()), documents], strict=True)
    )


def _means(
    values: Float[ndarray, "row column"], documents: Int[ndarray, " row"], n_resamples: int, seed: int
) -> pd.DataFrame:
    """Return the mean of each column, with low and high by document."""
    if not len(values):
        return pd.DataFrame(np.nan, index=range(values.shape[1]), columns=["mean", "low", "high"])
    at = np.unique(documents, return_inverse=True)[1]
    sums, ones = (sums_by_cluster(some, at, int(at.max()) + 1) for some in (values, np.ones_like(values)))
    counts = np.full(values.shape[1], len(values))
    return ratio_table(sums, ones, counts, n_resamples, seed)[["mean", "low", "high"]]


@torch.inference_mode()
def joint_costs(
    model: AblationModel,
    tokens: Tokens,
    groups: Sequence[Group],
    group: Int[Tensor, " row"],
    dests: Int[Tensor, " row"],
    means: Mapping[Head, Float[Tensor, " d_head"]],
) -> Float[Tensor, "row method"]:
    """Return what ablating a group of heads at one destination costs (nats), for each of `FILLS`.

    `group` is the number of each row's group. Rows are in the order of the lowest layers of their groups.
    """
    clean = model.residual_before(0, tokens[None])
    dests, group = dests.to(clean.device), group.to(clean.device)
    at, of = (side.repeat_interleave(len(FILLS)) for side in (dests, group))
    start = torch.tensor([min(heads).layer for heads in groups], device=at.device)[of]
    streams, tokens = clean.new_empty(0, clean.shape[-1]), tokens.to(at.device)
    for depth in range(model.n_layers):
        count = int((start <= depth).sum())
        streams = torch.cat([streams, clean[0, at[len(streams) : count]]])
        held = list(_held(model, depth, clean, groups, of[:count], means))
        clean, streams = model.edits_beside(depth, clean, streams, at[:count], held=held)
    before = log_probability(model, clean[0, dests], tokens[dests + 1])
    return before[:, None] - log_probability(model, streams, tokens[at + 1]).view(-1, len(FILLS))


def _held(
    model: AblationModel,
    depth: int,
    clean: Float[Tensor, "1 pos d_model"],
    groups: Sequence[Group],
    of: Int[Tensor, " edit"],
    means: Mapping[Head, Float[Tensor, " d_head"]],
) -> Iterator[Held]:
    """Yield what takes the place of what the heads of a layer mix in the streams that ablate them."""
    here = sorted({head for heads in groups for head in heads if head.layer == depth})
    if not here or not len(of):
        return
    values = model.layers[depth].read(clean[:, :1], [head.number for head in here])[1][0]
    method = torch.arange(len(of), device=of.device) % len(FILLS)
    for place, head in enumerate(here):
        ablates = torch.tensor([head in heads for heads in groups], device=of.device)[of]
        instead = {Fill.MEAN: means[head].to(values), Fill.BOS: values[place, 0]}
        for number, fill in enumerate(FILLS):
            yield Held(head.number, instead[fill], ablates & (method == number))


def costs_together(
    model: AblationModel,
    text: RealText,
    named: Named,
    head: Head,
    kinds: Sequence[Kind],
    halves: Halves,
    *,
    n_resamples: int,
    seed: int,
    report: Report = lambda done: None,
) -> pd.DataFrame:
    """Ablate a head and its siblings, one by one and together, on rows of each kind.

    Columns: taxonomy, label, rows, documents (of the measuring half), siblings (joined by `+`), ablated (a
    head; `sum`: of the heads' costs; `together`: all of them at once; `beyond`: together minus sum), method
    (mean, bos), cost (nats) with low and high (bootstrap over documents), measured (rows). Without siblings
    there is the head's own line alone.
    """
    wanted = {
        (place, one): thinned(kind.rows, MOST_ROWS, seed)
        for place, kind in enumerate(kinds)
        for one in _groups(head, kind)
    }
    groups = sorted({one for _, one in wanted}, key=sorted)
    rows = np.zeros((len(groups), *text.prompts.shape), bool)
    for (_, one), some in wanted.items():
        rows[groups.index(one)] |= some
    costs = _measure(model, text, groups, rows, named.outputs, report)
    tables = []
    for place, kind in enumerate(kinds):
        some = wanted[place, frozenset({head})]
        values = costs[:, [groups.index(one) for one in _groups(head, kind)]][..., some]
        facts = _facts(named, kind, halves) | {"siblings": "+".join(map(str, kind.siblings))}
        tables.append(
            _cost_lines(values, head, kind, halves.documents[some], n_resamples, seed).assign(**facts)
        )
    return (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COST_COLUMNS))[
        COST_COLUMNS
    ]


def _groups(head: Head, kind: Kind) -> list[Group]:
    """Return each head alone, then all of them."""
    every = (head, *kind.siblings)
    return [frozenset({one}) for one in every] + ([frozenset(every)] if kind.siblings else [])


def _measure(
    model: AblationModel,
    text: RealText,
    groups: Sequence[Group],
    rows: Bool[ndarray, "group prompt pos"],
    means: Mapping[Head, Float[Tensor, " d_head"]],
    report: Report,
) -> Float[ndarray, "method group prompt pos"]:
    """Return the cost of every wanted row; NaN where none is wanted."""
    costs = np.full((len(FILLS), *rows.shape), np.nan, np.float32)
    for number, tokens in enumerate(text.prompts):
        group, dests = np.nonzero(rows[:, number])
        if len(dests):
            found = joint_costs(
                model, _tensor(tokens), groups, torch.from_numpy(group), torch.from_numpy(dests), means
            )
            costs[:, group, number, dests] = found.T.cpu().numpy()
        report(number + 1)
    return costs


def _cost_lines(
    costs: Float[ndarray, "method group row"],
    head: Head,
    kind: Kind,
    documents: Int[ndarray, " row"],
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Return a line for every head, for their sum, all together, and what that is beyond the sum."""
    names, values = [str(one) for one in (head, *kind.siblings)], costs
    if kind.siblings:
        each, together = costs[:, :-1].sum(1), costs[:, -1]
        values = np.concatenate([costs[:, :-1], np.stack([each, together, together - each], 1)], 1)
        names = [*names, SUM, TOGETHER, BEYOND]
    lines = pd.MultiIndex.from_product([FILLS, names], names=["method", "ablated"]).to_frame(index=False)
    found = _means(values.reshape(len(lines), -1).T.astype(float), documents, n_resamples, seed)
    return lines.assign(cost=found["mean"], low=found["low"], high=found["high"], measured=len(documents))
