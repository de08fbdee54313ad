"""Damaged files are noticed before anything is computed from them, and named with a way to get them back."""

import errno
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyhead.errors import PolyheadError, explain, printable
from polyhead.files import check_sum, read_json, read_parquet, replacing, sha256, write_json, write_parquet
from polyhead.model.opening import open_model
from polyhead.prompts.parts import open_split

BITS_BETWEEN_FLIPS = 71
FILES = ["model.safetensors", "tokenizer.json", "config.json"]


@pytest.fixture
def shard(tmp_path):
    """A shard of rows like those of a study."""
    masses = np.random.default_rng(0).dirichlet([1, 1, 1], 200).astype(np.float32)
    columns = {f"atom_{mask}": masses[:, k] for k, mask in enumerate((0, 1, 3))} | {"token": np.arange(200)}
    table = pa.table(columns).replace_schema_metadata({"behaviours": json.dumps(["bos", "eos", "previous"])})
    write_parquet(tmp_path / "000000.parquet", table)
    return tmp_path / "000000.parquet"


@pytest.fixture
def model(model_dir, tmp_path):
    """A copy of the toy model with recorded checksums."""
    folder = tmp_path / "models/toy"
    shutil.copytree(model_dir, folder)
    lines = [f"{sha256(path)}  toy/{path.name}" for path in sorted(folder.iterdir())]
    (folder.parent / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    return folder


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_a_flipped_bit_or_a_lost_end_of_a_shard_is_noticed_or_changes_nothing(shard):
    path, written, whole, noticed = shard, read_parquet(shard), shard.read_bytes(), 0
    pages = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")  # the rest is Parquet's footer
    flips = range(0, 8 * pages, BITS_BETWEEN_FLIPS)
    for bit in flips:
        path.write_bytes(whole)
        flip(path, bit)
        try:
            assert read_parquet(path).equals(written, check_metadata=True), f"bit {bit}"
        except PolyheadError as error:
            noticed += str(path) in str(error)
    assert noticed > 0.8 * len(flips)
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(PolyheadError, match=r"000000\.parquet is damaged .*delete it and run again: rm"):
            read_parquet(path)


def test_some_rows_are_read_without_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr("polyhead.files.LARGEST_ROW_GROUP", 4)
    table = pa.table({"prompt": np.arange(10), "other": np.arange(10)})
    write_parquet(tmp_path / "a.parquet", table)
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    for first in range(11):
        for count in (0, 1, 4, 5, 10, None):
            read = read_parquet(tmp_path / "a.parquet", ["prompt"], first, count)["prompt"].to_pylist()
            assert read == list(range(10))[first : None if count is None else first + count]


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_in_a_model_is_noticed_by_its_checksum_and_a_truncated_file_without(model, name):
    open_model(model)
    flip(model / name, 8 * ((model / name).stat().st_size * 2 // 3))
    words = rf"toy/{name} is damaged or was changed: .*SHA256SUMS; restore it"
    with pytest.raises(PolyheadError, match=words):
        open_model(model)
    (model.parent / "SHA256SUMS").unlink()
    write_json(model / "source.json", {"written": {name: "0" * 64}})  # of a model that was fetched
    with pytest.raises(PolyheadError, match=r"not the one in .*source\.json"):
        open_model(model)
    (model / "source.json").unlink()
    content = (model / name).read_bytes()
    (model / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(PolyheadError, match=f"toy/{name}"):
        open_model(model)


def test_a_damaged_corpus_is_noticed_and_a_file_without_a_record_is_not_complained_about(tmp_path):
    path = tmp_path / "held_out.parquet"
    pq.write_table(pa.table({"tokens": [[0, 1]], "source": ["a"], "source_type": ["code"]}), path)
    (tmp_path / "other").write_text("x")
    (tmp_path / "SHA256SUMS").write_text(f"{sha256(path)}  held_out.parquet\n")
    check_sum(tmp_path / "other")
    assert open_split(path).sequences == 1
    flip(path, 200)
    with pytest.raises(PolyheadError, match=r"held_out\.parquet is damaged"):
        open_split(path)


def test_half_written_json_is_named(tmp_path):
    (tmp_path / "results").mkdir()
    (path := tmp_path / "results/a.json").write_text('{"shown": [')
    with pytest.raises(PolyheadError, match=r"a\.json is damaged: not JSON .*rm '"):
        read_json(path)


def test_what_a_killed_writer_left_goes_with_the_next(tmp_path):
    left, other = tmp_path / ".rows.99999.tmp.csv", tmp_path / ".rowsandmore.99999.tmp.csv"
    left.write_text("half")
    other.write_text("of somebody else")
    with replacing(tmp_path / "rows.csv") as temporary:
        temporary.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"rows.csv", other.name}


def test_errors_are_said_in_words():
    lines = {
        OSError(errno.ENOSPC, "", "x.csv"): "no space left on the disk (x.csv); make room and run the same",
        PermissionError(errno.EACCES, "", "results"): "no permission, or a read-only disk (results); make it",
        MemoryError(): "not enough memory; make shards smaller",
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"): "not enough memory",
        PolyheadError("as it is"): "as it is",
        KeyError("shape"): "KeyError: 'shape'",
    }
    for error, line in lines.items():
        assert explain(error).startswith(line)


def test_what_is_shown_cannot_drive_a_terminal():
    shown = printable("\x1b[2J\u202eevil\ud800 é ⏎\n" + "x" * 10**7)
    assert shown.split("\n")[0] == r"\x1b[2J\u202eevil\ud800 é ⏎"
    assert shown.endswith("x … (10000000 characters)")
    assert len(shown) < 500
