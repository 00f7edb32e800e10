"""BM25 and character TF-IDF by libraries: untrained baselines, scored block by block.

Both read a text as WorkRB's baselines do: NFKD, lower case. BM25's words are what white space
separates, punctuation and all; TF-IDF takes all runs of one to three characters.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uwe.bench.model import ScoreBlock, ScoringModel
from uwe.errors import extra

_K1, _B = 1.5, 0.75
_GRAMS = (1, 3)


def bm25() -> ScoringModel:
    """Okapi BM25 (Robertson's idf, k1 1.5, b 0.75) by bm25s.

    Ranks as rank_bm25's Okapi, which WorkRB takes, wherever no word stands in more than half of
    the targets: such a word counts nothing here, and a little there.
    """
    with extra("bench", "BM25"):
        import bm25s
        from scipy import sparse

    def prepare(targets: Sequence[str]) -> ScoreBlock:
        index = bm25s.BM25(k1=_K1, b=_B, method="robertson")
        index.index([_words(text) for text in targets], show_progress=False)
        vocabulary: dict[str, int] = index.vocab_dict
        # Its columns are words; read as rows, they are what a row of word counts multiplies.
        parts = (index.scores["data"], index.scores["indices"], index.scores["indptr"])
        weights = sparse.csr_matrix(parts, shape=(len(parts[2]) - 1, len(targets)))

        def score(queries: Sequence[str]) -> NDArray[np.float32]:
            known = [[vocabulary[w] for w in _words(q) if w in vocabulary] for q in queries]
            offsets = np.cumsum([0, *map(len, known)])
            columns = np.array([word for words in known for word in words], dtype=np.int64)
            counts = sparse.csr_matrix(
                (np.ones(len(columns), dtype=np.float32), columns, offsets),
                shape=(len(known), weights.shape[0]),
            )
            return _dense(counts @ weights)

        return score

    settings = f"bm25 robertson k1={_K1} b={_B} nfkd lower split"
    return _model("bm25", settings, prepare)


def tfidf() -> ScoringModel:
    """Cosine of TF-IDF over runs of one to three characters, by scikit-learn."""
    with extra("bench", "TF-IDF"):
        from sklearn.feature_extraction.text import TfidfVectorizer

    def prepare(targets: Sequence[str]) -> ScoreBlock:
        vectorizer = TfidfVectorizer(
            analyzer="char", ngram_range=_GRAMS, preprocessor=_normalised, dtype=np.float32
        )
        # Rows have length 1, so that a product of two is their cosine.
        weights = vectorizer.fit_transform(targets).T.tocsr()

        def score(queries: Sequence[str]) -> NDArray[np.float32]:
            return _dense(vectorizer.transform(queries) @ weights)

        return score

    settings = f"tfidf char {_GRAMS[0]}-{_GRAMS[1]} nfkd lower cosine"
    return _model("tfidf", settings, prepare)


def _model(kind: str, settings: str, prepare: Any) -> ScoringModel:
    return ScoringModel(
        name=kind,
        kind=kind,
        source=kind,
        fingerprint=hashlib.sha256(settings.encode()).hexdigest(),
        untrained=True,
        prepare=prepare,
    )


def _normalised(text: str) -> str:
    return unicodedata.normalize("NFKD", text).lower()


def _words(text: str) -> list[str]:
    return _normalised(text).split()


def _dense(scores: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(scores.toarray(), dtype=np.float32)
