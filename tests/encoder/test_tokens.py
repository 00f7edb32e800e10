"""Token vectors of several texts: what they are made of, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from uwe.encoder.tokens import TokenVectors, checked_vectors
from uwe.errors import InputError
from uwe.metrics import score_metrics
from uwe.ranking.arrays import late_interaction
from uwe.scorer import Scorer


def test_texts_are_joined_and_found_again() -> None:
    vectors = TokenVectors.from_list([[[1, 2], [3, 4]], np.array([[5.0, 6.0]])])
    assert (len(vectors), vectors.dim) == (2, 2)
    assert vectors.values.dtype.name == "float32"
    assert vectors.offsets.dtype.name == "int64"
    assert [rows.tolist() for rows in vectors] == [[[1, 2], [3, 4]], [[5, 6]]]
    with pytest.raises(IndexError):
        vectors[2]


@pytest.mark.parametrize("kind", [np.int32, np.uint16, np.int64])
def test_offsets_are_integers_of_any_kind(kind: Any) -> None:
    assert len(TokenVectors(np.ones((3, 2)), np.array([0, 1, 3], dtype=kind))) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "offsets", "message"),
    [
        (np.ones((2, 3)), [0, 1.7, 2], "float64"),
        (np.ones((2, 3)), [0.0, 2.0], "integer offsets"),
        (np.ones((2, 3)), ["0", "2"], "integer offsets"),
        (np.ones((2, 3)), [False, True], "integer offsets"),
        (np.ones((2, 3)), [[0], [1, 2]], "array of integers"),
        (np.ones((2, 3)), [], "start"),
        (np.ones((2, 3)), 2, "must be 1-D"),
        (np.ones((2, 3)), [0, 0, 2], "text 0"),
        (np.ones(3), [0, 3], r"got \(3,\)"),
        ([[1.0], [1.0, 2.0]], [0, 2], "array"),
        ([["1"]], [0, 1], "array"),
        (np.ones((2, 3), dtype=complex), [0, 2], "got dtype complex128"),
        (None, [0, 1], "array"),
    ],
)
def test_arrays_that_do_not_fit(values: Any, offsets: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TokenVectors(values, offsets)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([], "at least one"),
        ([1.0], r"got \(\)"),
        ([[1.0, 2.0]], r"got \(2,\)"),
        ([[[1.0]], [[1.0, 2.0]]], r"\(1, 2\)"),
        ([[[1.0]], 3], r"got \(\)"),
        ([[[1.0], [1.0, 2.0]]], "text 0"),
        ([[[1.0]], [["a"]]], "text 1"),
        ("chef", "text 0"),
        (None, "got NoneType"),
    ],
)
def test_lists_that_do_not_fit(vectors: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TokenVectors.from_list(vectors)


def test_what_an_encoder_returns_is_checked() -> None:
    vectors = TokenVectors.from_list([[[1.0]]])
    assert checked_vectors(vectors, 1) is vectors
    with pytest.raises(InputError, match="TokenVectors"):
        checked_vectors([[[1.0]]], 1)
    with pytest.raises(InputError, match="those of 1"):
        checked_vectors(vectors, 2)


def unaligned(array: np.ndarray) -> np.ndarray:
    """The same numbers, contiguous, but not where the processor wants them."""
    raw = np.empty(array.nbytes + 1, dtype=np.uint8)
    moved = raw[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


def test_arrays_that_are_not_aligned_are_copied() -> None:
    values = np.arange(6, dtype=np.float32).reshape(3, 2) + 1
    offsets = np.array([0, 1, 3])
    vectors = TokenVectors(unaligned(values), unaligned(offsets))
    assert vectors.values.flags.aligned
    assert vectors.offsets.flags.aligned
    np.testing.assert_array_equal(vectors.values, values)
    scorer = Scorer("max")
    wanted = late_interaction(values[:2], values, offsets, scorer=scorer)
    found = late_interaction(unaligned(values[:2]), unaligned(values), offsets, scorer=scorer)
    np.testing.assert_array_equal(found, wanted)
    scores = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert score_metrics(unaligned(scores), [unaligned(np.array([0])), [1]]).means() == (
        score_metrics(scores, [[0], [1]]).means()
    )
