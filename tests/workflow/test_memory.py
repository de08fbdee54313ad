"""Ten times the prompts take more time and disk, but no more memory."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead.model.vocabulary import open_vocabulary

pytestmark = [pytest.mark.workflow, pytest.mark.long]
ROOT = Path(__file__).parents[2]
CONTEXT = 64
PROMPTS = (1500, 15000)
TABLES = (
    "explorer_rows.json",
    "distribution.csv",
    "by_source_type.csv",
    "unknown.csv",
    "sensitivity.csv",
    "examples.json",
    "explorer_rows.json",
)


def corpus_of(count, path):
    """Write a corpus of so many sequences: pieces of the shipped held-out ones, again and again."""
    held_out = pq.read_table(ROOT / "resources/corpus/held_out.parquet")
    text = np.array(held_out["tokens"].to_pylist(), np.int32)[:, 1:]
    pieces = text[:, : text.shape[1] // (CONTEXT - 1) * (CONTEXT - 1)].reshape(-1, CONTEXT - 1)
    bos = open_vocabulary(ROOT / "resources/reference-model/tokenizer.json").bos
    tokens = np.hstack([np.full((count, 1), bos, np.int32), pieces[np.arange(count) % len(pieces)]])
    source_types = np.where(np.arange(count) % 3, "code", "prose")
    columns = {
        "tokens": list(tokens),
        "source": [f"sequence {k}" for k in range(count)],
        "source_type": source_types,
    }
    path.parent.mkdir()
    pq.write_table(pa.table(columns), path, row_group_size=1000)


def peaks(workflow, prompts):
    """Run section 1 on so many prompts; return the largest memory (MiB) of a job of each rule."""
    study, folder = f"of_{prompts}", workflow.folder
    corpus_of(prompts, folder / f"corpus_{prompts}/held_out.parquet")
    config = [
        f"study={study}",
        f"prompts={prompts}",
        f"corpus={{path: corpus_{prompts}}}",
        f"context={CONTEXT}",
    ]
    config += ["shard_prompts=500", "bootstrap=1000", f"destination_tokens={{minimum_rows: {prompts // 15}}}"]
    head = re.search(r'^head: "(.+?)"', (ROOT / "config.yaml").read_text(), re.MULTILINE)[1]
    workflow.run("--config", *config, "--", *(f"results/{study}/heads/{head}/{name}" for name in TABLES))
    found = {}
    for log in (folder / f"results/{study}/logs").rglob("*.log"):
        rule = log.relative_to(folder / f"results/{study}/logs").parts[0].removesuffix(".log")
        took = re.search(r"^largest memory: (\d+) MiB$", log.read_text(), re.MULTILINE)
        found[rule] = max(found.get(rule, 0), int(took[1]))
    return found


def test_ten_times_the_prompts_take_no_more_memory(empty):
    few, many = (peaks(empty, prompts) for prompts in PROMPTS)
    assert {
        "sample",
        "rows",
        "classify",
        "distribution",
        "by_source_type",
        "unknown",
        "explorer_rows",
    } <= set(many)
    grown = {rule: many[rule] - few[rule] for rule in many if many[rule] > 1.1 * few[rule] + 32}
    assert not grown, f"MiB more at {PROMPTS[1]} prompts than at {PROMPTS[0]}: {grown}"
