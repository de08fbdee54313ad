"""The notebooks run on a finished study, from their own folder."""

from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.workflow
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.parametrize("name", ["explore_head", "compare_studies"])
def test_a_notebook_runs(finished, name):
    notebook = jupytext.read(NOTEBOOKS / f"{name}.py")
    study = str(finished.folder / "results/smoke")
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = f"STUDIES = [{study!r}]"
    where = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
