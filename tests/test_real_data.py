"""The rule about skips fails where it must."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

VARIABLES = ["UWE_REQUIRE_DATA", "UWE_REQUIRE_ANN", "UWE_REQUIRE_BROWSER"]
SKIPS = """
import pytest
def test_a(): pytest.skip("UWE_DATA names no folder of real data")
def test_b(): pytest.importorskip("no_such_module", reason="the extra 'ann' is not installed")
def test_c(): pytest.skip("no chromium")
def test_d(): pass
"""
SKIPS_AS_A_MODULE = """
import pytest
pytest.skip("UWE_DATA names no folder of real data", allow_module_level=True)
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest((Path(__file__).parent / "real_data.py").read_text(encoding="utf-8"))
    return pytester


def test_without_the_data_their_tests_skip(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    project.makepyfile(SKIPS)
    project.runpytest_inprocess("-p", "no:benchmark").assert_outcomes(passed=1, skipped=3)


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_skip_for_want_of_what_is_required_fails(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for other in VARIABLES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, "1")
    project.makepyfile(SKIPS)
    result = project.runpytest_inprocess("-p", "no:benchmark")
    result.assert_outcomes(passed=1, skipped=2, failed=1)
    result.stdout.fnmatch_lines([f"*{variable}=1 allows no skip*"])


def test_with_the_data_a_module_that_skips_for_want_of_them_fails(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UWE_REQUIRE_DATA", "1")
    project.makepyfile(SKIPS_AS_A_MODULE)
    assert project.runpytest_inprocess("-p", "no:benchmark").ret != 0
