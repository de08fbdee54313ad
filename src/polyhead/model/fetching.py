"""Bring a model into the directory that every stage reads.

It comes from a repository on the Hugging Face hub or a local directory (a TransformerLens checkpoint, as in
`NeelNanda/Attn_Only_4L512W_C4_Code`, or a model of transformers), or from a GGUF file, maybe of a package.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.files import read_json, replacing, sha256, write_json
from polyhead.model.gguf import read_gguf, read_tokenizer, write_weights
from polyhead.model.hub import Repository, Snapshot, check_hashes, snapshot
from polyhead.model.loading import load_causal_lm, save_whole
from polyhead.model.packages import package_file
from polyhead.model.shape import MODEL_FILES, Shape, check_generates, shape_of, weights_pattern
from polyhead.model.vocabulary import SPECIAL, count_ids, load_tokenizer, token_text

TOKENIZER, ROLES = "tokenizer.json", "tokenizer_config.json"
TOKENIZER_SETTINGS = (ROLES, "special_tokens_map.json")


def fetch_model(section: Mapping[str, Any], directory: Path | str, opening: str | None = None) -> None:
    """Fetch a model and its tokenizer, write them as a model directory, and try it.

    Args:
        section: the config's section `model`: `file` with maybe `package`, or `repo`, as plain data.
        directory: where to write; `source.json` there says where the files are from.
        opening: token that opens a prompt; needed where the tokenizer names none, or puts none there.

    Raises:
        PolyheadError: a file cannot be fetched, is not the expected one or cannot be read, it contradicts
            what the study's config says of it, the tokenizer is not the model's, or it cannot be studied.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write = _from_gguf if "file" in section else _from_repository
    record = write(section, directory, opening)
    if opening:
        record["notes"].append(f"Every prompt opens with the token {opening}.")
    record["notes"] += leave_out_surplus(directory)
    try_directory(directory, record["repo"])
    written = {name: sha256(directory / name) for name in MODEL_FILES}
    write_json(directory / "source.json", {**record, "written": written})


