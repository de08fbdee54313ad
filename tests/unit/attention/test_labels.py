"""Taxonomies: order, thresholds, mixes, ties; labels against loops."""

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyhead.attention.behaviours import BEHAVIOURS
from polyhead.attention.labels import (
    LARGEST_MIX,
    POST,
    TOLERANCE,
    Atoms,
    extended_labels,
    label_shards,
    label_table,
    post_labels,
    read_atoms,
)
from polyhead.errors import PolyheadError
from polyhead.files import write_parquet

NAMES = tuple(BEHAVIOURS)


def mask(*names):
    return sum(1 << NAMES.index(name) for name in names)


def atoms_of(*rows):
    """Atoms from rows written as {(names of the atom): mass}; what is missing to 1 goes to no behaviour."""
    masks = sorted({mask(*names) for row in rows for names in row} | {0})
    masses = np.zeros((len(rows), len(masks)), np.float32)
    for i, row in enumerate(rows):
        for names, mass in row.items():
            masses[i, masks.index(mask(*names))] += mass
        masses[i, 0] += 1 - sum(row.values())
    return Atoms(masses, np.array(masks), NAMES)


def post(row, threshold=0.95):
    return post_labels(atoms_of(row), threshold)[0]


def extended(row, threshold=0.95):
    return extended_labels(atoms_of(row), threshold)[0]


BOTH = ("previous", "induction")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({("bos",): 0.96}, "inactive"),
        ({("bos",): 0.5, ("eos",): 0.46}, "inactive"),
        ({("bos",): 0.94}, "unknown"),
        ({("previous",): 0.97}, "previous"),
        ({("previous",): 0.5, BOTH: 0.46}, "previous"),  # an overlap counts once, as previous
        ({("previous",): 0.5, ("induction",): 0.46}, "previous+induction"),
        ({("induction",): 0.96}, "previous+induction"),
        ({("induction",): 0.5, ("duplicate",): 0.5}, "unknown"),
        ({("previous",): 0.5, ("bos",): 0.5}, "unknown"),
        ({("eos", "previous"): 0.97}, "inactive"),  # EOS one back fits both: the first label wins
        ({("eos", "previous"): 0.5, ("previous",): 0.47}, "previous"),
        ({("current",): 1.0}, "unknown"),
    ],
)
def test_post(row, expected):
    assert post(row) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({("current",): 0.96}, "current"),
        ({("previous",): 0.5, ("duplicate",): 0.46}, "previous+duplicate"),
        ({("previous",): 0.96, ("duplicate",): 0.04}, "previous"),  # the smallest set, not the fullest
        ({("bos",): 0.4, ("current",): 0.3, ("indent_same",): 0.26}, "bos+current+indent_same"),
        ({("bos",): 0.3, ("current",): 0.3, ("eos",): 0.2, ("induction",): 0.2}, "unknown"),  # takes four
        ({BOTH: 0.6, ("previous",): 0.35, ("induction",): 0.05}, "previous"),
        ({BOTH: 0.91, ("previous",): 0.04, ("induction",): 0.05}, "induction"),  # both reach it: most mass
        ({BOTH: 1.0}, "previous"),  # a tie: the registry's order
        ({BOTH: 0.5, ("bos",): 0.5}, "bos+previous"),
        ({("duplicate", "indent_same"): 0.9, ("indent_same",): 0.06}, "indent_same"),
        ({(): 1.0}, "unknown"),
    ],
)
def test_extended(row, expected):
    assert extended(row) == expected


def test_post_labels_do_not_depend_on_line_start():
    """Atoms with and without the bit of `line_start` get the same label of the post."""
    rng = np.random.default_rng(7)
    bit, masks = 1 << NAMES.index("line_start"), np.sort(rng.choice(1 << 9, 40, replace=False))
    masses = rng.dirichlet(np.full(40, 0.05), 500).astype(np.float32)
    without, with_it = (Atoms(masses, masks | more, NAMES) for more in (0, bit))
    assert len(set(post_labels(without, 0.7))) == 4
    assert post_labels(without, 0.7).tolist() == post_labels(with_it, 0.7).tolist()
    assert extended_labels(without, 0.7).tolist() != extended_labels(with_it, 0.7).tolist()


