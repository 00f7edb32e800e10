"""Fixtures that several folders of tests share."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Beside other workers, threads of one test wait for each other. Tests of threads set them.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("UWE_THREADS", "1")

import numpy as np
import pytest

from cli_shell import cli_folder, shell  # noqa: F401  fixtures act where conftest has their names
from real_data import (  # noqa: F401  and hooks likewise
    data_folder,
    pytest_make_collect_report,
    pytest_runtest_makereport,
    train_graphs,
)
from uwe.cache.target_cache import TargetCache
from uwe.encoder.text_encoder import Token
from uwe.encoder.tokens import TokenVectors
from uwe.parallelism import available_threads
from uwe.scorer import Scorer


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto` is a worker for each processor, and no more of them than have enough to do."""
    return min(8, available_threads())


def pytest_configure() -> None:
    """Set up the process.

    Ctrl-C has to work in child processes, also where a shell started the tests in the background:
    such a shell has its jobs ignore SIGINT, and children inherit that, but no handler of Python.
    A loss of power, which no test can bring about, is all that waiting for the disk is good for.
    """
    os.fsync = lambda fd: None
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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


class Speller(HashEncoder):
    """Words cut into pieces of three letters, between two special tokens."""

    def tokenize(self, text: str) -> list[Token]:
        pieces = [Token("<s>", 0, 0, None, True)]
        start = 0
        for word, letters in enumerate(text.split()):
            start = text.index(letters, start)
            for at in range(start, start + len(letters), 3):
                end = min(at + 3, start + len(letters))
                pieces.append(Token(text[at:end], at, end, word, False))
            start += len(letters)
        return [*pieces, Token("</s>", len(text), len(text), None, True)]

    def encode(self, texts: Sequence[str], /) -> TokenVectors:
        return TokenVectors.from_list(
            [np.stack([self._word(token.piece) for token in self.tokenize(t)]) for t in texts]
        )


@pytest.fixture
def encoder() -> HashEncoder:
    """A tiny deterministic encoder."""
    return HashEncoder()


@pytest.fixture
def small_cache(encoder: HashEncoder, tmp_path: Path) -> TargetCache:
    """Four targets with ids, aliases and metadata; two share a label."""
    return TargetCache.build(
        encoder,
        ["Apache Spark", "pastry baking", "contract law", "Apache Spark"],
        path=tmp_path / "space.uwe",
        ids=["a", None, "c", "d"],
        aliases=[["Spark", "pyspark 3"], [], ["law of contracts"], []],
        metadata={
            "kind": ["tool", "skill", None, "tool"],
            "level": [1, 2.5, 3, 1.0],
            "core": [True, False, True, None],
            "note": [None, None, None, None],
        },
        scorer=Scorer("soft", temperature=0.5),
    )
