"""What the repository ships of the corpus: a sample of packed rows, its documents' provenance, checksums."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polyhead.files import sha256, write_parquet, write_text
from polyhead.reference.build import licence_summary, read_rows
from polyhead.reference.recipe import Recipe
from polyhead.reference.rows import PROVENANCE, rows_table, sample_rows

SPLITS = ("held_out", "train")


def ship_corpus(folder: Path, recipe: Recipe, directory: Path) -> None:
    """Write the shipped rows of both splits, the provenance of their documents, and a README.

    `folder` holds what the corpus stages built.
    """
    documents = pq.read_table(folder / "corpus/documents.parquet", columns=PROVENANCE)
    used = set()
    for split in SPLITS:
        packed = read_rows(folder / f"corpus/{split}.npz")
        sample = sample_rows(packed, recipe.corpus.shipped_rows, recipe.training.seed)
        write_parquet(directory / f"{split}.parquet", rows_table(sample, documents))
        used.update(np.unique(sample.documents).tolist())
    shipped = documents.filter(pc.is_in(documents["id"], pa.array(sorted(used), pa.int32())))
    write_parquet(directory / "documents.parquet", shipped)
    write_text(directory / "README.md", corpus_readme(documents, shipped, recipe))


def corpus_readme(documents: pa.Table, shipped: pa.Table, recipe: Recipe) -> str:
    """Return what the corpus is, where it comes from and under which licences, as Markdown."""
    table = licence_summary(documents).to_pylist()
    here = {line["package"]: line["id_count"] for line in licence_summary(shipped).to_pylist()}
    lines = [
        f"| {line['package']} | {line['version']} | {line['licence']} | {line['id_count']:,} "
        f"| {line['characters_sum']:,} | {here.get(line['package'], 0):,} |"
        for line in table
    ]
    prose = pc.sum(documents.filter(pc.equal(documents["kind"], "prose"))["characters"]).as_py()
    total = pc.sum(documents["characters"]).as_py()
    return CORPUS_README.format(
        documents=documents.num_rows,
        characters=total / 1e6,
        prose=100 * prose / total,
        shipped=shipped.num_rows,
        similarity=recipe.corpus.near_duplicate_similarity,
        one_in=recipe.corpus.held_out_one_in,
        context=recipe.model.context,
        rows=recipe.corpus.shipped_rows,
        table="\n".join(lines),
    )


def write_checksums(directory: Path) -> None:
    """Write SHA256SUMS (as `sha256sum -c` reads it) over every other file under a directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{sha256(path)}  {path.relative_to(directory).as_posix()}" for path in files]
    write_text(directory / "SHA256SUMS", "\n".join(lines) + "\n")


ROWS_LINE = (
    "| `held_out.parquet`, `train.parquet` | packed rows of {context} tokens, a uniform sample of at most "
    "{rows:,} rows of each split: `tokens` (BOS first, EOS between documents), `source` (package, version, "
    "path of the document that fills most of it), `kind` (code or prose), `documents` (ids of all its "
    "documents) |"
)
DOCUMENTS_LINE = (
    "| `documents.parquet` | provenance of the {shipped:,} documents in them: id, package, version, path, "
    "licence, sha256 of the text, kind, split, characters |"
)
CORPUS_README = f"""# Corpus of the reference model

Python source code and its documentation: {{documents:,}} documents, {{characters:.0f}} million characters,
of which {{prose:.1f}} % prose (long docstrings, package descriptions, Markdown and reStructuredText files,
Python's built-in help). They come from the packages pinned in `envs/requirements.lock` and from the Python
standard library, and only from packages whose metadata names nothing but permissive licences. Left out:
packages with a copyleft or unclear licence, code that packages bundle from elsewhere, files that open with a
copyleft notice, legal notices, data-like and generated files, exact duplicates, and near duplicates (MinHash
over line pairs, similarity {{similarity}} and above).

About one document in {{one_in}} is held out, chosen by the hash of its content; a docstring goes where its
module goes. The model never trained on a held-out document.

| file | content |
| --- | --- |
{ROWS_LINE}
{DOCUMENTS_LINE}

`snakemake reference_corpus` builds the corpus anew from the installed packages.

## Sources and licences

The texts stay under the licences of their packages, as the packages' metadata states them.

| package | version | licence | documents | characters | documents in the shipped rows |
| --- | --- | --- | --: | --: | --: |
{{table}}
"""
