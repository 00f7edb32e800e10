"""The compiled core, as Python sees it. Arrays are C-contiguous and of the exact dtype shown.

Shapes: Nq and Nt are tokens of all queries and targets, B queries, T targets, S a subset,
E relevant (query, target) pairs, d the width of a token vector. Every call that computes
releases the interpreter; long calls answer Ctrl-C. Errors are those of `uwe.errors`.
"""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CacheWriter",
    "TargetCache",
    "cache_compact",
    "cache_rank",
    "cache_rank_among",
    "cache_ranks",
    "cache_remove",
    "cache_scores",
    "concatenate",
    "late_interaction",
    "metrics",
    "multiply_add",
    "ranks",
    "set_threads",
    "shared_trigrams",
    "simd_level",
    "simd_levels",
    "threads",
    "top_k",
    "twin",
]

def late_interaction(
    query_values: NDArray[np.float32],  # (Nq, d)
    query_offsets: NDArray[np.int64],  # (B + 1,)
    target_values: NDArray[np.float32],  # (Nt, d)
    target_offsets: NDArray[np.int64],  # (T + 1,)
    *,
    scorer: str,
    temperature: float,
    pivot: float | None = None,
    subset: NDArray[np.int64] | None = None,  # (S,), strictly increasing
) -> NDArray[np.float32]: ...  # (B, T) or (B, S)
def twin(
    query_values: NDArray[np.float32],  # (Nq, d)
    query_offsets: NDArray[np.int64],  # (B + 1,)
    target_values: NDArray[np.float32],  # (Nt, d)
    target_offsets: NDArray[np.int64],  # (T + 1,)
    *,
    scorer: str,
    temperature: float,
    pivot: float | None = None,
) -> NDArray[np.float64]: ...  # (B, T)
def cache_scores(
    cache: TargetCache,
    query_values: NDArray[np.float32],  # (Nq, d)
    query_offsets: NDArray[np.int64],  # (B + 1,)
    *,
    scorer: str,
    temperature: float,
    pivot: float | None = None,
    subset: NDArray[np.int64] | None = None,  # (S,), strictly increasing
) -> NDArray[np.float32]: ...  # (B, T) or (B, S)
def cache_rank(
    cache: TargetCache,
    query_values: NDArray[np.float32],  # (Nq, d)
    query_offsets: NDArray[np.int64],  # (B + 1,)
    *,
    scorer: str,
    temperature: float,
    pivot: float | None = None,
    k: int,
    subset: NDArray[np.int64] | None = None,  # (S,), strictly increasing
    label_scores: bool = False,  # the last array: of the label alone, or the scores once more
) -> tuple[
    NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]
]: ...  # (B, min(k, T or S))
def cache_rank_among(
    cache: TargetCache,
    query_values: NDArray[np.float32],  # (Nq, d)
    query_offsets: NDArray[np.int64],  # (B + 1,)
    named: NDArray[np.int64],  # (E,), texts as in `text_targets`
    named_offsets: NDArray[np.int64],  # (B + 1,)
    *,
    scorer: str,
    temperature: float,
    pivot: float | None = None,
    k: int,  # no more than the targets of the texts of any query
    label_scores: bool = False,  # as in `cache_rank`
) -> tuple[
    NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]
]: ...  # (B, k)
def cache_ranks(
    cache: TargetCache,
    query_values: NDArray[np.float32],  # (Nq, d)
    query_offsets: NDArray[np.int64],  # (B + 1,)
    relevant: NDArray[np.int64],  # (E,)
    relevant_offsets: NDArray[np.int64],  # (B + 1,)
    *,
    scorer: str,
    temperature: float,
    pivot: float | None = None,
) -> NDArray[np.int64]: ...  # (E,), the first place is 1
def top_k(
    scores: NDArray[np.float32],  # (B, T)
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...  # (B, min(k, T))
def concatenate(
    lists: list[Any],
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None: ...  # (E,), (lists + 1,); lists of ints
def shared_trigrams(
    texts: Sequence[str],  # T of them
    others: Sequence[str],
    which: NDArray[np.int64],  # (T,): the number of another, for each text
) -> list[tuple[int, int, int]]: ...  # trigrams of both, of either, of the text
def ranks(
    scores: NDArray[np.float32],  # (B, T)
    relevant: NDArray[np.int64],  # (E,)
    relevant_offsets: NDArray[np.int64],  # (B + 1,)
) -> NDArray[np.int64]: ...  # (E,)
def metrics(
    ranks: NDArray[np.int64],  # (E,)
    relevant_offsets: NDArray[np.int64],  # (B + 1,)
    names: list[str],  # MAP, MRR, RP@k, recall@k, nDCG@k, hit@k
) -> NDArray[np.float64]: ...  # (names, B), NaN for a query without a relevant target
def multiply_add(rounds: int) -> int: ...  # floating point operations
def simd_level() -> str: ...
def simd_levels() -> list[str]: ...
def threads() -> int: ...
def set_threads(count: int) -> None: ...

@final
class TargetCache:
    @staticmethod
    def open(path: str, *, resident: bool = False) -> TargetCache: ...
    @property
    def resident(self) -> bool: ...
    def __len__(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def tokens(self) -> str: ...
    @property
    def texts(self) -> int: ...
    @property
    def token_count(self) -> int: ...
    @property
    def manifest(self) -> str: ...
    @property
    def columns(self) -> list[str]: ...
    def labels(self, indices: NDArray[np.int64]) -> list[str]: ...
    def ids(self, indices: NDArray[np.int64]) -> list[str | None]: ...
    def aliases(self, index: int) -> list[str]: ...
    def texts_at(self, indices: NDArray[np.int64], texts: NDArray[np.int64]) -> list[str]: ...
    def column_json(self, name: str) -> str: ...
    def metadata_json(self, indices: NDArray[np.int64]) -> str: ...
    def token_vectors(
        self, index: int, text: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
    def pooled_vector(self, index: int, text: int) -> NDArray[np.float32]: ...
    def pooled(self) -> NDArray[np.float32]: ...
    def has_text(self, text: str) -> bool: ...
    def has_word(self, word: str) -> bool: ...
    def text_targets(self) -> NDArray[np.int64]: ...
    def verify(self) -> None: ...

@final
class CacheWriter:
    @staticmethod
    def create(
        path: str,
        *,
        source: str,
        fingerprint: str,
        scorer: str,
        temperature: float | None,
        pivot: float | None = None,
        dtype: str,
        tokens: str,
        columns: list[str],
    ) -> CacheWriter: ...
    @staticmethod
    def append(path: str) -> CacheWriter: ...
    def add(
        self,
        values: NDArray[np.float32],
        offsets: NDArray[np.int64],
        texts: list[list[str]],
        ids: list[str | None],
        metadata: list[list[str]],
    ) -> None: ...
    def commit(self) -> None: ...
    def abort(self) -> None: ...

def cache_remove(cache: TargetCache, indices: NDArray[np.int64]) -> int: ...
def cache_compact(path: str) -> None: ...
