"""Rows: atoms partition the mass, agree with loops over pairs, and keep what every window needs."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from toys import causal_pattern, slow_set

import polyhead.attention.rows as rows_module
from polyhead.attention.behaviours import BEHAVIOURS, Context, sparse_atoms
from polyhead.attention.labels import read_atoms
from polyhead.attention.rows import (
    LARGEST_WINDOW,
    atom_masses,
    batch_size,
    head_rows,
    occurring_atoms,
    patterns,
    recent_induction,
    recent_mass,
    shard_tables,
    tables_of_heads,
    write_tables,
)
from polyhead.model.opening import open_model

EOS = 2


def context_of(tokens, window=2):
    tokens = np.array(tokens, np.int32)
    indent = np.where((tokens >= 20) & (tokens < 30), tokens - 20, -1)
    return Context(tokens, indent, EOS, window)


def slow_masses(pattern, context):
    """Add up one pair after the other: {(head, dest): {set of names: mass}}."""
    found = {}
    for head, of_head in enumerate(pattern.tolist()):
        for i, row in enumerate(of_head):
            masses = found.setdefault((head, i), {})
            for j in range(i + 1):
                holds = slow_set(
                    BEHAVIOURS, context.tokens, context.indent, context.eos, context.window, i, j
                )
                masses[holds] = masses.get(holds, 0.0) + row[j]
    return found


def mask_of(names):
    return sum(1 << list(BEHAVIOURS).index(name) for name in names)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([EOS, 10, 11, 20, 23, 27]), min_size=1, max_size=12),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_masses_against_loops(rest, window, seed):
    context = context_of([1, *rest], window)
    pattern = causal_pattern(np.random.default_rng(seed), 2, len(context.tokens))
    masks = occurring_atoms([context])
    masses = atom_masses(pattern, sparse_atoms(context), masks)
    assert masks[0] == 0
    for (head, dest), expected in slow_masses(pattern, context).items():
        for place, mask in enumerate(masks.tolist()):
            wanted = sum(mass for names, mass in expected.items() if mask_of(names) == mask)
            assert masses[head, place, dest] == pytest.approx(wanted, abs=1e-6)


def test_atoms_sum_to_one_and_none_is_negative():
    rng = np.random.default_rng(0)
    context = context_of([1, *rng.choice([EOS, 10, 11, 20, 23], 63)], window=4)
    masses = atom_masses(causal_pattern(rng, 3, 64), sparse_atoms(context), occurring_atoms([context]))
    assert masses.min() >= 0
    np.testing.assert_allclose(masses.sum(1), 1, atol=1e-6)


def test_row_by_hand():
    # BOS A B A; the last row: .1 to BOS, .2 to the copy, .3 to what followed it (one back), .4 to itself
    pattern = torch.tensor([[[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.2, 0.3, 0.5, 0], [0.1, 0.2, 0.3, 0.4]]])
    context = context_of([1, 10, 11, 10], window=1)
    masks = occurring_atoms([context])
    (rows,) = head_rows(pattern, sparse_atoms(context), masks)
    last = {int(mask): float(mass) for mask, mass in zip(masks, rows.masses[:, 2], strict=True) if mass}
    assert last == pytest.approx(
        {
            mask_of(["bos"]): 0.1,
            mask_of(["duplicate"]): 0.2,
            mask_of(["previous", "induction"]): 0.3,
            mask_of(["current"]): 0.4,
        }
    )
    assert rows.top_source.tolist() == [0, 2, 3]
    assert rows.top_weight.tolist() == pytest.approx([0.5, 0.5, 0.4])
    assert rows.recent[0].tolist() == pytest.approx([0, 0.3, 0.3])  # position 0 is left out
    assert rows.recent[1].tolist() == pytest.approx([0, 0, 0.2])


@pytest.mark.parametrize("n", [2, 3, 9, 10, 14])
def test_recent_masses_against_loops(n):
    pattern = causal_pattern(np.random.default_rng(n), 2, n)
    near = recent_mass(pattern)
    for i in range(n):
        for d in range(1, LARGEST_WINDOW + 1):
            expected = pattern[:, i, i - d].numpy() if i - d >= 1 else np.zeros(2)
            np.testing.assert_array_equal(near[:, d - 1, i], expected)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(5, 7), min_size=1, max_size=16))
def test_recent_induction_against_the_definition(rest):
    tokens = np.array([1, *rest], np.int32)
    flags = recent_induction(tokens)
    pairs = sparse_atoms(Context(tokens, np.full(len(tokens), -1), EOS, 1))
    holds = {
        (int(i), int(j)) for i, j, m in zip(pairs.dest, pairs.src, pairs.mask, strict=True) if m >> 3 & 1
    }
    for i in range(len(tokens)):
        for d in range(1, LARGEST_WINDOW + 1):
            assert bool(flags[i] >> (d - 1) & 1) == ((i, i - d) in holds)


@pytest.fixture(scope="module")
def opened(model_dir):
    return open_model(model_dir)[0]


def test_table_layout(opened, vocabulary, prompts):
    prompt_ids = np.arange(100, 106)
    (table,) = shard_tables(opened, vocabulary, [(1, 2)], prompt_ids, prompts, 4)
    assert table.num_rows == 6 * 47
    assert json.loads(table.schema.metadata[b"behaviours"]) == list(BEHAVIOURS)
    names = table.column_names
    atoms = [name for name in names if name.startswith("atom_")]
    assert names[:3] == ["prompt", "position", "token"]
    types = {name: str(table.schema.field(name).type) for name in names}
    assert {types[name] for name in ("prompt", "position", "token", "top_source")} == {"int32"}
    assert {types[name] for name in (*atoms, "top_weight", "recent_1", "recent_8")} == {"float"}
    assert table["prompt"].to_pylist() == [p for p in range(100, 106) for _ in range(47)]
    assert table["position"].to_pylist() == [*range(1, 48)] * 6
    assert table["token"].to_pylist() == prompts[:, 1:].reshape(-1).tolist()
    np.testing.assert_allclose(read_atoms(table).masses.sum(1), 1, atol=1e-6)


def test_heads_of_any_order_in_one_pass_equal_heads_alone(opened, vocabulary, prompts):
    heads = [(1, 2), (0, 1), (1, 0)]
    together = shard_tables(opened, vocabulary, heads, np.arange(6), prompts, 4)
    for head, table in zip(heads, together, strict=True):
        (alone,) = shard_tables(opened, vocabulary, [head], np.arange(6), prompts, 4)
        assert table.column_names == alone.column_names
        for name in table.column_names:
            np.testing.assert_allclose(table[name], alone[name], atol=1e-6, err_msg=name)


def test_no_layer_above_the_head_is_run(opened, prompts, monkeypatch):
    ran = []
    layer = type(opened.layers[0])
    run = layer.run_and_capture
    monkeypatch.setattr(layer, "run_and_capture", lambda self, x: ran.append(self) or run(self, x))
    patterns(opened, [(0, 1)], torch.from_numpy(prompts).long())
    assert ran == []
    patterns(opened, [(1, 1)], torch.from_numpy(prompts).long())
    assert [layer is opened.layers[0] for layer in ran] == [True]


def test_file_equals_tables_whatever_the_group(opened, vocabulary, prompts, tmp_path, monkeypatch):
    heads = [(0, 0), (1, 1)]
    tables = shard_tables(opened, vocabulary, heads, np.arange(6), prompts, 4)
    monkeypatch.setattr(rows_module, "ROWS_AT_ONCE", 4 * 2 * 48)
    monkeypatch.setattr(rows_module, "PATTERN_ENTRIES", 1)
    paths = [tmp_path / f"{head}.parquet" for head in "ab"]
    write_tables(paths, tables_of_heads(opened, vocabulary, heads, np.arange(6), prompts, 4))
    for path, table in zip(paths, tables, strict=True):
        stored = pq.read_table(path)
        assert stored.schema.equals(table.schema, check_metadata=True)
        assert pq.ParquetFile(path).num_row_groups == 2
        for name in table.column_names:
            np.testing.assert_allclose(stored[name], table[name], atol=1e-6, err_msg=name)


def test_a_failing_run_leaves_no_file(opened, vocabulary, prompts, tmp_path):
    too_long = np.concatenate([prompts, prompts], 1)  # 96 tokens; the model reads 64
    with pytest.raises(RuntimeError):
        write_tables(
            [tmp_path / "a.parquet"], tables_of_heads(opened, vocabulary, [(0, 0)], np.arange(6), too_long, 4)
        )
    assert list(tmp_path.iterdir()) == []


def test_batches_stay_within_the_bound():
    assert batch_size([(0, 0)], 1024) == 1
    assert batch_size([(0, 0), (1, 0)], 256) == 16  # one head in each layer
    assert batch_size([(0, h) for h in range(8)], 256) == 2


def test_shapes_are_checked_in_tests():
    context = context_of([1, 10, 11])
    with pytest.raises(TypeCheckError):
        atom_masses(torch.ones(3, 3), sparse_atoms(context), occurring_atoms([context]))
