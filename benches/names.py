"""What the names of the built-in spaces cost: room, time to build, and time a query.

    UWE_DATA=FOLDER python benches/names.py

For each space: its cache with all names beside one of its labels alone, both int8, and `uwe.rank`
of the queries of `typed/` against both in turns, abbreviations written out in both. Then the best
ten of all skills by the scorer of the model beside the same without its pivot.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import uwe
from uwe import _core
from uwe.scorer import core_scorer

ROUNDS = 3
TYPED = {
    "esco-skills": ("keywords.tsv", "spans_tech.tsv"),
    "esco-occupations": ("titles.tsv", "advert_titles.tsv"),
}
COLUMN = {"spans_tech.tsv": 1}


def main() -> None:
    """Prints a line for each figure."""
    data, model = Path(os.environ["UWE_DATA"]) / "typed", uwe.load()
    with tempfile.TemporaryDirectory() as folder:
        for space, files in TYPED.items():
            queries = [query for file in files for query in read(data / file, COLUMN.get(file, 0))]
            targets = uwe.target_space(space)
            started = time.perf_counter()
            named = build(model, targets.labels, targets.aliases, Path(folder) / f"{space}.uwe")
            seconds = time.perf_counter() - started
            plain = build(model, targets.labels, None, Path(folder) / f"{space}-labels.uwe")
            for cache, what in ((named, f"all names, built in {seconds:.1f} s"), (plain, "labels")):
                info = cache.info()
                print(f"{space}, {what}: {info['texts']:,} texts, {info['bytes'] / 1e6:.0f} MB")
            times: dict[str, list[float]] = {"labels": [], "names": []}
            for _ in range(ROUNDS):
                for query in queries:
                    for what, cache in (("labels", plain), ("names", named)):
                        started = time.perf_counter()
                        uwe.rank(query, cache)
                        times[what].append(1e3 * (time.perf_counter() - started))
            labels, names = (statistics.median(times[what]) for what in ("labels", "names"))
            print(
                f"{space}, rank p50 of {len(queries)} queries: labels {labels:.2f} ms, names "
                f"{names:.2f} ms: {names / labels:.2f}"
            )
            if space == "esco-skills":
                pivot(model, plain, queries)


def build(
    model: uwe.TextEncoder,
    labels: tuple[str, ...],
    aliases: tuple[tuple[str, ...], ...] | None,
    path: Path,
) -> uwe.TargetCache:
    """A cache of bytes."""
    return uwe.TargetCache.build(model, labels, aliases=aliases, path=path, dtype="int8")


def pivot(model: uwe.TextEncoder, cache: uwe.TargetCache, queries: list[str]) -> None:
    """The best ten by the model's scorer and by it without a pivot, the same vectors in turns."""
    scorers = [model.config.scorer, replace(model.config.scorer, pivot=None)]
    times: list[list[float]] = [[], []]
    for query in queries:
        vectors = model.encode([query])
        given = cache.core, vectors.values, vectors.offsets
        for turn in range(2 * ROUNDS):
            scorer = scorers[turn % 2]
            form = core_scorer(scorer)
            started = time.perf_counter()
            indices, *_ = _core.cache_rank(*given, **form, k=10)
            times[turn % 2].append(1e3 * (time.perf_counter() - started))
            if turn < len(scorers):
                scores = _core.cache_scores(*given, **form)
                assert np.array_equal(indices, _core.top_k(scores, 10)[0]), query
    with_pivot, without = map(statistics.median, times)
    ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
    print(
        f"best ten of {len(cache):,}: {scorers[0]} {with_pivot:.2f} ms, {scorers[1]} {without:.2f} "
        f"ms: {ratio:.2f}"
    )


def read(path: Path, column: int) -> list[str]:
    """The queries of a file of `typed/`."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return list(dict.fromkeys(line.split("\t")[column] for line in lines))


if __name__ == "__main__":
    main()
