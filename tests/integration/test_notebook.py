import nbformat
import numpy as np
import pyarrow as pa
import pytest
from polyhead.report.numbers import format_value
from report_study import REPOSITORY, write_study

from polyhead.attention.labels import label_shards
from polyhead.attention.rows import write_shard
from polyhead.errors import PolyheadError
from polyhead.files import write_parquet
from polyhead.model.opening import open_model
from polyhead.prompts.sampling import prompts_table
from polyhead.report.notebook import execute, with_parameters

NOTEBOOK = REPOSITORY / "notebooks" / "explore_head.py"
HEAD = "1.2"


@pytest.fixture(scope="module")
def study(tmp_path_factory, model_dir, prompts):
    """A study of the toy model: two shards of real rows, labels, and the made-up tables of the report."""
    folder = write_study(tmp_path_factory.mktemp("study"), tasks=(), head=[HEAD], model=str(model_dir))
    head = folder / "heads" / HEAD
    model, vocabulary = open_model(model_dir)
    shards = [head / "rows" / f"{first:06d}.parquet" for first in (0, 3)]
    for first, path in zip((0, 3), shards, strict=True):
        some = slice(first, first + 3)
        write_shard([path], model, vocabulary, [(1, 2)], np.arange(6)[some], prompts[some], 4)
    write_parquet(head / "labels.parquet", pa.concat_tables(label_shards(shards, ["post", "extended"], 0.6)))
    write_parquet(
        folder / "prompts.parquet",
        prompts_table(np.arange(6, dtype=np.int32), ["x"] * 6, ["code"] * 6, prompts),
    )
    return folder


def outputs(notebook):
    """Return everything that the cells show as text."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found.append(output.get("text") or output["data"].get("text/plain", ""))
    return "\n".join(found)


def test_the_notebook_runs_on_a_study(study, tmp_path):
    execute(NOTEBOOK, tmp_path / "made.ipynb", tmp_path, STUDY=str(study), HEAD=HEAD)
    notebook = nbformat.read(tmp_path / "made.ipynb", as_version=4)
    shown = outputs(notebook)
    assert f"head {HEAD} of" in shown
    assert format_value(0.412, "percent") in shown
    last = notebook.cells[-1]["outputs"][-1]["data"]
    assert "<svg" in last["image/svg+xml"]


def test_a_cell_that_fails_is_told(tmp_path):
    source = tmp_path / "broken.py"
    source.write_text('# %% tags=["parameters"]\nX = 1\n# %%\nraise ValueError(f"x is {X}")\n')
    with pytest.raises(PolyheadError, match=r"broken\.py: a cell failed: ValueError: x is 5"):
        execute(source, tmp_path / "made.ipynb", tmp_path, X="5")
    assert not (tmp_path / "made.ipynb").exists()


def test_parameters_need_their_cell():
    with pytest.raises(PolyheadError, match="parameters"):
        with_parameters(nbformat.v4.new_notebook(), X="1")
