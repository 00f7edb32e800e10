"""Run docs/quickstart.ipynb and keep what its cells show: after a change of what they show, say.

    python scripts/make_notebook.py

Prose is left alone: read it again where a figure or a label has changed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from quickstart import NOTEBOOK, executed, read  # noqa: E402  the path above comes first


def main() -> None:
    """Run it in a folder of its own, and write it where it is."""
    notebook = read()
    with tempfile.TemporaryDirectory() as folder:
        executed(notebook, Path(folder))
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
