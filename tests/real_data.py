"""The folder of real data, and the rule that no test of them is skipped where they are.

A test of real data skips with a reason that names UWE_DATA. With UWE_REQUIRE_DATA=1 such a skip
is a failure: a run that was given the data can not pass without having used them.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data (esco/, workbench/); the test skips where there is none."""
    folder = os.environ.get("UWE_DATA")
    if not folder:
        pytest.skip("UWE_DATA names no folder of real data")
    return Path(folder)


def _lacks_data(report: pytest.CollectReport | pytest.TestReport) -> bool:
    if os.environ.get("UWE_REQUIRE_DATA") != "1" or not report.skipped:
        return False
    return not hasattr(report, "wasxfail") and "UWE_DATA" in str(report.longrepr)


def _fail(report: pytest.CollectReport | pytest.TestReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"UWE_REQUIRE_DATA=1 allows no skip for want of data: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _lacks_data(report):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if _lacks_data(report):
        _fail(report)
    return report
