"""Duplicates: the first of several equal or nearly equal documents stays."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import pairwise

from datasketch import MinHash, MinHashLSH

from polyhead.reference.corpus import Document


def without_duplicates(
    documents: Iterable[Document], similarity: float, permutations: int
) -> Iterator[Document]:
    """Yield the documents that are neither a copy of an earlier one nor about `similarity` alike to it.

    Similarity is the Jaccard index of the documents' sets of neighbouring line pairs, as MinHash
    with `permutations` permutations estimates it.
    """
    seen: set[str] = set()
    index = MinHashLSH(threshold=similarity, num_perm=permutations)
    for document in documents:
        if document.sha256 in seen:
            continue
        seen.add(document.sha256)
        sketch = sketch_of(document.text, permutations)
        if not index.query(sketch):
            index.insert(document.sha256, sketch)
            yield document


def sketch_of(text: str, permutations: int) -> MinHash:
    """Return the MinHash of a text's line pairs, blank lines and indentation left out."""
    sketch = MinHash(num_perm=permutations, hashfunc=zlib.crc32, seed=1)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    pairs = {f"{first}\n{second}".encode() for first, second in pairwise(lines)}
    sketch.update_batch(sorted(pairs) or [text.encode()])
    return sketch
