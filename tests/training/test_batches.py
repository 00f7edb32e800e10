"""Batches of a recipe: drawn, padded and augmented as it says, the same for the same number."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny_run import write_data, write_recipe
from uwe.training.batches import RecipeBatches
from uwe.training.recipe import read_recipe


def count_words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batches")
    write_recipe(folder)
    return write_data(folder)


def batches_of(folder: Path, *changes: str) -> RecipeBatches:
    return RecipeBatches(read_recipe(folder / "tiny.toml", changes=changes), folder, count_words)


@pytest.mark.parametrize("queries", ["left", "right"])
def test_texts_of_the_querys_side_are_augmented(folder: Path, queries: str) -> None:
    change = f"graph.V.queries={queries}"
    plain = batches_of(folder, change)
    changed = batches_of(folder, change, "graph.V.augment={marks=1}")
    number = next(n for n in range(20) if plain.batch(n).graph.name == "V")
    one, other = plain.batch(number), changed.batch(number)
    assert (list(one.left) != list(other.left)) is (queries == "left")
    assert (list(one.right) != list(other.right)) is (queries == "right")
    assert list(other.right) == list(changed.batch(number).right)


def test_sentences_are_padded(folder: Path) -> None:
    plain, padded = batches_of(folder), batches_of(folder, "graph.V.padding=1")
    number = next(n for n in range(20) if plain.batch(n).graph.name == "V")
    pairs = zip(plain.batch(number).right, padded.batch(number).right, strict=True)
    assert all(one in other and len(other) > len(one) for one, other in pairs)
