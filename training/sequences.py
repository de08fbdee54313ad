"""Tables of the corpus: documents with their provenance, and packed sequences ready to sample from."""

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from polyhead.training.corpus import Document
from polyhead.training.packing import Packed

NAMES = ["package", "version", "path", "licence", "sha256", "source_type", "old"]
PROVENANCE = ["id", *NAMES, "cluster", "split", "characters"]


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


def documents_table(
    documents: list[Document], clusters: Int[np.ndarray, " document"], held_out_one_in: int
) -> pa.Table:
    """Return one line per document: its provenance, its cluster and split and its text, numbered from 0."""
    return pa.table(
        {
            "id": pa.array(range(len(documents)), pa.int32()),
            **{name: [getattr(document, name) for document in documents] for name in NAMES},
            "cluster": pa.array(clusters, pa.int32()),
            "split": splits(documents, clusters, held_out_one_in),
            "characters": pa.array([len(document.text) for document in documents], pa.int32()),
            "text": [document.text for document in documents],
        }
    )


def sequences_table(packed: Packed, documents: pa.Table) -> pa.Table:
    """Return packed sequences as lists of tokens, each with the document that fills most of it.

    Line `id` of `documents` is document `id`. Columns: tokens; source ("package version path"), source_type
    and package of the main document; documents (ids of all, in order) and starts (where each begins).
    """
    main = documents.take(packed.main_documents())
    names = zip(*(main[name].to_pylist() for name in ("package", "version", "path")), strict=True)
    ends = pa.array(packed.first, pa.int32())
    return pa.table(
        {
            "tokens": pa.array(list(packed.tokens.astype(np.int32)), pa.list_(pa.int32())),
            "source": [" ".join(name) for name in names],
            "source_type": main["source_type"],
            "package": main["package"],
            "documents": pa.ListArray.from_arrays(ends, pa.array(packed.documents, pa.int32())),
            "starts": pa.ListArray.from_arrays(ends, pa.array(packed.starts, pa.int32())),
        }
    )


def sample_sequences(packed: Packed, count: int, seed: int) -> Packed:
    """Return a uniform sample of at most `count` sequences, in their order."""
    if count >= len(packed.tokens):
        return packed
    drawn = np.random.default_rng(seed).choice(len(packed.tokens), size=count, replace=False)
    return packed.take(np.sort(drawn))