def test_threshold_is_reached_within_float32_rounding():
    assert post({("bos",): 0.95}) == "inactive"
    assert post({("bos",): 0.95 - 10 * TOLERANCE}) == "unknown"
    assert extended({("bos",): 0.95}) == "bos"
    assert extended({("bos",): 0.95 - 10 * TOLERANCE}) == "unknown"


def slow_label(atoms, row, threshold, sets):
    for name, behaviours in sets:
        bits = mask(*behaviours)
        mass = sum(float(m) for m, a in zip(atoms.masses[row], atoms.masks.tolist(), strict=True) if a & bits)
        if mass >= threshold - TOLERANCE:
            return name
    return "unknown"


def slow_extended(atoms, row, threshold):
    for size in range(1, LARGEST_MIX + 1):
        reached = []
        for mix in combinations(NAMES, size):
            bits = mask(*mix)
            pairs = zip(atoms.masses[row], atoms.masks.tolist(), strict=True)
            mass = round(sum(float(m) for m, a in pairs if a & bits), 6)
            if mass >= threshold - TOLERANCE:
                reached.append((mass, "+".join(mix)))
        if reached:
            top = max(mass for mass, _ in reached)
            return {name for mass, name in reached if mass >= top - 3e-6}
    return {"unknown"}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1.0))
def test_labels_against_loops(seed, threshold):
    rng = np.random.default_rng(seed)
    masks = np.sort(rng.choice(1 << len(NAMES), 12, replace=False))
    masses = rng.dirichlet(np.full(12, 0.25), 6).astype(np.float32)
    atoms = Atoms(masses, masks, NAMES)
    near = np.abs(atoms.union_mass(list(POST.values())) - threshold) < 1e-4
    extended_found, post_found = extended_labels(atoms, threshold), post_labels(atoms, threshold)
    for row in range(6):
        if not near[row].any():
            assert post_found[row] == slow_label(atoms, row, threshold, POST.items())
        assert extended_found[row] in slow_extended(atoms, row, threshold)


def table_of(atoms, prompt, reverse=False):
    columns = {f"atom_{m}": atoms.masses[:, k] for k, m in enumerate(atoms.masks)}
    columns = dict(reversed(columns.items())) if reverse else columns
    rows = len(atoms.masses)
    head = {
        "prompt": np.full(rows, prompt, np.int32),
        "position": np.arange(1, rows + 1, dtype=np.int32),
        "token": np.arange(rows, dtype=np.int32),
        "top_source": np.zeros(rows, np.int32),
    }
    return pa.table({**head, **columns}).replace_schema_metadata({"behaviours": json.dumps(NAMES)})


def test_column_order_does_not_matter():
    atoms = atoms_of({("bos",): 1.0}, {BOTH: 0.6, ("duplicate",): 0.4})
    plain, turned = (label_table(table_of(atoms, 0, r), ["post", "extended"], 0.95) for r in (False, True))
    pd.testing.assert_frame_equal(plain, turned)
    assert plain["extended"].tolist() == ["bos", "previous+duplicate"]


def test_bits_are_read_from_the_file_not_from_the_registry():
    table = pa.table({"atom_1": np.ones(1, np.float32)})
    atoms = read_atoms(table.replace_schema_metadata({"behaviours": '["current", "bos"]'}))
    assert extended_labels(atoms, 0.95)[0] == "current"


def test_shards_with_different_atoms_are_put_together(tmp_path):
    first, second = atoms_of({("bos",): 1.0}), atoms_of({("current",): 1.0}, {("previous",): 1.0})
    for name, atoms, prompt in (("a", first, 0), ("b", second, 1)):
        write_parquet(tmp_path / f"{name}.parquet", table_of(atoms, prompt))
    found = list(label_shards([tmp_path / "a.parquet", tmp_path / "b.parquet"], ["post", "extended"], 0.95))
    frame = pa.concat_tables(found).to_pandas()
    assert frame["post"].tolist() == ["inactive", "unknown", "previous"]
    assert frame["extended"].tolist() == ["bos", "current", "previous"]
    assert frame["prompt"].tolist() == [0, 1, 1]


def test_a_damaged_shard_says_which_and_what_to_do(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(PolyheadError, match=r"a\.parquet.*delete it"):
        list(label_shards([tmp_path / "a.parquet"], ["post"], 0.95))