def _from_gguf(section: Mapping[str, Any], directory: Path, opening: str | None) -> dict[str, Any]:
    """Convert a GGUF file, of a package or on this machine; return where it is from."""
    if section["package"]:
        path = package_file(section["package"], section["file"], section["sha256"])
        name = f"{path.name} of {section['package']}"
    else:
        path, name = Path(section["file"]), section["file"]
        if section["sha256"]:
            check_hashes("model.sha256", {name: sha256(path)}, {name: section["sha256"]})
    file = read_gguf(path)
    check_shape(section, file.shape, name)
    content, settings = read_tokenizer(file)
    write_json(directory / TOKENIZER, content)
    write_json(directory / ROLES, token_roles(directory / TOKENIZER, settings, {}, opening))
    write_weights(file, directory)
    files = [{"file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}]
    return {"repo": name, "revision": None, "commit": None, "files": files, "notes": file.notes}


def _from_repository(section: Mapping[str, Any], directory: Path, opening: str | None) -> dict[str, Any]:
    """Download a model of a repository, weights of the same commit as its config; return where it is from."""
    repository = Repository(section["repo"], section["revision"])
    first = snapshot(repository, ["config.json"])
    fields = read_json(first.one("config.json"))
    check_generates(fields, str(repository))
    check_shape(section, shape_of(fields), str(repository))
    pattern = section["weights"] or weights_pattern(fields)
    same_commit = replace(repository, revision=first.commit or repository.revision)
    model = replace(snapshot(same_commit, ["config.json", pattern]), repository=repository)
    if not (weights := model.matching(pattern)):
        raise PolyheadError(f"model.weights: no file of {repository} matches {pattern!r}")
    record = model.record([model.one("config.json"), *weights], section["sha256"])
    other = section["tokenizer"] or {**section, "sha256": {}}
    tokenizer = Repository(other["repo"], other["revision"])
    found = snapshot(tokenizer, [TOKENIZER, *TOKENIZER_SETTINGS])
    read = write_tokenizer(found, fields, directory, opening)
    record |= {"tokenizer": found.record(read, other["sha256"]), "notes": []}
    if "model_type" in fields:
        save_whole(load_causal_lm(model.folder, str(repository)), directory)
    else:
        write_checkpoint(model, fields, weights, directory)
    return record


def check_shape(section: Mapping[str, Any], found: Shape, name: str) -> None:
    """Refuse a model whose sizes are not those of the config, by which the study was planned."""
    if section["shape"] and (planned := Shape(**section["shape"])) != found:
        raise PolyheadError(f"model.shape: the config says {planned}; {name} is {found}")


def leave_out_surplus(directory: Path) -> list[str]:
    """Take out of a tokenizer what was added to it and not to the model; return a note that says so."""
    size, content = shape_of(read_json(directory / "config.json")).d_vocab, read_json(directory / TOKENIZER)
    added = content.get("added_tokens", [])
    surplus = [one["content"] for one in added if one["id"] >= size]
    if not surplus:
        return []
    kept = [one for one in added if one["id"] < size]
    write_json(directory / TOKENIZER, {**content, "added_tokens": kept})
    return [f"The model has no embedding for these tokens, which were left out: {', '.join(surplus)}."]


def try_directory(directory: Path, name: str) -> None:
    """Refuse a model that was written but does not fit its tokenizer, or cannot be studied."""
    shape = shape_of(read_json(directory / "config.json"))
    tokenizer, _ = load_tokenizer(directory / TOKENIZER)
    known = tokenizer.get_vocab(with_added_tokens=True)
    surplus = sorted(token for token, number in known.items() if number >= shape.d_vocab)
    if surplus:
        raise PolyheadError(
            f"{name}: the tokenizer has {len(surplus)} ids beyond the model's vocabulary of "
            f"{shape.d_vocab:,}: {', '.join(surplus[:5])}; it is the tokenizer of another model"
        )
    if count_ids(tokenizer) < 0.75 * shape.d_vocab:  # vocabularies are rounded up
        raise PolyheadError(
            f"{name}: the tokenizer has {count_ids(tokenizer):,} ids and the model a vocabulary of "
            f"{shape.d_vocab:,}: it is the tokenizer of another model"
        )
    if shape.architecture:
        from polyhead.model.decoders import open_decoder

        open_decoder(directory)


def write_checkpoint(
    model: Snapshot, fields: Mapping[str, Any], weights: Sequence[Path], directory: Path
) -> None:
    """Write a TransformerLens checkpoint as config.json and model.safetensors of a native bridge."""
    from safetensors.torch import save_file
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge
    from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

    if len(weights) > 1:
        raise PolyheadError(f"model.weights: several files match: {', '.join(path.name for path in weights)}")
    fields = native_config(fields, str(model.repository))
    config, state = TransformerBridgeConfig(**fields), read_checkpoint(weights[0])
    bridge = TransformerBridge.boot_native(config)
    try:
        no_bias = {"unembed.bias": torch.zeros(fields["d_vocab"])}
        bridge.load_state_dict({**no_bias, **convert_tl_checkpoint(state, config)}, strict=True)
    except (ValueError, RuntimeError) as error:
        raise PolyheadError(f"{weights[0]} does not fit its config.json: {error}") from error
    with replacing(directory / "model.safetensors") as temporary:
        save_file({name: weight.contiguous() for name, weight in bridge.state_dict().items()}, temporary)
    write_json(directory / "config.json", fields)


def native_config(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Translate the config.json of a TransformerLens repository into fields of a native bridge.

    Raises:
        PolyheadError: a layout or an architecture that this reader does not know.
    """
    if fields.get("shortformer_pos") or fields.get("architecture", "neel") != "neel":
        raise PolyheadError(f"{name}: this layout of TransformerLens checkpoints cannot be read")
    same = ("d_model", "d_head", "n_layers", "n_ctx", "n_heads", "d_vocab", "attn_only")
    return {
        **{key: fields[key] for key in same if fields.get(key) is not None},
        "normalization_type": "LN",
        "eps": fields.get("eps", 1e-5),
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
    write_json(directory / ROLES, token_roles(path, settings, fields, opening))
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
    vocabulary, _ = load_tokenizer(path)
    named = {role: _named(role, settings, fields, vocabulary) for role in SPECIAL}
    if not named["eos"]:
        raise PolyheadError(f"{path}: neither the tokenizer's settings nor the model's config.json name EOS")
    if opening is not None and vocabulary.token_to_id(opening) is None:
        raise PolyheadError(f"opening_token: {opening!r} is no token of the model's tokenizer")
    if opening is None and (not named["bos"] or settings.get("add_bos_token") is False):
        said = f"; the model names {named['bos']!r}" if named["bos"] else ""
        raise PolyheadError(
            "opening_token: missing; the model's tokenizer puts no token in front of a text, so the config "
            f"must say which one opens a prompt{said}"
        )
    named["bos"] = opening or named["bos"]
    return {f"{role}_token": text or named["eos"] for role, text in named.items()}


def _named(role: str, settings: Mapping[str, Any], fields: Mapping[str, Any], vocabulary: Tokenizer) -> str:
    """Return the token that has a role by the settings, by the name that is ours, or by its number."""
    if given := token_text(settings.get(f"{role}_token")):
        return given
    if vocabulary.token_to_id(SPECIAL[role]) is not None:
        return SPECIAL[role]
    number = fields.get(f"{role}_token_id")
    return (vocabulary.id_to_token(number) or "") if isinstance(number, int) else ""
