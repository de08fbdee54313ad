"""Bring a published model into the directory that every stage reads.

Two layouts are read: a TransformerLens checkpoint (a state dict in a `.pth` file and a `config.json`, as in
`NeelNanda/Attn_Only_4L512W_C4_Code`), and a Hugging Face model (`config.json` with a `model_type`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.files import read_json, replacing, sha256, write_json
from polyhead.model.hub import Repository, Snapshot, snapshot
from polyhead.model.shape import MODEL_FILES, Shape, shape_of, weights_pattern
from polyhead.model.vocabulary import SPECIAL

TOKENIZER = "tokenizer.json"
TOKENIZER_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json")
MOST_PADDING = 1024
"""Entries of a model's vocabulary, at most, that its tokenizer does not have: vocabularies are rounded up."""


@dataclass(frozen=True)
class Source:
    """Where a model comes from, and what its files must be."""

    model: Repository
    tokenizer: Repository
    weights: str | None = None
    """Pattern of the files with weights; `None`: `*final.pth`, of a Hugging Face model `*.safetensors*`."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    tokenizer_sha256: Mapping[str, str] = field(default_factory=dict)
    shape: Shape | None = None
    """What the config says of the model; `None` leaves it unchecked."""

    @classmethod
    def from_config(cls, section: Mapping[str, Any]) -> Source:
        """Read the config's section `model`, as plain data; without a tokenizer, it is the model's own."""
        tokenizer = section["tokenizer"] or {**section, "sha256": {}}
        return cls(
            Repository(section["repo"], section["revision"]),
            Repository(tokenizer["repo"], tokenizer["revision"]),
            section["weights"],
            section["sha256"],
            tokenizer["sha256"],
            Shape(**section["shape"]) if section["shape"] else None,
        )


def fetch_model(
    source: Source, directory: Path | str, screen: Any = None, opening: str | None = None
) -> None:
    """Download a model and its tokenizer and write them as a model directory, with `source.json`.

    `opening` is the token that opens a prompt; needed where the tokenizer names none.

    Raises:
        PolyheadError: a file cannot be fetched, is not the expected one, cannot be read, the model's own
            config.json contradicts what the study's config says of it, or the model cannot be studied.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    model, fields, weights = fetch_weights(source, screen)
    record = model.record([model.one("config.json"), *weights], source.sha256)
    tokenizer = snapshot(source.tokenizer, [TOKENIZER, *TOKENIZER_SETTINGS], screen)
    read = write_tokenizer(tokenizer, fields, directory, opening)
    tokenizer_record = tokenizer.record(read, source.tokenizer_sha256)
    (write_hugging_face if "model_type" in fields else write_checkpoint)(model, fields, weights, directory)
    said = [opens_with(opening)] if opening else []
    finish_directory(directory, {**record, "tokenizer": tokenizer_record, "notes": said})


def opens_with(token: str) -> str:
    """Return the sentence on the token that opens a prompt, for a model whose tokenizer puts none there."""
    return f"Every prompt opens with the token {token}."


def finish_directory(directory: Path, record: Mapping[str, Any]) -> None:
    """Try the model that was written, and record where it comes from as `source.json`.

    Raises:
        PolyheadError: the tokenizer is not the model's, or the model cannot be studied.
    """
    shape = shape_of(read_json(directory / "config.json"))
    tokens = Tokenizer.from_file(str(directory / TOKENIZER)).get_vocab_size()
    if not shape.d_vocab - MOST_PADDING <= tokens <= shape.d_vocab:
        raise PolyheadError(
            f"{record['repo']}: the tokenizer has {tokens:,} tokens and the model a vocabulary of "
            f"{shape.d_vocab:,}: it is the tokenizer of another model"
        )
    if shape.architecture:
        from polyhead.model.decoders import open_decoder

        open_decoder(directory)
    written = {name: sha256(directory / name) for name in MODEL_FILES}
    write_json(directory / "source.json", {**record, "written": written})


def fetch_weights(source: Source, screen: Any = None) -> tuple[Snapshot, dict[str, Any], list[Path]]:
    """Download a model's config.json, check it, then its weights, of the same commit.

    Returns:
        The snapshot, the fields of config.json, the files with weights.

    Raises:
        PolyheadError: see `fetch_model`.
    """
    first = snapshot(source.model, ["config.json"], screen)
    fields = read_json(first.one("config.json"))
    check_shape(source, shape_of(fields))
    pattern = source.weights or weights_pattern(fields)
    same_commit = replace(source.model, revision=first.commit or source.model.revision)
    model = replace(snapshot(same_commit, ["config.json", pattern], screen), repository=source.model)
    if not (weights := model.matching(pattern)):
        raise PolyheadError(f"model.weights: no file of {source.model} matches {pattern!r}")
    return model, fields, weights


def check_shape(source: Source, found: Shape) -> None:
    """Refuse a model whose sizes are not those of the config, by which the study was planned."""
    if source.shape is None or source.shape == found:
        return
    raise PolyheadError(f"model.shape: the config says {source.shape}; {source.model} is {found}")


