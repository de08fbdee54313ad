"""Tables of the corpus: documents with their provenance, and packed rows ready to sample from."""

import numpy as np
import pyarrow as pa

from polyhead.reference.corpus import Document, split_of
from polyhead.reference.packing import PackedRows, main_document

PROVENANCE = ["id", "package", "version", "path", "licence", "sha256", "kind", "split", "characters"]


def documents_table(documents: list[Document], held_out_one_in: int) -> pa.Table:
    """Return one line per document: its provenance, its split and its text, numbered from 0."""
    return pa.table(
        {
            "id": pa.array(range(len(documents)), pa.int32()),
            **{
                name: [getattr(document, name) for document in documents]
                for name in ("package", "version", "path", "licence", "sha256", "kind")
            },
            "split": [split_of(document, held_out_one_in) for document in documents],
            "characters": pa.array([len(document.text) for document in documents], pa.int32()),
            "text": [document.text for document in documents],
        }
    )


def rows_table(packed: PackedRows, documents: pa.Table) -> pa.Table:
    """Return packed rows as lists of tokens, each with the document that fills most of it.

    `packed.documents` indexes `documents`; columns: tokens, source ("package version path"), kind,
    documents (ids of all of a row's documents, in order).
    """
    main = documents.take([main_document(owners) for owners in packed.documents])
    names = zip(*(main[name].to_pylist() for name in ("package", "version", "path")), strict=True)
    ids = documents["id"].to_numpy()
    present = [ids[_in_order(owners)] for owners in packed.documents]
    return pa.table(
        {
            "tokens": pa.array(list(packed.tokens.astype(np.int32)), pa.list_(pa.int32())),
            "source": [" ".join(name) for name in names],
            "kind": main["kind"],
            "documents": pa.array(present, pa.list_(pa.int32())),
        }
    )


def sample_rows(packed: PackedRows, rows: int, seed: int) -> PackedRows:
    """Return a uniform sample of at most `rows` rows, in their order."""
    if rows >= len(packed.tokens):
        return packed
    chosen = np.sort(np.random.default_rng(seed).choice(len(packed.tokens), size=rows, replace=False))
    return PackedRows(packed.tokens[chosen], packed.documents[chosen])


def _in_order(owners: np.ndarray) -> np.ndarray:
    found, first = np.unique(owners, return_index=True)
    return found[np.argsort(first)]
