"""Tables of how a head does it: one line for every pair, input or quantity, with intervals over documents."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from polyhead.mechanism.kinds import UNNAMED
from polyhead.mechanism.means import Estimates
from polyhead.mechanism.measure import WRITTEN, Found
from polyhead.model.components import BIAS
from polyhead.model.vocabulary import ALL

SIDES = ("query", "key", "value")
ROW = ["taxonomy", "label", "rows", "documents"]
SIDES_OF_INTERVAL = ["low", "high", "joint_low", "joint_high"]
TAKES, SPARES = 0.5, 0.1
"""Replacing an input takes a kind of rows away when it loses at least half of them, surely some; it spares a
kind that loses at most a tenth."""


def scores_table(found: Found) -> pd.DataFrame:
    """Return what every pair of components contributes to the scores of the sources that rows are named for.

    Columns: taxonomy, label, rows, documents, query, key (components beyond their means, which `bias` has; or
    `all`: their sum), contribution, low, high. Kinds that are named for no source have no lines.
    """
    names = [*found.names, BIAS]
    pairs = [(query, key) for query in (*names, ALL) for key in (*names, ALL)]
    estimates = with_sums(found.scores, len(names))
    table = _lines(found, estimates, pd.DataFrame(pairs, columns=["query", "key"]), ["low", "high"])
    return table.rename(columns={"mean": "contribution"}).dropna(subset="contribution").reset_index(drop=True)


def with_sums(pairs: Estimates, components: int) -> Estimates:
    """Add to the pairs of components the sums over either and over both."""

    def extended(values: np.ndarray) -> np.ndarray:
        square = values.reshape(*values.shape[:-1], components, components)
        square = np.concatenate([square, square.sum(-1, keepdims=True)], -1)
        square = np.concatenate([square, square.sum(-2, keepdims=True)], -2)
        return square.reshape(*values.shape[:-1], (components + 1) ** 2)

    return replace(pairs, means=extended(pairs.means), draws=extended(pairs.draws))


def _lines(found: Found, estimates: Estimates, columns: pd.DataFrame, sides: list[str]) -> pd.DataFrame:
    """Return a line for every kind and column: the kind, its rows, the column's names, mean, intervals."""
    found_sides = [*estimates.intervals(), *(estimates.joint() if "joint_low" in sides else ())]
    intervals = dict(zip(SIDES_OF_INTERVAL, found_sides, strict=False))
    parts = []
    for place, (taxonomy, label) in enumerate(found.kinds):
        facts = [taxonomy, label, int(estimates.rows[place]), int(estimates.documents[place])]
        part = columns.assign(mean=estimates.means[place])
        part = part.assign(**{side: intervals[side][place] for side in sides})
        parts.append(part.assign(**dict(zip(ROW, facts, strict=True))))
    order = [*ROW, *columns.columns, "mean", *sides]
    return pd.concat(parts, ignore_index=True)[order] if parts else pd.DataFrame(columns=order)


def needs_table(found: Found) -> pd.DataFrame:
    """Return what replacing each component on each side changes.

    Columns: taxonomy, label, rows, documents, component, side (query, key, value), share_clean, share (of the
    head's rows; query and key), effect_clean, effect (nats, of the head against its mean output, on rows of
    the kind; value), difference, low, high, joint_low, joint_high (for all lines of query and key, or of
    value, together), lost, lost_low, lost_high (share of the kind's rows that are lost; negative: gained).
    """
    inputs = [(name, side) for side in SIDES[:2] for name in found.names]
    lost = found.shares.lost(0)
    sides = (lost.means, *lost.intervals())
    columns = dict(
        zip(("lost", "lost_low", "lost_high"), (side[:, 1:].ravel() for side in sides), strict=True)
    )
    of_shares = _differences(found, found.shares, inputs, "share").assign(**columns)
    of_values = _differences(found, found.effects, [(name, SIDES[2]) for name in found.names], "effect")
    table = pd.concat([of_shares, of_values]).reindex(columns=NEEDS_COLUMNS)
    order = {kind: place for place, kind in enumerate(found.kinds)}
    rank = [order[kind] for kind in zip(table["taxonomy"], table["label"], strict=True)]
    return table.iloc[np.argsort(rank, kind="stable")].reset_index(drop=True)


NEEDS_COLUMNS = [*ROW, "component", "side", "share_clean", "share", "effect_clean", "effect", "difference"]
NEEDS_COLUMNS += [*SIDES_OF_INTERVAL, "lost", "lost_low", "lost_high"]


