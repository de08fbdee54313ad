"""Execute a notebook that is stored as a Python file, and write it with its outputs."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from polyhead.errors import PolyheadError
from polyhead.files import write_text

PARAMETERS = "parameters"
SECONDS = 900


def with_parameters(notebook: NotebookNode, **values: str) -> NotebookNode:
    """Return the notebook with a new cell that sets `values`, after the cell tagged `parameters`.

    Raises:
        PolyheadError: there is no cell with this tag.
    """
    tagged = [k for k, cell in enumerate(notebook.cells) if PARAMETERS in cell.metadata.get("tags", [])]
    if not tagged:
        raise PolyheadError(f"the notebook has no cell tagged {PARAMETERS!r}")
    lines = [f"{name} = {value!r}" for name, value in values.items()]
    notebook.cells.insert(tagged[0] + 1, nbformat.v4.new_code_cell("\n".join(lines)))
    return notebook


def execute(source: Path, output: Path, folder: Path, **values: str) -> None:
    """Execute a notebook and write it with its outputs.

    Args:
        source: Python file in jupytext's percent format.
        output: `.ipynb` to write.
        folder: working directory of the notebook.
        values: parameters to set.

    Raises:
        PolyheadError: a cell fails; the message says which and how.
    """
    notebook = with_parameters(jupytext.read(source), **values)
    client = NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    try:
        client.execute()
    except CellExecutionError as error:
        last = f"{error.ename}: {error.evalue}"
        raise PolyheadError(f"{source.name}: a cell failed: {last}\n{error}") from error
    write_text(output, nbformat.writes(notebook))
