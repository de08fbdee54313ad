"""Duplicates and near relatives: what is dropped, and what has to fall into one split."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from datasketch import MinHash, MinHashLSH
from jaxtyping import Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from training.corpus import Document
from training.recipe import CorpusRecipe


@dataclass(frozen=True)
class Sketched:
    """A document with the MinHash of its line pairs."""

    document: Document
    sketch: MinHash


def without_duplicates(documents: Iterable[Document], similarity: float, permutations: int) -> list[Sketched]:
    """Return the documents that are neither a copy of an earlier one nor about `similarity` alike to it.

    Similarity is the Jaccard index of the documents' sets of neighbouring line pairs, as MinHash
    with `permutations` permutations estimates it. A docstring goes with a module that is dropped.
    """
    seen: set[str] = set()
    kept: dict[str, Sketched] = {}
    index = MinHashLSH(threshold=similarity, num_perm=permutations)
    for document in documents:
        name = document.sha256
        if name in seen or (document.parent and document.parent not in kept):
            continue
        seen.add(name)
        sketch = sketch_of(document.text, permutations)
        if not index.query(sketch):
            index.insert(name, sketch)
            kept[name] = Sketched(document, sketch)
    return list(kept.values())


def sketch_of(text: str, permutations: int) -> MinHash:
    """Return the MinHash of a text's line pairs, blank lines and indentation left out."""
    sketch = MinHash(num_perm=permutations, hashfunc=zlib.crc32, seed=1)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    pairs = {f"{first}\n{second}".encode() for first, second in pairwise(lines)}
    sketch.update_batch(sorted(pairs) or [text.encode()])
    return sketch


def grouped(
    kept: list[Sketched], recipe: CorpusRecipe
) -> tuple[list[Document], Int[np.ndarray, " document"]]:
    """Return the documents, and for each the number of the first document of its cluster.

    A cluster is a connected component: two documents are linked that are at least `cluster_similarity` alike
    by their MinHash, and a docstring is linked to its module. An old document by which newer ones of both
    splits would be linked is left out.
    """
    documents, links = [one.document for one in kept], links_of(kept, recipe)
    split = np.array(splits(documents, components(links, documents, newer_only=True), recipe.held_out_one_in))
    old, joint = np.array([one.old for one in documents]), components(links, documents)
    both = np.intersect1d(joint[~old & (split == "train")], joint[~old & (split == "held_out")])
    stays = np.flatnonzero(~(old & np.isin(joint, both)))
    place = {number: new for new, number in enumerate(stays.tolist())}
    left = [(place[one], place[two]) for one, two in links if one in place and two in place]
    documents = [documents[number] for number in stays]
    return documents, components(left, documents)


def links_of(kept: list[Sketched], recipe: CorpusRecipe) -> list[tuple[int, int]]:
    """Return the pairs of documents that must not be parted."""
    numbers = {one.document.sha256: number for number, one in enumerate(kept)}
    parents = [(numbers[p], number) for number, one in enumerate(kept) if (p := one.document.parent)]
    return [*parents, *alike(kept, recipe.cluster_similarity, recipe.permutations)]


def components(
    links: list[tuple[int, int]], documents: list[Document], newer_only: bool = False
) -> Int[np.ndarray, " document"]:
    """Return for each document the number of the first document that links lead to.

    With `newer_only` links of old documents do not count.
    """
    counted = [pair for pair in links if not (newer_only and any(documents[one].old for one in pair))]
    first, second = np.array(counted, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(documents), len(documents)))
    _, component = connected_components(graph, directed=False)
    return np.unique(component, return_index=True)[1][component]


def alike(kept: list[Sketched], similarity: float, permutations: int) -> Iterable[tuple[int, int]]:
    """Yield every pair of documents at least so much alike, by their MinHash.

    Bands of two hashes bring together 99.6 % of pairs that are 0.4 alike, with 64 permutations.
    """
    index = MinHashLSH(num_perm=permutations, params=(permutations // 2, 2))
    for number, one in enumerate(kept):
        for other in index.query(one.sketch):
            if one.sketch.jaccard(kept[other].sketch) >= similarity:
                yield other, number
        index.insert(number, one.sketch)


def splits(
    documents: list[Document], clusters: Int[np.ndarray, " document"], held_out_one_in: int
) -> list[str]:
    """Return the split of each document: that of its cluster, by the smallest hash of its documents' texts.

    So it depends on what is in the cluster, and not on the order of documents or on who ships them. Old
    documents do not count where there are others: they change no other document's split.
    """
    smallest: dict[int, tuple[bool, str]] = {}
    for document, cluster in zip(documents, clusters.tolist(), strict=True):
        key = (document.old, document.sha256)
        smallest[cluster] = min(key, smallest.get(cluster, key))
    held_out = {cluster: int(name[:12], 16) % held_out_one_in == 0 for cluster, (_, name) in smallest.items()}
    return ["held_out" if held_out[cluster] else "train" for cluster in clusters.tolist()]
