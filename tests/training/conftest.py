"""Fixtures of training: tiny graphs, and a recipe that trains on them in a second."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_run import write_data

    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_run import write_recipe  # which needs transformers

    return write_recipe(tmp_path_factory.mktemp("recipe"))
