"""Fixtures that several rooms share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from real_data import (  # noqa: F401  fixtures and hooks act where conftest has their names
    data_folder,
    pytest_make_collect_report,
    pytest_runtest_makereport,
)
from uwe.tokens import TokenVectors


class HashEncoder:
    """Eight dimensions, one token a word, each a function of the word's bytes alone.

    It has neither source nor fingerprint nor scorer, as an encoder of a user's may.
    """

    dim = 8

    def encode(self, texts: Sequence[str], /) -> TokenVectors:
        return TokenVectors.from_list(
            [np.stack([self._word(word) for word in text.split()]) for text in texts]
        )

    def _word(self, word: str) -> np.ndarray:
        digest = hashlib.sha256(word.encode()).digest()
        return np.frombuffer(digest, dtype=np.int8)[: self.dim].astype(np.float32) / 64 + 0.01


@pytest.fixture
def encoder() -> HashEncoder:
    """A tiny deterministic encoder."""
    return HashEncoder()
