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

TEXT = Path(__file__).with_name("corpus.md")


def ship_corpus(documents_path: Path, rows: dict[str, Path], recipe: Recipe, directory: Path) -> None:
    """Write the shipped rows of each split, the provenance of their documents, and a README.

    `rows` are the packed rows of each split, as `build_rows` wrote them.
    """
    documents = pq.read_table(documents_path, columns=PROVENANCE)
    used = set()
    for split, path in rows.items():
        sample = sample_rows(read_rows(path), recipe.corpus.shipped_rows, recipe.training.seed)
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
    return TEXT.read_text(encoding="utf-8").format(
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