def _differences(
    found: Found, estimates: Estimates, inputs: list[tuple[str, str]], quantity: str
) -> pd.DataFrame:
    """Return the difference of every column from the first, with the value itself and the first's."""
    less = estimates.less(0)
    less = replace(less, means=less.means[:, 1:], draws=less.draws[:, :, 1:])
    columns = pd.DataFrame(inputs, columns=["component", "side"])
    table = _lines(found, less, columns, SIDES_OF_INTERVAL).rename(columns={"mean": "difference"})
    values = {
        f"{quantity}_clean": estimates.means[:, :1].repeat(len(inputs), 1),
        quantity: estimates.means[:, 1:],
    }
    return table.assign(**{name: of.ravel() for name, of in values.items()})


def written_table(found: Found) -> pd.DataFrame:
    """Return what the head adds to the logit of the token attended to most, and of the true next token.

    Columns: taxonomy, label, rows, documents, quantity (attended, next), logit (relative to the mean over the
    vocabulary), visible (the same for all tokens in view, on average), difference, low, high.
    """
    last = len(WRITTEN) - 1
    less = found.written.less(last)
    less = replace(less, means=less.means[:, :last], draws=less.draws[:, :, :last])
    table = _lines(found, less, pd.DataFrame({"quantity": WRITTEN[:last]}), ["low", "high"])
    means = found.written.means
    table = table.assign(logit=means[:, :last].ravel(), visible=means[:, last:].repeat(last, 1).ravel())
    table = table.rename(columns={"mean": "difference"})
    return table[[*ROW, "quantity", "logit", "visible", "difference", "low", "high"]]


def agreement_table(scores: pd.DataFrame, needs: pd.DataFrame) -> pd.DataFrame:
    """Say whether contributions predict what is lost: Spearman's rank correlation over inputs, by kind.

    An input is a component in the query or in the key: its contribution summed over the other side, against
    the share of rows that are lost when it is replaced. Columns: taxonomy, label, rows, documents, inputs,
    correlation.
    """
    lines = []
    for kind, lost in needs[needs["side"] != "value"].groupby(ROW, sort=False):
        of_kind = scores[(scores["taxonomy"] == kind[0]) & (scores["label"] == kind[1])]
        added = {
            side: of_kind[of_kind[other] == ALL].set_index(side)["contribution"]
            for side, other in (("query", "key"), ("key", "query"))
        }
        if of_kind.empty:
            continue
        contribution = [added[side][name] for name, side in zip(lost["component"], lost["side"], strict=True)]
        rank = spearmanr(contribution, -lost["difference"]).statistic
        lines.append([*kind, len(lost), float(rank)])
    return pd.DataFrame(lines, columns=[*ROW, "inputs", "correlation"])


DISSOCIATION_COLUMNS = ["taxonomy", "first", "first_input", "second", "second_input"]
DISSOCIATION_COLUMNS += ["first_by_first", "second_by_first", "first_by_second", "second_by_second"]


def dissociations(needs: pd.DataFrame) -> pd.DataFrame:
    """Find pairs of inputs that tell two kinds of rows apart: one takes the first away and spares the second.

    The other input does the reverse. An input takes a kind away when at least `TAKES` of its rows are lost,
    surely some (joint interval), and spares it when at most `SPARES` are lost. Of every two kinds the
    strongest pair is told: that whose smaller loss is the largest.

    Columns: taxonomy, first, first_input (`component side`), second, second_input, and the share of the rows
    of each that each input takes away: first_by_first, second_by_first, first_by_second, second_by_second.
    """
    some = needs[(needs["side"] != "value") & needs["low"].notna() & ~needs["label"].isin(UNNAMED)]
    some = some.assign(
        input=some["component"] + " " + some["side"],
        taken=(some["lost"] >= TAKES) & (some["joint_high"] < 0),
    )
    lines = [
        _strongest(of, first, second) | {"taxonomy": taxonomy}
        for taxonomy, of in some.groupby("taxonomy", sort=False)
        for first, second in combinations(of["label"].unique(), 2)
    ]
    table = pd.DataFrame(lines, columns=DISSOCIATION_COLUMNS).dropna(subset="first")
    smaller = table[["first_by_first", "second_by_second"]].min(axis=1)
    return table.iloc[np.argsort(-smaller.to_numpy(float), kind="stable")].reset_index(drop=True)


def _strongest(needs: pd.DataFrame, first: str, second: str) -> dict[str, object]:
    one, other = (needs[needs["label"] == name].set_index("input") for name in (first, second))
    of_one = one[one["taken"] & (other["lost"] <= SPARES)]["lost"]
    of_other = other[other["taken"] & (one["lost"] <= SPARES)]["lost"]
    if of_one.empty or of_other.empty:
        return {}
    a, b = of_one.idxmax(), of_other.idxmax()
    lost = [float(table["lost"][name]) for name in (a, b) for table in (one, other)]
    return dict(zip(DISSOCIATION_COLUMNS[1:], [first, a, second, b, *lost], strict=True))
