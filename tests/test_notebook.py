"""The notebook of the docs: it shows what it does, and what is kept has nothing of a machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quickstart import NOTEBOOK, executed, read, shown
from readme import differ


@pytest.mark.slow
def test_the_cells_show_what_is_kept(tmp_path: Path) -> None:
    kept, ran = read(), read()
    executed(ran, tmp_path)
    cells = zip(kept.cells, ran.cells, strict=True)
    for before, after in ((a, b) for a, b in cells if a.cell_type == "code"):
        assert not differ(shown(before), shown(after), tolerance=0.02), (
            f"expected\n{shown(before)}\nof\n{after.source}\ngot\n{shown(after)}\n"
            "`make notebook` rewrites it"
        )


def test_what_is_kept_was_run_once_from_the_top_without_a_warning() -> None:
    cells = [cell for cell in read().cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert not cell.metadata
        assert all(output.get("name") != "stderr" for output in cell.outputs)
        assert not re.search(r"/(tmp|home|Users|root|work)/", shown(cell))


def test_its_links_lead_somewhere() -> None:
    texts = [cell.source for cell in read().cells if cell.cell_type == "markdown"]
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", "\n".join(texts))
    assert links
    assert [link for link in links if not (NOTEBOOK.parent / link).exists()] == []
