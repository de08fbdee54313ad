"""The two samples of a study: prompts that the report reads, and others on which a head is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from polyhead.errors import PolyheadError
from polyhead.files import write_json
from polyhead.model.vocabulary import Vocabulary
from polyhead.prompts.hub_dataset import Parts
from polyhead.prompts.sampling import (
    sample_parts,
    sample_prompts,
    sequence_count,
    without_sequences,
    write_prompts,
)

Source = Path | Parts
"""A corpus split in one file, or a data set in parts."""
Drawn = tuple[pa.Table, dict[str, Any]]
"""Prompts, and a record of how they were drawn."""


@dataclass(frozen=True)
class Sampler:
    """How prompts are drawn: of how many tokens, from how much of a data set in parts (`None`: all)."""

    context: int
    vocabulary: Vocabulary
    seed: int
    megabytes: float | None

    def draw(self, source: Source, count: int, further: int = 0) -> Drawn:
        """Draw prompts, each equally likely; `further` gives another draw.

        Raises:
            PolyheadError: see `sample_prompts` and `sample_parts`.
        """
        asked = count, self.context, self.vocabulary, self.seed + further
        if isinstance(source, Parts):
            drawn, how = sample_parts(source, *asked, self.megabytes)
        else:
            drawn, how = sample_prompts(source, *asked)
        return drawn, {"context": self.context, "seed": self.seed + further, **how}

    def draw_apart(self, source: Source, count: int, report: pa.Table) -> Drawn:
        """Draw at most so many prompts to choose on, none of which the report reads.

        Of a data set in parts the report's sequences are left out; a split in one file is another one than
        the report's.

        Raises:
            PolyheadError: see `draw`; or a prompt or a document is in both samples.
        """
        if isinstance(source, Parts):
            drawn, how = self.draw(source, min(count + len(report), source.sequences), 1)
            drawn = without_sequences(drawn, report["sequence"].to_numpy(), count)
        else:
            drawn, how = self.draw(source, min(count, sequence_count(source)), 1)
        return drawn, {**how, "documents": check_apart(drawn, report)}


def write_sample(folder: Path, prompts: pa.Table, how: dict[str, Any]) -> None:
    """Write `prompts.parquet` and `sampling.json`."""
    write_prompts(folder / "prompts.parquet", prompts)
    write_json(folder / "sampling.json", {"prompts": len(prompts), **how})


def check_apart(selection: pa.Table, report: pa.Table) -> int:
    """Return how many documents the selection sample holds; where they are unknown, how many prompts.

    Raises:
        PolyheadError: a prompt, or a document where both samples name them, is in both.
    """
    chosen, reported = (
        {row.values.to_numpy().tobytes() for row in one["tokens"]} for one in (selection, report)
    )
    if shared := chosen & reported:
        raise PolyheadError(f"{len(shared)} prompts are in the selection sample and in the report's sample")
    if not all("documents" in one.column_names for one in (selection, report)):
        return len(selection)
    chosen, reported = (
        {document for ids in one["documents"].to_pylist() for document in ids} for one in (selection, report)
    )
    if both := chosen & reported:
        raise PolyheadError(
            f"{len(both)} documents are in the selection sample and in the report's sample, the first of "
            f"them document {min(both)}; choose another split: selection.split"
        )
    return len(chosen)
