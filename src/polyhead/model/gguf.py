"""Models in GGUF files: what a file says of itself, and its conversion by transformers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from polyhead.errors import PolyheadError
from polyhead.files import read_json
from polyhead.model.loading import load_causal_lm, one_line, save_whole
from polyhead.model.shape import Shape, refuse_pointer

SIZES = {"n_layers": "block_count", "n_heads": "attention.head_count", "n_ctx": "context_length"}


@dataclass(frozen=True)
class GgufFile:
    """Metadata of a GGUF file.

    `precision`: how its weights are stored, as in `Q4_0`. `for_chat`: it carries a template of a chat.
    `opens_prompts`: its tokenizer puts a token in front of a text.
    """

    path: Path
    shape: Shape
    precision: str
    for_chat: bool
    opens_prompts: bool

    @property
    def notes(self) -> list[str]:
        """What a reader must know of such a model."""
        said = [f"Its weights are stored as {self.precision} and read as 32-bit numbers."]
        return [*said, "It was tuned for chat, and reads plain text here."] if self.for_chat else said


def read_gguf(path: Path | str) -> GgufFile:
    """Read the metadata of a GGUF file; its weights are only located.

    Raises:
        PolyheadError: it is no such file, it is cut off, or it does not give its sizes.
    """
    from gguf import GGUFReader, LlamaFileType

    if not Path(path).is_file():
        raise PolyheadError(f"model: the file {str(path)!r} does not exist")
    try:
        refuse_pointer(Path(path))
        reader = GGUFReader(path)
    except (ValueError, IndexError, KeyError, OSError, OverflowError, MemoryError) as error:
        raise PolyheadError(f"model: {path} is no GGUF file, or cut off: {one_line(error)}") from error

    def value(name: str, default: Any = None) -> Any:
        field = reader.get_field(name)
        return default if field is None else field.contents()

    kind, tokens = value("general.architecture", ""), reader.get_field("tokenizer.ggml.tokens")
    sizes = {size: value(f"{kind}.{name}") for size, name in SIZES.items()}
    if tokens is None or not all(isinstance(size, int) for size in sizes.values()):
        raise PolyheadError(f"model: {path}, of architecture {kind!r}, does not give its sizes")
    shape = Shape(**sizes, d_vocab=len(tokens.data), attn_only=False, architecture=kind)
    precision = LlamaFileType(value("general.file_type", 0)).name.partition("_")[2]
    opens = value("tokenizer.ggml.add_bos_token", value("tokenizer.ggml.model") == "llama")
    return GgufFile(Path(path), shape, precision, value("tokenizer.chat_template") is not None, bool(opens))


def read_tokenizer(file: GgufFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the content of a GGUF file's tokenizer as tokenizer.json, and its tokenizer_config.json.

    Raises:
        PolyheadError: transformers cannot read it.
    """
    from transformers import AutoTokenizer

    with TemporaryDirectory() as folder:
        try:
            tokenizer = AutoTokenizer.from_pretrained(file.path.parent, gguf_file=file.path.name)
        except (ValueError, RuntimeError, KeyError, OSError, ImportError, TypeError) as error:
            raise PolyheadError(
                f"transformers cannot read the tokenizer in {file.path}: {one_line(error)}"
            ) from error
        tokenizer.save_pretrained(folder)
        content, settings = (
            read_json(Path(folder, name)) for name in ("tokenizer.json", "tokenizer_config.json")
        )
    # transformers adds a token for unknown text where the file has none; the model has no embedding for it
    content["added_tokens"] = [one for one in content["added_tokens"] if one["id"] < file.shape.d_vocab]
    return content, {**settings, "add_bos_token": file.opens_prompts}


def write_weights(file: GgufFile, directory: Path) -> None:
    """Write the weights of a GGUF file as config.json and model.safetensors, in float32.

    Raises:
        PolyheadError: transformers cannot read them.
    """
    import torch

    options = {"gguf_file": file.path.name, "dtype": torch.float32}
    model = load_causal_lm(file.path.parent, str(file.path), **options)
    model.hf_quantizer = None  # the weights are plain numbers now, and may be saved as such
    vars(model.config).pop("quantization_config", None)
    save_whole(model, directory)
