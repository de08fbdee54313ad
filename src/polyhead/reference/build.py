"""The stages that make the corpus: documents, tokenizer, packed rows of each split."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from polyhead.errors import PolyheadError
from polyhead.files import replacing, write_parquet
from polyhead.reference.bpe import train_tokenizer
from polyhead.reference.corpus import read_documents
from polyhead.reference.duplicates import without_duplicates
from polyhead.reference.packing import PackedRows, pack
from polyhead.reference.recipe import CorpusRecipe, TokenizerRecipe
from polyhead.reference.rows import documents_table

ENCODE_AT_ONCE = 256  # documents


def build_documents(recipe: CorpusRecipe, path: Path) -> None:
    """Read, filter and number the documents of the corpus, and write their table with the texts."""
    documents = list(
        without_duplicates(read_documents(recipe), recipe.near_duplicate_similarity, recipe.permutations)
    )
    if not documents:
        raise PolyheadError(
            f"{recipe.lock}: none of its packages is installed here; install the lock file first"
        )
    write_parquet(path, documents_table(documents, recipe.held_out_one_in))


def build_tokenizer(documents: Path, recipe: TokenizerRecipe, path: Path, seed: int) -> None:
    """Learn the tokenizer from a random sample of the training documents, and write it."""
    texts = pq.read_table(documents, columns=["text"], filters=[("split", "=", "train")])["text"].to_pylist()
    sample, characters = [], 0
    for index in np.random.default_rng(seed).permutation(len(texts)):
        if characters < recipe.sample_characters:
            sample.append(texts[index])
            characters += len(texts[index])
    with replacing(path) as temporary:
        train_tokenizer(sample, recipe.vocabulary).save(str(temporary))


def build_rows(documents: Path, tokenizer: Path, split: str, context: int, seed: int, path: Path) -> None:
    """Tokenise and pack the documents of one split; write tokens and document ids as an .npz file."""
    table = pq.read_table(documents, columns=["id", "text"], filters=[("split", "=", split)])
    encoded = encode(Tokenizer.from_file(str(tokenizer)), table["text"])
    packed = pack(encoded, context, seed)
    ids = table["id"].to_numpy()
    with replacing(path) as temporary:
        np.savez(temporary, tokens=packed.tokens, documents=ids[packed.documents])


def encode(tokenizer: Tokenizer, texts: pa.ChunkedArray) -> list[np.ndarray]:
    """Return the tokens of each text."""
    encoded = []
    for start in range(0, len(texts), ENCODE_AT_ONCE):
        batch = tokenizer.encode_batch_fast(
            texts.slice(start, ENCODE_AT_ONCE).to_pylist(), add_special_tokens=False
        )
        encoded += [np.array(text.ids, dtype=np.uint16) for text in batch]
    return encoded


def read_rows(path: Path) -> PackedRows:
    """Read what `build_rows` wrote."""
    with np.load(path) as arrays:
        return PackedRows(arrays["tokens"], arrays["documents"])


def licence_summary(documents: pa.Table) -> pa.Table:
    """Return package, version, licence, documents and characters, one line per package."""
    groups = documents.group_by(["package", "version", "licence"])
    totals = groups.aggregate([("id", "count"), ("characters", "sum")])
    return totals.take(pc.sort_indices(totals, sort_keys=[("package", "ascending")]))
