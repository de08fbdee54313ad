"""What resources/ ships: whole, licensed, and opened with TransformerLens alone."""

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

RESOURCES = Path("resources")
MODEL = RESOURCES / "reference-model"
NAMED, EOS = ("tokens", "documents", "starts"), 1
CORPUS = RESOURCES / "corpus"


def test_every_file_has_its_checksum_and_every_checksum_its_file():
    lines = (RESOURCES / "SHA256SUMS").read_text().splitlines()
    listed = {path: digest for digest, path in (line.split("  ", 1) for line in lines)}
    present = {
        path.relative_to(RESOURCES).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in RESOURCES.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert listed == present


def test_resources_stay_small():
    assert sum(path.stat().st_size for path in RESOURCES.rglob("*") if path.is_file()) <= 30e6


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
    stated = json.loads((MODEL / "evaluation.json").read_text())["held_out"]["every_100th_row"]
    assert loss.item() == pytest.approx(stated, abs=1e-4)


@pytest.fixture(scope="module", params=["held_out", "selection"])
def sequences(request):
    return request.param, pq.read_table(CORPUS / f"{request.param}.parquet")


def test_sequences_are_full_contexts_that_open_with_bos(sequences):
    _, table = sequences
    context = json.loads((MODEL / "config.json").read_text())["n_ctx"]
    assert table.num_rows >= 5000
    tokens = table["tokens"].combine_chunks()
    assert set(tokens.value_lengths().unique().to_pylist()) == {context}
    assert (tokens.flatten().to_numpy().reshape(-1, context)[:, 0] == 0).all()


def test_every_sequence_names_documents_of_its_split_with_a_permissive_licence(sequences):
    from polyhead.training.licences import is_permissive

    file, table = sequences
    documents = pq.read_table(CORPUS / "documents.parquet").to_pandas().set_index("id")
    used = documents.loc[table["documents"].combine_chunks().flatten().unique().to_pylist()]
    assert set(used["split"]) == {"train" if file == "selection" else file}
    assert all(is_permissive(part) for licence in used["licence"].unique() for part in licence.split(" OR "))


def test_every_document_begins_behind_the_end_of_the_one_before(sequences):
    _, table = sequences
    for tokens, documents, starts in zip(*(table[n].to_pylist()[::50] for n in NAMED), strict=True):
        assert len(documents) == len(starts)
        assert starts[0] == 1
        assert all(tokens[start - 1] == EOS for start in starts[1:])


def test_newline_and_indent_are_single_tokens():
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    for text in ("\n", "\n   ", "\n       ", "\n           ", "\n               ", "\n\n   "):
        assert len(tokenizer.encode(text).ids) == 1, repr(text)
