"""What resources/ ships: whole, licensed, and opened with TransformerLens alone."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from polyhead.files import sha256
from training.licences import is_permissive

RESOURCES = Path(__file__).parents[2] / "resources"
MODEL, CORPUS, EOS = RESOURCES / "reference-model", RESOURCES / "corpus", 1


def test_every_file_has_its_checksum_and_every_checksum_its_file():
    lines = (RESOURCES / "SHA256SUMS").read_text().splitlines()
    listed = {path: digest for digest, path in (line.split("  ", 1) for line in lines)}
    present = [path for path in RESOURCES.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    assert listed == {path.relative_to(RESOURCES).as_posix(): sha256(path) for path in present}
    assert sum(path.stat().st_size for path in present) <= 30e6


def test_the_model_opens_with_transformer_lens_alone_and_reaches_its_stated_loss():
    from safetensors.torch import load_file
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    config = TransformerBridgeConfig(**json.loads((MODEL / "config.json").read_text()))
    model = TransformerBridge.boot_native(config)
    model.load_state_dict(load_file(MODEL / "model.safetensors"))
    table = pq.read_table(CORPUS / "held_out.parquet", columns=["tokens"])
    sequences = torch.tensor(table["tokens"].to_pylist()[::100])
    with torch.inference_mode():
        loss = torch.nn.functional.cross_entropy(
            model(sequences[:, :-1]).flatten(0, 1), sequences[:, 1:].flatten()
        )
    stated = json.loads((MODEL / "evaluation.json").read_text())["every_100th_row"]
    assert loss.item() == pytest.approx(stated, abs=1e-4)


@pytest.mark.parametrize(("file", "split"), [("held_out", "held_out"), ("selection", "train")])
def test_sequences_are_contexts_that_open_with_bos_of_licensed_documents_of_their_split(file, split):
    table = pq.read_table(CORPUS / f"{file}.parquet")
    context = json.loads((MODEL / "config.json").read_text())["n_ctx"]
    tokens = table["tokens"].combine_chunks()
    assert table.num_rows >= 5000
    assert set(tokens.value_lengths().unique().to_pylist()) == {context}
    assert (tokens.flatten().to_numpy().reshape(-1, context)[:, 0] == 0).all()
    documents = pq.read_table(CORPUS / "documents.parquet").to_pandas().set_index("id")
    used = documents.loc[table["documents"].combine_chunks().flatten().unique().to_pylist()]
    assert set(used["split"]) == {split}
    assert all(is_permissive(part) for licence in used["licence"].unique() for part in licence.split(" OR "))
    for line in table.select(["tokens", "documents", "starts"]).to_pylist()[::50]:
        first, *others = line["starts"]
        assert (first, len(others)) == (1, len(line["documents"]) - 1)
        assert all(line["tokens"][start - 1] == EOS for start in others)


def test_newline_and_indent_are_single_tokens():
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    for text in ("\n", "\n   ", "\n       ", "\n           ", "\n               ", "\n\n   "):
        assert len(tokenizer.encode(text).ids) == 1, repr(text)
