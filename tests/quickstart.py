"""Running the notebook of the docs, as a reader of a fresh clone does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "quickstart.ipynb"
LONGEST_S = 120  # of one cell, on a busy machine: one encodes the occupations of ESCO


def executed(notebook: Any, folder: Path) -> None:
    """Fill in what the cells show, without what differs from one run to the next.

    Raises:
        CellExecutionError: If one of them fails.
    """
    environment = {name: value for name, value in os.environ.items() if name != "UWE_DATA"}
    environment.setdefault("UWE_CACHE_DIR", str(folder / "user-cache"))
    client = NotebookClient(
        notebook,
        timeout=LONGEST_S,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=environment)
    notebook.metadata["language_info"] = {"name": "python"}  # not which Python


def read() -> Any:
    """The notebook as it is kept."""
    return nbformat.read(NOTEBOOK, as_version=4)


def shown(cell: Any) -> str:
    """What a cell prints, warnings included, and what it shows, as plain text."""
    texts = (
        output.text if output.output_type == "stream" else output.data["text/plain"]
        for output in cell.outputs
    )
    return "\n".join(texts)
