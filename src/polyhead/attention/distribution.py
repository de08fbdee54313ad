"""How labels are distributed: over all rows, and over the rows of single destination tokens.

Rows are read in chunks, and twice: first to count the labels, then to count them in every bootstrap draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.sparse import coo_array, csc_array

from polyhead.attention.labelled_rows import Chunks
from polyhead.model.vocabulary import ALL
from polyhead.prompts.clusters import Clustering, Clusterings
from polyhead.stats import BLOCK, LEAST_CLUSTERS, LEAST_ROWS, ClusterWeights, interval

COLUMNS = ["taxonomy", "token_label", "label", "rows", "share", "low", "high", "package_low", "package_high"]
FEWEST_TO_SELECT = 20
"""Rows that a destination token must have in the sample on which the tokens to show are chosen."""
LARGEST_PASS = 2048
"""How many pairs (group, label) have their bootstrap counts in memory at a time; more need another pass."""
ROWS_AT_ONCE = 2**20
"""Rows whose counts per cluster are in memory at a time."""

Groups = Callable[[pd.DataFrame], Int[ndarray, " row"]]
"""Maps the rows of a chunk to the numbers of their groups."""


def distribution(
    labels: Chunks,
    names: Sequence[str],
    taxonomies: Sequence[str],
    minimum: int,
    clusters: Clusterings,
    *,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Tabulate the share of every label with its interval, over all rows and for frequent destination tokens.

    Args:
        labels: prompt, position, token and one categorical column per taxonomy.
        names: label of every token id.
        taxonomies: columns to tabulate.
        minimum: destination tokens with fewer rows than this are left out.
        clusters: the document, and the package, of every row.
        n_resamples: bootstrap draws, of whole documents.
        seed: seed of the bootstrap.

    Returns:
        taxonomy, token_label (`all` or a label), label, rows, share, low, high (bootstrap over documents),
        package_low, package_high (over packages, where known). Tokens are sorted by falling frequency; labels
        that a token never has are left out. A token with fewer than 100 rows, or rows from fewer than 20
        documents (packages), has no interval: the sides are NaN.
    """
    return _tabulate(
        labels, names, destination_tokens, taxonomies, minimum, clusters, n_resamples=n_resamples, seed=seed
    )


def destination_tokens(chunk: pd.DataFrame) -> Int[ndarray, " row"]:
    """Return the destination tokens of a chunk's rows: one group per token."""
    return chunk["token"].to_numpy()


