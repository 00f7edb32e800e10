"""Texts of a space that lie near a query by their pooled vectors: what is worth ranking, quickly.

For whoever ranks dozens of queries at once and can miss a target now and then. The proposal is
approximate: of the pooled vectors, what lies on their main axes (PCA) is compared. What is proposed
is ranked exactly.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.cache.target_cache import TargetCache
from uwe.encoder.tokens import TokenVectors
from uwe.ranking.queries import NamedTexts

_AXES, _TEXTS = 128, 150
"""Axes that are compared, and texts that are proposed for a query. On the pieces of adverts against
the ESCO skills, 99.3 % of the best targets are proposed, and 98 % of the best ten."""
_FEWEST, _MOST = 2_000, 1 << 18
"""Texts of a space for which proposals pay, and for which they fit into memory."""


class NearestTexts:
    """The pooled vectors of a space on their main axes."""

    def __init__(self, targets: TargetCache) -> None:
        pooled = targets.core.pooled()
        _, axes = np.linalg.eigh(pooled.T @ pooled)  # ascending
        self._axes = np.ascontiguousarray(axes[:, -_AXES:])
        self._texts = np.ascontiguousarray((pooled @ self._axes).T)
        self._owners = targets.core.text_targets()

    def __call__(
        self, queries: TokenVectors, *, k: int, subset: NDArray[np.int64] | None = None
    ) -> NamedTexts:
        """Texts near each query, of at least `k` targets as far as there are so many.

        `subset` has the targets whose texts may be named, strictly increasing; None allows all.
        """
        own = np.arange(len(self._owners))
        if subset is not None:
            own = own[np.isin(self._owners, subset)]
        # The length of a query's pooled vector changes nothing of the order.
        pooled = np.add.reduceat(queries.values, queries.offsets[:-1], axis=0)
        texts = self._texts if subset is None else self._texts[:, own]
        near, _ = _core.top_k(pooled @ self._axes @ texts, _TEXTS)
        owners = np.sort(self._owners[own[near]], axis=1)
        enough = 1 + np.count_nonzero(np.diff(owners, axis=1), axis=1) >= k
        # Where few targets with many names take all places, every text is named.
        named = [
            own[some] if some_are_enough else own
            for some, some_are_enough in zip(near, enough, strict=True)
        ]
        offsets = np.concatenate([[0], np.cumsum([len(some) for some in named])])
        return NamedTexts(np.concatenate(named), offsets)


_made: WeakKeyDictionary[TargetCache, NearestTexts] = WeakKeyDictionary()


def nearest_texts(targets: TargetCache) -> NearestTexts | None:
    """What proposes texts of a space, made at first use; None for one too small or too large."""
    if not _FEWEST <= targets.core.texts <= _MOST:
        return None
    found = _made.get(targets)
    if found is None:
        found = _made[targets] = NearestTexts(targets)
    return found
