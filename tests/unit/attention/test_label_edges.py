"""Labels by edge class, and unknown rows without rest, by hand."""

import json

import numpy as np
import pyarrow as pa
import pytest
from test_labels import atoms_of

from polyhead.attention.edge_classes import CLASSES
from polyhead.attention.label_edges import LEAST_AWAKE, label_edges, without_rest
from polyhead.attention.labels import Definitions

NEAR_COPY = ("previous", "induction")
LEFT = 0.02
"""Mass without a behaviour, of rows that keep their label without rest."""
ROWS = [
    {("bos",): 0.97},
    {NEAR_COPY: 0.6, ("previous",): 0.4},
    {("previous",): 1.0},
    {("bos",): 0.5, ("previous",): 0.5},
    {("eos",): 0.5, NEAR_COPY: 0.25, ("induction",): 0.25},
    {("bos",): 0.5},
    {("bos",): 0.94, ("previous",): 0.06 - LEFT * 0.06},
]


def table_of(atoms):
    columns = {f"atom_{mask}": atoms.masses[:, place] for place, mask in enumerate(atoms.masks)}
    return pa.table(columns).replace_schema_metadata({b"behaviours": json.dumps(atoms.behaviours).encode()})


@pytest.fixture(scope="module")
def tables():
    parts = [table_of(atoms_of(*rows)) for rows in (ROWS[:3], ROWS[3:])]  # with different atoms
    return label_edges(parts, Definitions(4, 0.95, ("post",)))


def masses(table, label):
    return table[table["label"] == label].set_index("edges")["mass"]


def test_the_mass_of_a_label_by_class_is_the_mean_over_its_rows(tables):
    edges = tables[0]
    previous = masses(edges, "previous")
    assert previous["open"] == pytest.approx(0.3)
    assert previous["previous"] == pytest.approx(0.7)
    unknown = masses(edges, "unknown")
    assert unknown["rest"] == pytest.approx((0.5 + 0.5 + 0.5 + 0.94) / 4)
    assert unknown["induction"] == pytest.approx(0.25 / 4)
    assert unknown["other"] == pytest.approx((0.5 + LEFT * 0.06) / 4, abs=1e-6)
    np.testing.assert_allclose(edges.groupby("label")["mass"].sum(), 1, atol=1e-6)


def test_labels_come_by_their_rows_each_with_all_classes_in_order(tables):
    edges = tables[0]
    assert edges["label"].unique().tolist() == ["unknown", "previous", "inactive"]
    assert edges["edges"].tolist() == list(CLASSES) * 3
    assert edges.groupby("label", sort=False)["rows"].first().tolist() == [4, 2, 1]
    assert edges.groupby("label", sort=False)["share"].first().tolist() == pytest.approx(
        [4 / 7, 2 / 7, 1 / 7]
    )


def test_unknown_rows_get_the_name_that_they_have_without_rest(tables):
    renamed = tables[1].set_index("label")
    assert renamed["rows"].to_dict() == {"previous": 2, "previous+induction": 1, "unknown": 1}
    assert renamed.loc["previous", "share"] == 0.5


def test_taxonomies_are_told_apart():
    edges, renamed = label_edges([table_of(atoms_of(*ROWS))], Definitions(4, 0.95))
    assert edges["taxonomy"].unique().tolist() == ["post", "extended"]
    extended = renamed[renamed["taxonomy"] == "extended"]
    assert extended["label"].tolist() == ["unknown"]  # half BOS, half nothing: the mixes name all others
    assert edges.groupby("taxonomy")["rows"].sum().tolist() == [7 * len(CLASSES)] * 2


def test_a_study_without_unknown_rows_has_none_to_name():
    _, renamed = label_edges([table_of(atoms_of(ROWS[0]))], Definitions(4, 0.95, ("post",)))
    assert renamed.empty


def test_rest_is_taken_out_and_what_is_left_scaled_up():
    atoms = atoms_of({("bos",): 0.5, ("eos", "previous"): 0.1, ("previous",): 0.3, ("current",): 0.1})
    found = without_rest(atoms)
    assert found.union_mass([["bos", "eos"]])[0] == 0
    np.testing.assert_allclose(found.union_mass([["previous"], ["current"]])[0], [0.75, 0.25], rtol=1e-6)
    assert found.masses.sum() == pytest.approx(1)
    assert found.masses.dtype == atoms.masses.dtype


@pytest.mark.parametrize(("awake", "kept"), [(LEAST_AWAKE - 0.01, True), (LEAST_AWAKE + 0.01, False)])
def test_a_row_that_hardly_does_anything_else_stays_inactive(awake, kept):
    found = without_rest(atoms_of({("bos",): 1 - awake, ("previous",): awake}))
    assert found.union_mass([["bos"]])[0, 0] == pytest.approx(1 - awake if kept else 0, abs=1e-6)
