"""What `uwe bench` can evaluate: anything that encodes texts, or scores queries against targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uwe.encoder.config import TrainingSource
from uwe.encoder.tokens import Encoder
from uwe.scorer import Scorer

__all__ = ["BenchModel", "EncoderModel", "ScoringModel", "TaskModel"]

ScoreBlock = Callable[[Sequence[str]], NDArray[np.float32]]
"""Queries in, scores out: (queries, targets), float32, finite; higher is better."""


@dataclass(frozen=True, kw_only=True)
class BenchModel:
    """What results say about a model.

    Attributes:
        name: For people and tables.
        kind: How it was made: `uwe`, `sentence-transformers`, `workrb`, `bm25`, `tfidf`,
            `callable`.
        source: What `--model` takes to get it again; empty for an object passed in.
        fingerprint: sha256 of what decides its figures; empty if it cannot be known.
        trained_on: Training files that it declares.
        untrained: Whether nothing in it was ever trained, as with BM25: no test can be in it.
    """

    name: str
    kind: str
    source: str = ""
    fingerprint: str = ""
    trained_on: tuple[TrainingSource, ...] = ()
    untrained: bool = False


@dataclass(frozen=True, kw_only=True)
class EncoderModel(BenchModel):
    """A model that gives token vectors (or one vector a text), scored by our core.

    Attributes:
        encoder: Texts to token vectors.
        scorer: Its own; what is used where none is asked for.
        one_vector: Whether it gives one vector a text, which leaves `pooled` alone as a scorer.
    """

    encoder: Encoder
    scorer: Scorer
    one_vector: bool = False


@dataclass(frozen=True, kw_only=True)
class ScoringModel(BenchModel):
    """A model that scores by itself, a block of queries at a time.

    Attributes:
        prepare: Takes all texts of a target space, once; returns what scores a block of queries.
        block: Most queries in a block: what `prepare` returns is asked for (block, targets).
    """

    prepare: Callable[[Sequence[str]], ScoreBlock]
    block: int = 256


@dataclass(frozen=True, kw_only=True)
class TaskModel(BenchModel):
    """A model that has to know what its texts are, as some of WorkRB's encode by it.

    Attributes:
        on: Takes what a query and what a target is, as `Task.query` and `Task.target` have it;
            returns the model for such texts.
    """

    on: Callable[[str, str], ScoringModel]
