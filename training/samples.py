"""What the repository ships: packed sequences of the corpus, their provenance; the variants; checksums."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polyhead.files import replacing, sha256, write_parquet, write_text
from polyhead.training.build import licence_summary
from polyhead.training.packing import read_packed
from polyhead.training.recipe import Recipe
from polyhead.training.sequences import PROVENANCE, sample_sequences, sequences_table

TEXT = Path(__file__).with_name("corpus.md")
SCARCITY = Path(__file__).with_name("scarcity.md")


SHIPPED = {"held_out": "held_out.parquet", "train": "selection.parquet"}
"""The file of each split: held-out text for the report, and a sample of the training split for choosing."""


def ship_corpus(documents_path: Path, packed: dict[str, Path], recipe: Recipe, directory: Path) -> None:
    """Write the shipped sequences of each split, the provenance of their documents, and a README.

    `packed` are the packed sequences of each split, as `build_sequences` wrote them.
    """
    documents = pq.read_table(documents_path, columns=PROVENANCE)
    used = set()
    for split, path in packed.items():
        sample = sample_sequences(read_packed(path), recipe.corpus.shipped_sequences, recipe.corpus.seed)
        write_parquet(directory / SHIPPED[split], sequences_table(sample, documents))
        used.update(sample.documents.tolist())
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
    prose = pc.sum(documents.filter(pc.equal(documents["source_type"], "prose"))["characters"]).as_py()
    total = pc.sum(documents["characters"]).as_py()
    return TEXT.read_text(encoding="utf-8").format(
        documents=documents.num_rows,
        characters=total / 1e6,
        prose=100 * prose / total,
        shipped=shipped.num_rows,
        clusters=len(pc.unique(documents["cluster"])),
        held_out=pc.sum(pc.equal(documents["split"], "held_out")).as_py(),
        lock=recipe.corpus.lock,
        similarity=recipe.corpus.near_duplicate_similarity,
        cluster_similarity=recipe.corpus.cluster_similarity,
        one_in=recipe.corpus.held_out_one_in,
        context=recipe.model.context,
        sequences=recipe.corpus.shipped_sequences,
        table="\n".join(lines),
    )


def ship_scarcity(made: Sequence[Path], directory: Path) -> None:
    """Copy the files of the comparison of variants, with a README, and renew the checksums."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, source in {**{path.name: path for path in made}, "README.md": SCARCITY}.items():
        with replacing(directory / name) as temporary:
            shutil.copyfile(source, temporary)
    write_checksums(directory.parent)


def write_checksums(directory: Path) -> None:
    """Write SHA256SUMS (as `sha256sum -c` reads it) over every other file under a directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{sha256(path)}  {path.relative_to(directory).as_posix()}" for path in files]
    write_text(directory / "SHA256SUMS", "\n".join(lines) + "\n")