def write_checkpoint(
    model: Snapshot, fields: Mapping[str, Any], weights: Sequence[Path], directory: Path
) -> None:
    """Write a TransformerLens checkpoint as config.json and model.safetensors of a native bridge."""
    from safetensors.torch import save_file
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge

    if len(weights) > 1:
        raise PolyheadError(f"model.weights: several files match: {', '.join(path.name for path in weights)}")
    config = native_config(fields, str(model.repository))
    bridge = TransformerBridge.boot_native(TransformerBridgeConfig(**config))
    try:
        bridge.load_state_dict(converted(read_checkpoint(weights[0]), config), strict=True)
    except (ValueError, RuntimeError) as error:
        raise PolyheadError(f"{weights[0]} does not fit its config.json: {error}") from error
    with replacing(directory / "model.safetensors") as temporary:
        save_file({name: weight.contiguous() for name, weight in bridge.state_dict().items()}, temporary)
    write_json(directory / "config.json", config)


def native_config(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Translate the config.json of a TransformerLens repository into fields of a native bridge.

    Raises:
        PolyheadError: a layout or an architecture that this reader does not know.
    """
    if fields.get("shortformer_pos") or fields.get("architecture", "neel") != "neel":
        raise PolyheadError(f"{name}: this layout of TransformerLens checkpoints cannot be read")
    same = ("d_model", "d_head", "n_layers", "n_ctx", "n_heads", "d_vocab", "attn_only", "d_mlp", "act_fn")
    return {
        **{key: fields[key] for key in same if fields.get(key) is not None},
        "normalization_type": fields.get("normalization", fields.get("normalization_type")),
        "eps": fields.get("eps", 1e-5),
        "final_rms": fields.get("final_rms", False),
        "positional_embedding_type": "standard",
        "architecture": "TransformerLensNative",
    }


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read a state dict, tensors only; raise `PolyheadError` where the file holds anything else."""
    import pickle

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise PolyheadError(f"cannot read the checkpoint {path}: {error}") from error
    return {name: weight.float() if weight.is_floating_point() else weight for name, weight in state.items()}


def converted(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the state dict under the names of a native bridge; a missing unembedding bias is zero."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

    renamed = convert_tl_checkpoint(dict(state), TransformerBridgeConfig(**config))
    return {"unembed.bias": torch.zeros(config["d_vocab"]), **renamed}


def write_hugging_face(
    model: Snapshot, fields: Mapping[str, Any], weights: Sequence[Path], directory: Path
) -> None:
    """Write a Hugging Face model in its own format: config.json and one model.safetensors."""
    from transformers import AutoModelForCausalLM

    try:
        whole = AutoModelForCausalLM.from_pretrained(model.folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise PolyheadError(f"cannot read {model.repository} as a causal language model: {error}") from error
    whole.save_pretrained(directory, max_shard_size="10000GB")


def write_tokenizer(
    tokenizer: Snapshot, fields: Mapping[str, Any], directory: Path, opening: str | None = None
) -> list[Path]:
    """Copy tokenizer.json and write beside it which tokens are BOS, EOS and PAD; return the files read.

    `fields` of the model's config.json name the tokens where the tokenizer's settings do not.
    """
    path = tokenizer.one(TOKENIZER)
    with replacing(directory / TOKENIZER) as temporary:
        shutil.copyfile(path, temporary)
    beside = [found for name in TOKENIZER_SETTINGS for found in tokenizer.matching(name)]
    settings = {key: value for found in reversed(beside) for key, value in read_json(found).items()}
    write_json(directory / "tokenizer_config.json", token_roles(path, settings, fields, opening))
    return [path, *beside]


def token_roles(
    path: Path, settings: Mapping[str, Any], fields: Mapping[str, Any], opening: str | None = None
) -> dict[str, str]:
    """Say which tokens are BOS, EOS and PAD; a model without PAD uses its EOS for it.

    BOS is `opening`, where that is given. It has to be given for a tokenizer that names no BOS, or says that
    it puts none in front of a text.

    Raises:
        PolyheadError: nothing names an EOS token, or one that opens a prompt; there is no such token.
    """
    try:
        vocabulary = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust library raises bare Exception
        raise PolyheadError(f"cannot read the tokenizer {path}: {error}") from error
    found: dict[str, str] = {}
    for role, ours in SPECIAL.items():
        given = settings.get(f"{role}_token")
        number = fields.get(f"{role}_token_id")
        if given:
            found[role] = given if isinstance(given, str) else given["content"]
        elif vocabulary.token_to_id(ours) is not None:
            found[role] = ours
        elif isinstance(number, int) and (text := vocabulary.id_to_token(number)):
            found[role] = text
    if "eos" not in found:
        raise PolyheadError(f"{path}: neither the tokenizer's settings nor the model's config.json name EOS")
    if opening is not None:
        if vocabulary.token_to_id(opening) is None:
            raise PolyheadError(f"opening_token: {opening!r} is no token of the model's tokenizer")
        found["bos"] = opening
    elif "bos" not in found or settings.get("add_bos_token") is False:
        named = f"; the model names {found['bos']!r}" if "bos" in found else ""
        raise PolyheadError(
            "opening_token: missing; the model's tokenizer puts no token in front of a text, so the config "
            f"must say which one opens a prompt{named}"
        )
    return {f"{role}_token": found.get(role, found["eos"]) for role in SPECIAL}