def distribution_by_source_type(
    labels: Chunks,
    source_types: pd.Series,
    taxonomies: Sequence[str],
    clusters: Clusterings,
    *,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Tabulate the share of every label by the type of the prompt's source.

    Args:
        labels: prompt, position, token and one categorical column per taxonomy.
        source_types: type of every prompt's source (code, prose …), by prompt number.
        taxonomies: columns to tabulate.
        clusters: the document, and the package, of every row.
        n_resamples: bootstrap draws, of whole documents.
        seed: seed of the bootstrap.

    Returns:
        taxonomy, source_type (`all`, then types by falling frequency), label, rows, share, and the intervals
        as `distribution` has them.
    """
    source_types = source_types.astype("category")
    codes, names = source_types.cat.codes, list(source_types.cat.categories)

    def type_of(chunk: pd.DataFrame) -> Int[ndarray, " row"]:
        return codes.loc[chunk["prompt"]].to_numpy()

    table = _tabulate(labels, names, type_of, taxonomies, 1, clusters, n_resamples=n_resamples, seed=seed)
    return table.rename(columns={"token_label": "source_type"})


def _tabulate(
    labels: Chunks,
    names: Sequence[str],
    group_of: Groups,
    taxonomies: Sequence[str],
    minimum: int,
    clusters: Clusterings,
    *,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    sides = {"low high": clusters.documents, "package_low package_high": clusters.packages}
    weights = {name: ClusterWeights(one.count, n_resamples, seed) for name, one in sides.items() if one}
    enough = {name: enough_clusters(labels, group_of, len(names), one) for name, one in sides.items() if one}
    parts = []
    for taxonomy in taxonomies:
        counts, label_names = count_labels(labels, taxonomy, group_of, len(names))
        for groups in _passes(counts, minimum):
            part = _shares(counts, groups, label_names).assign(taxonomy=taxonomy)
            columns, group = _columns(counts, groups), part["group"].to_numpy()
            for name, one in sides.items():
                part[name.split()] = np.nan
                if one:
                    drawn = draw_counts(labels, taxonomy, group_of, columns, one, weights[name])
                    sure = enough[name][group] & (counts[group].sum(1) >= LEAST_ROWS)
                    part.loc[sure, name.split()] = share_intervals(drawn, group)[:, sure].T
            parts.append(part.assign(token_label=np.array([*names, ALL], object)[group]))
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def count_labels(
    labels: Chunks, taxonomy: str, group_of: Groups, groups: int
) -> tuple[Int[ndarray, "group label"], pd.Index]:
    """Count the rows of every group and label, and return the labels too; the last group holds all rows."""
    counts: ndarray | int = 0
    names = pd.Index([])
    for chunk in labels():
        names = chunk[taxonomy].cat.categories
        place = group_of(chunk).astype(np.int64) * len(names) + chunk[taxonomy].cat.codes.to_numpy()
        counts = counts + np.bincount(place, minlength=groups * len(names)).reshape(groups, -1)
    return np.vstack([counts, np.sum(counts, 0)]), names


def enough_clusters(
    labels: Chunks, group_of: Groups, groups: int, clusters: Clustering
) -> Bool[ndarray, " group"]:
    """Return whether the rows of each group come from enough clusters; the last group holds all rows."""
    seen: list[set[int]] = [set() for _ in range(groups + 1)]
    for chunk in labels():
        group, cluster = group_of(chunk), _clusters_of(chunk, clusters)
        both = np.append(group, np.full(len(group), groups)), np.tile(cluster, 2)
        pairs = np.unique(np.stack(both), axis=1)
        open_ = np.array([len(some) < LEAST_CLUSTERS for some in seen])
        for one, other in pairs[:, open_[pairs[0]]].T.tolist():
            seen[one].add(other)
    return np.array([len(some) >= LEAST_CLUSTERS for some in seen])


def draw_counts(
    labels: Chunks,
    taxonomy: str,
    group_of: Groups,
    columns: Int[ndarray, "group label"],
    clusters: Clustering,
    weights: ClusterWeights,
) -> Float[ndarray, "column draw"]:
    """Count the rows of every pair (group, label) in every bootstrap draw.

    Args:
        labels: as for `distribution`.
        taxonomy: the column of labels.
        group_of: maps rows to groups.
        columns: for every pair its place in the result, or −1 to leave it out.
        clusters: the cluster of every row.
        weights: how often each cluster occurs in each draw.
    """
    drawn = np.zeros((columns.max() + 1, weights.n_resamples), np.float32)
    for counts in _counts_by_cluster(labels, taxonomy, group_of, columns, clusters):
        for block, size in enumerate(weights.sizes):
            drawn += counts[:, block * BLOCK : block * BLOCK + size] @ weights.block(block)
    return drawn


def _counts_by_cluster(
    labels: Chunks,
    taxonomy: str,
    group_of: Groups,
    columns: Int[ndarray, "group label"],
    clusters: Clustering,
) -> Iterator[csc_array]:
    """Yield the counts of every pair in every cluster, of some rows at a time."""
    shape = columns.max() + 1, clusters.count
    counts, rows = csc_array(shape, dtype=np.float32), 0
    for chunk in labels():
        codes = chunk[taxonomy].cat.codes.to_numpy()
        column = np.concatenate([columns[group_of(chunk), codes], columns[-1, codes]])
        cluster, kept = np.tile(_clusters_of(chunk, clusters), 2), column >= 0
        ones = np.ones(np.count_nonzero(kept), np.float32)
        counts = counts + coo_array((ones, (column[kept], cluster[kept])), shape).tocsc()
        rows += len(chunk)
        if rows >= ROWS_AT_ONCE:
            yield counts
            counts, rows = csc_array(shape, dtype=np.float32), 0
    yield counts


def _clusters_of(chunk: pd.DataFrame, clusters: Clustering) -> Int[ndarray, " row"]:
    return clusters.of(chunk["prompt"].to_numpy(), chunk["position"].to_numpy())


def _passes(counts: Int[ndarray, "group label"], minimum: int) -> Iterator[list[int]]:
    """Yield batches of groups: first the group of all rows, then the frequent ones by falling frequency."""
    rows, labels = counts[:-1].sum(1), np.count_nonzero(counts, axis=1)
    frequent = [int(k) for k in np.argsort(-rows, kind="stable") if rows[k] >= minimum]
    groups: list[int] = []
    drawn = 0
    for group in [len(rows), *frequent]:
        if groups and drawn + labels[group] > LARGEST_PASS:
            yield groups
            groups, drawn = [], 0
        groups.append(group)
        drawn += labels[group]
    yield groups


def _columns(counts: Int[ndarray, "group label"], groups: list[int]) -> Int[ndarray, "group label"]:
    """Number the pairs (group, label) that occur in these groups, group by group; all other pairs get −1."""
    columns = np.full(counts.shape, -1)
    group, label = np.nonzero(counts[groups])
    columns[np.array(groups)[group], label] = np.arange(len(group))
    return columns


def _shares(counts: Int[ndarray, "group label"], groups: list[int], names: pd.Index) -> pd.DataFrame:
    """Return group, label, rows and share of the pairs that occur in some groups, ordered as `_columns`."""
    place, label = np.nonzero(counts[groups])
    group = np.array(groups)[place]
    rows = counts[group, label]
    lines = {"group": group, "label": names[label], "rows": rows, "share": rows / counts[group].sum(1)}
    return pd.DataFrame(lines)


def share_intervals(
    drawn: Float[ndarray, "pair draw"], group: Int[ndarray, " pair"]
) -> Float[ndarray, "side pair"]:
    """Return the 95 % percentile interval (low, high) of each label's share of its group's rows.

    Pairs of a group stand together. Draws in which no row of a group occurs have no share and are left out.
    """
    firsts = np.flatnonzero(np.diff(group, prepend=-1))
    totals = np.repeat(np.add.reduceat(drawn, firsts), np.diff(firsts, append=len(group)), axis=0)
    with np.errstate(invalid="ignore"):
        return interval(drawn / totals)


def shown_tokens(
    table: pd.DataFrame, named: Sequence[str], frequent: int, unlike: int, taxonomy: str
) -> list[str]:
    """Choose the destination tokens of a figure: those named, the most frequent, and those most unlike `all`.

    Unlike is measured by the total variation distance between a token's shares and those of all rows.
    """
    shares = table[table["taxonomy"] == taxonomy].pivot_table(
        index="token_label", columns="label", values="share", fill_value=0.0, observed=True, sort=False
    )
    distance = (shares - shares.loc[ALL]).abs().sum(1) / 2
    others = [name for name in shares.index if name != ALL]
    chosen = [name for name in named if name in others]
    chosen += [name for name in others if name not in chosen][:frequent]
    rest = [name for name in others if name not in chosen]
    chosen += sorted(rest, key=lambda name: (-distance[name], name))[:unlike]
    return [ALL, *chosen]
