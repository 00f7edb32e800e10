"""The folder of real data, and the rule that no test is skipped for want of what is there.

A test of real data skips with a reason that names UWE_DATA. With UWE_REQUIRE_DATA=1 such a skip
is a failure: a run that was given the data cannot pass without having used them. UWE_REQUIRE_ANN=1
does the same for tests that skip for want of the extra 'ann', and UWE_REQUIRE_BROWSER=1 for those
that skip for want of chromium.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from uwe.graphs.graph import Graph


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data (esco/, workbench/); the test skips where there is none."""
    folder = os.environ.get("UWE_DATA")
    if not folder:
        pytest.skip("UWE_DATA names no folder of real data")
    return Path(folder)


@pytest.fixture(scope="session")
def train_graphs(data_folder: Path) -> dict[str, Graph]:
    """The graphs of `train/` in the folder of real data by name, read once."""
    from uwe.graphs.files import read_graphs

    return {graph.name: graph for graph in read_graphs(data_folder / "train")}


# What forbids skips, and what their reasons name.
_REQUIRED = {
    "UWE_REQUIRE_DATA": "UWE_DATA",
    "UWE_REQUIRE_ANN": "extra 'ann'",
    "UWE_REQUIRE_BROWSER": "chromium",
}


def _check(report: pytest.CollectReport | pytest.TestReport) -> None:
    """Make a failure of a skip that is not allowed."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    for variable, wanted in _REQUIRED.items():
        if os.environ.get(variable) == "1" and wanted in reason:
            report.outcome = "failed"
            report.longrepr = f"{variable}=1 allows no skip for want of {wanted}: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _check(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _check(report)
    return report
