"""What is shipped of the corpus: a sample of the packed sequences of each split, and where they come from."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from polyhead.files import write_parquet, write_text
from training.recipe import Recipe
from training.sequences import PROVENANCE, read_packed, sample_sequences, sequences_table

TEXT = Path(__file__).with_name("corpus.md")
SHIPPED = {"held_out": "held_out.parquet", "train": "selection.parquet"}
"""The file of each split: held-out text for the report, and a sample of the training split for choosing."""


def write_samples(documents_path: Path | str, packed: dict[str, Path], recipe: Recipe, folder: Path) -> None:
    """Write sequences of each split, the provenance of their documents, and a README.

    `packed` are the packed sequences of each split.
    """
    documents = pq.read_table(documents_path, columns=PROVENANCE)
    used = set()
    for split, path in packed.items():
        sample = sample_sequences(read_packed(path), recipe.corpus.shipped_sequences, recipe.corpus.seed)
        write_parquet(folder / SHIPPED[split], sequences_table(sample, documents))
        used.update(sample.documents.tolist())
    shipped = documents.filter(pc.is_in(documents["id"], pa.array(sorted(used), pa.int32())))
    write_parquet(folder / "documents.parquet", shipped)
    write_text(folder / "README.md", corpus_readme(documents, shipped, recipe))


def corpus_readme(documents: pa.Table, shipped: pa.Table, recipe: Recipe) -> str:
    """Return what the corpus is, where it comes from and under which licences, as Markdown."""
    prose = pc.sum(documents.filter(pc.equal(documents["source_type"], "prose"))["characters"]).as_py()
    total = pc.sum(documents["characters"]).as_py()
    return TEXT.read_text(encoding="utf-8").format(
        **recipe.corpus.model_dump(),
        context=recipe.model.context,
        documents=documents.num_rows,
        characters=total / 1e6,
        prose=100 * prose / total,
        shipped=shipped.num_rows,
        clusters=len(pc.unique(documents["cluster"])),
        held_out=pc.sum(pc.equal(documents["split"], "held_out")).as_py(),
        table=licence_table(documents, shipped),
    )


def licence_table(documents: pa.Table, shipped: pa.Table) -> str:
    """Return a line for each package: version, licence, documents, characters, documents that are shipped."""
    keys = ["package", "version", "licence"]
    table = documents.group_by(keys).aggregate([("id", "count"), ("characters", "sum")]).to_pandas()
    here = shipped.group_by(keys).aggregate([([], "count_all")]).to_pandas()
    lines = table.merge(here, "left", keys).fillna(0).sort_values(keys).itertuples()
    return "\n".join(
        f"| {line.package} | {line.version} | {line.licence} | {line.id_count:,} | {line.characters_sum:,} | "
        f"{int(line.count_all):,} |"
        for line in lines
    )
