"""The stages that make the corpus: documents, tokenizer, packed sequences of each split."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from polyhead.files import replacing, write_parquet
from polyhead.training.bpe import train_tokenizer
from polyhead.training.corpus import read_documents
from polyhead.training.duplicates import grouped, without_duplicates
from polyhead.training.packing import pack
from polyhead.training.recipe import CorpusRecipe, TokenizerRecipe
from polyhead.training.sequences import documents_table

ENCODE_AT_ONCE = 256  # documents


def build_documents(recipe: CorpusRecipe, wheels: Path, path: Path) -> None:
    """Read, filter, group and number the documents of the corpus, and write their table with the texts."""
    kept = without_duplicates(
        read_documents(recipe, wheels), recipe.near_duplicate_similarity, recipe.permutations
    )
    documents, clusters = grouped(kept, recipe)
    write_parquet(path, documents_table(documents, clusters, recipe.held_out_one_in))


def build_tokenizer(documents: Path, recipe: TokenizerRecipe, path: Path, seed: int) -> None:
    """Learn the tokenizer from a random sample of the training documents, old ones left out, and write it."""
    learned = [("split", "=", "train"), ("old", "=", False)]
    texts = pq.read_table(documents, columns=["text"], filters=learned)["text"].to_pylist()
    sample, characters = [], 0
    for index in np.random.default_rng(seed).permutation(len(texts)):
        if characters < recipe.sample_characters:
            sample.append(texts[index])
            characters += len(texts[index])
    with replacing(path) as temporary:
        train_tokenizer(sample, recipe.vocabulary).save(str(temporary))


def build_sequences(
    documents: Path, tokenizer: Path, split: str, context: int, seed: int, path: Path
) -> None:
    """Tokenise and pack the documents of one split; `read_packed` reads what is written."""
    table = pq.read_table(documents, columns=["id", "text"], filters=[("split", "=", split)])
    encoded = encode(Tokenizer.from_file(str(tokenizer)), table["text"])
    pack(encoded, table["id"].to_numpy(), context, seed).save(path)


def encode(tokenizer: Tokenizer, texts: pa.ChunkedArray) -> list[np.ndarray]:
    """Return the tokens of each text."""
    encoded = []
    for start in range(0, len(texts), ENCODE_AT_ONCE):
        batch = tokenizer.encode_batch_fast(
            texts.slice(start, ENCODE_AT_ONCE).to_pylist(), add_special_tokens=False
        )
        encoded += [np.array(text.ids, dtype=np.uint16) for text in batch]
    return encoded


def licence_summary(documents: pa.Table) -> pa.Table:
    """Return package, version, licence, documents and characters, one line per package."""
    groups = documents.group_by(["package", "version", "licence"])
    totals = groups.aggregate([("id", "count"), ("characters", "sum")])
    return totals.take(pc.sort_indices(totals, sort_keys=[("package", "ascending")]))
