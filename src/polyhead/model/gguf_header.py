"""What a GGUF file says of itself: read without its weights, so that a study can be planned.

The layout is https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little endian.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from polyhead.errors import PolyheadError
from polyhead.model.shape import Shape

MAGIC = b"GGUF"
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Type numbers of metadata values, as codes of `struct`."""
STRING, ARRAY = 8, 9
LONGEST = 2**28
"""Bytes or entries of one value, at most: a larger count is damage."""
KEPT_ENTRIES = 64
"""Longer lists (a vocabulary) are kept as their length alone."""
ALIGNMENT = 32
BLOCKS = {
    **{0: (1, 4), 1: (1, 2), 30: (1, 2)},
    **{2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34)},
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210)},
}
"""Weights in a block and its bytes, by type number of a tensor; of others only where they begin is known."""
PRECISIONS = {0: "32 bits", 1: "16 bits", 32: "16 bits"}
"""Kinds of files (`general.file_type`) whose weights are stored as numbers, not quantised."""


class Quantised(IntEnum):
    """Kinds of files whose weights are quantised."""

    Q4_0, Q4_1, Q8_0, Q5_0, Q5_1, Q2_K = 2, 3, 7, 8, 9, 10
    Q3_K_S, Q3_K_M, Q3_K_L, Q4_K_S, Q4_K_M = 11, 12, 13, 14, 15
    Q5_K_S, Q5_K_M, Q6_K = 16, 17, 18


@dataclass(frozen=True)
class Header:
    """Metadata of a GGUF file; of a long list, its length."""

    fields: Mapping[str, Any]

    @property
    def architecture(self) -> str:
        """What llama.cpp calls the architecture, as in `llama`."""
        return str(self.fields.get("general.architecture", ""))

    @property
    def shape(self) -> Shape:
        """The model's sizes. Raises PolyheadError where one is not there."""
        names = {"n_layers": "block_count", "n_heads": "attention.head_count", "n_ctx": "context_length"}
        found = {size: self.fields.get(f"{self.architecture}.{name}") for size, name in names.items()}
        found["d_vocab"] = self.fields.get("tokenizer.ggml.tokens")
        sizes = {size: value for size, value in found.items() if isinstance(value, int)}
        if len(sizes) < len(found):
            raise PolyheadError(f"a GGUF file of architecture {self.architecture!r} does not give its sizes")
        return Shape(
            sizes["n_layers"], sizes["n_heads"], sizes["n_ctx"], sizes["d_vocab"], False, self.architecture
        )

    @property
    def precision(self) -> str:
        """How the weights are stored, in words."""
        kind = self.fields.get("general.file_type")
        if kind in PRECISIONS:
            return f"stored with {PRECISIONS[kind]}"
        name = Quantised(kind).name if kind in set(Quantised) else f"file type {kind}"
        return f"dequantised from {name}" + (f" ({name[1]} bits)" if name.startswith("Q") else "")

    @property
    def for_chat(self) -> bool:
        """Whether the file says that the model was tuned for chat: it carries a template of one."""
        return "tokenizer.chat_template" in self.fields

    @property
    def opens_prompts(self) -> bool:
        """Whether its tokenizer puts a token in front of a text; SentencePiece does unless it says no."""
        spm = self.fields.get("tokenizer.ggml.model") == "llama"
        return bool(self.fields.get("tokenizer.ggml.add_bos_token", spm))


def read_header(path: Path | str) -> Header:
    """Read the metadata of a GGUF file, and check that its weights are all there.

    Raises:
        PolyheadError: it is no such file, or it is cut off.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(4) != MAGIC:
                raise PolyheadError(f"model: {path} is not a GGUF file")
            version, tensors, count = struct.unpack("<IQQ", _exactly(file, 20))
            if version not in (2, 3):
                raise PolyheadError(f"model: {path} is a GGUF file of version {version}; 2 and 3 are read")
            fields = {_text(file): _value(file, _number(file, "I")) for _ in range(count)}
            end = max((_tensor(file) for _ in range(tensors)), default=0)
            start = file.tell()
    except (EOFError, struct.error, UnicodeDecodeError, OverflowError) as error:
        raise PolyheadError(f"model: the GGUF file {path} is cut off or damaged: {error}") from error
    except OSError as error:
        raise PolyheadError(f"model: cannot read {path}: {error}") from error
    alignment = fields.get("general.alignment", ALIGNMENT)
    if path.stat().st_size < -(-start // alignment) * alignment + end:
        raise PolyheadError(f"model: the GGUF file {path} is cut off: its last weights are missing")
    return Header(fields)


def _exactly(file: BinaryIO, count: int) -> bytes:
    if count > LONGEST or len(found := file.read(count)) < count:
        raise EOFError(f"{count} bytes were expected at {file.tell()}")
    return found


def _number(file: BinaryIO, code: str) -> Any:
    return struct.unpack(f"<{code}", _exactly(file, struct.calcsize(f"<{code}")))[0]


def _text(file: BinaryIO) -> str:
    return _exactly(file, _number(file, "Q")).decode("utf-8", errors="replace")


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == STRING:
        return _text(file)
    if kind != ARRAY:
        if kind not in NUMBERS:
            raise EOFError(f"a value of type {kind}, which there is not")
        return _number(file, NUMBERS[kind])
    inner, count = _number(file, "I"), _number(file, "Q")
    if count > LONGEST:
        raise EOFError(f"a list of {count} entries")
    if count > KEPT_ENTRIES and inner in NUMBERS:
        _exactly(file, count * struct.calcsize(f"<{NUMBERS[inner]}"))
        return int(count)
    found = [_value(file, inner) for _ in range(count)]
    return found if count <= KEPT_ENTRIES else int(count)


def _tensor(file: BinaryIO) -> int:
    """Read what is said of one tensor; return where it ends among the weights."""
    _text(file)
    sizes = [_number(file, "Q") for _ in range(_number(file, "I"))]
    weights, size = BLOCKS.get(_number(file, "I"), (1, 0))
    return int(_number(file, "Q") + prod(sizes) // weights * size)
