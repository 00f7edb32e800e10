"""A million targets: build, open, the exact top 10, and candidates, with memory and bandwidth.

    UWE_DATA=... python benches/million.py FOLDER [--count N] [--vectors FOLDER] [--parts ...]

The labels are composed from those of ESCO's skills and occupations. The cache is float16 and lies
in FOLDER, where a later run finds it; parts are `build`, `open`, `exact` and `candidates`, and each
adds what it measured to FOLDER/million.json; `draw` makes the curve of the candidates from it.
Encoding takes three to ten minutes on two cores: with `--vectors` the token vectors are kept there,
and the next build takes them from there. The queries are job titles of WorkBench (jobnorm).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from limits import memory_bandwidth
from numpy.typing import NDArray
from peak_memory import anonymous_peak

import uwe
from uwe import _core
from uwe.bench.speed import composed_labels
from uwe.cache import candidates
from uwe.corpus import read_task
from uwe.plotting import drawing, plain_ticks
from uwe.scorer import core_scorer

K, TITLES, ROUNDS, OPENINGS = 10, 48, 3, 7
# A scan of all targets in float32 needs 9.2 GB for a million: it is taken of so many, and scaled.
FLOAT32_TARGETS = 200_000
COUNTS = (100, 200, 500, 1000, 2000)
EFFORTS = (100, 200, 500, 1000, 2000, 4000)
_SLICE = 20_000


class KeptVectors:
    """The model's vectors of a list of texts, from files: encodes these texts, in this order."""

    def __init__(self, folder: Path, model: uwe.TextEncoder) -> None:
        self.source, self.fingerprint = model.source, model.fingerprint
        self.config = model.config
        dim = model.encode(["a"]).values.shape[1]
        lengths = np.fromfile(folder / "lengths.i32", dtype=np.int32)
        self._offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        values = np.memmap(folder / "values.f16", dtype=np.float16, mode="r")
        self._values = values.reshape(-1, dim)
        self._next = 0

    @staticmethod
    def write(folder: Path, model: uwe.TextEncoder, texts: Sequence[str]) -> None:
        """Encode all texts; what is kept is rounded to float16."""
        folder.mkdir(parents=True, exist_ok=True)
        lengths = folder / "lengths.i32.part"
        with (folder / "values.f16").open("wb") as values, lengths.open("wb") as counts:
            for start in range(0, len(texts), _SLICE):
                vectors = model.encode(texts[start : start + _SLICE])
                vectors.values.astype(np.float16).tofile(values)
                np.diff(vectors.offsets).astype(np.int32).tofile(counts)
        lengths.rename(folder / "lengths.i32")

    def encode(self, texts: Sequence[str]) -> uwe.TokenVectors:
        """Those of the next `len(texts)` texts."""
        offsets = self._offsets[self._next : self._next + len(texts) + 1]
        self._next += len(texts)
        values = self._values[offsets[0] : offsets[-1]].astype(np.float32)
        return uwe.TokenVectors(values, offsets - offsets[0])


def encoder(texts: Sequence[str], vectors: Path | None) -> Any:
    """The shipped model, or its vectors of these texts where they are to be kept."""
    model = uwe.load()
    if vectors is None:
        return model
    if not (vectors / "lengths.i32").exists():
        KeptVectors.write(vectors, model, texts)
    return KeptVectors(vectors, model)


def build(folder: Path, count: int, vectors: Path | None) -> dict[str, Any]:
    """The cache, and a smaller one in float32 of the first targets, for the scan."""
    labels = composed_labels(count)
    model = encoder(labels, vectors)
    with anonymous_peak() as peak:
        start = time.perf_counter()
        cache = uwe.TargetCache.build(model, labels, path=folder / "million.uwe", dtype="float16")
        seconds = time.perf_counter() - start
    info = cache.info()
    some = labels[:FLOAT32_TARGETS]
    uwe.TargetCache.build(encoder(labels, vectors), some, path=folder / "float32.uwe")
    return {
        "encoder": "kept vectors" if vectors else "the model",
        "seconds": seconds,
        "most_bytes_beyond_maps": peak(),
        "tokens_a_label": info["token_vectors"] / len(cache),
        **{name: info[name] for name in ("targets", "token_vectors", "dim", "bytes")},
    }


def opening(folder: Path) -> dict[str, float]:
    """Milliseconds of `open` in fresh processes."""
    code = (
        "import sys, time, uwe; uwe.TargetCache; start = time.perf_counter(); "
        "cache = uwe.TargetCache.open(sys.argv[1]); print(1000 * (time.perf_counter() - start))"
    )
    command = [sys.executable, "-c", code, str(folder / "million.uwe")]
    times = [float(subprocess.check_output(command)) for _ in range(OPENINGS)]
    return {"median_ms": median(times), "least_ms": min(times), "most_ms": max(times)}


def titles() -> list[str]:
    """Real job titles: every so many of the validation split of WorkBench's jobnorm."""
    task = read_task(Path(os.environ["UWE_DATA"]) / "workbench" / "jobnorm", "val")
    texts = task.queries
    return texts[:: max(1, len(texts) // TITLES)][:TITLES]


def exact(folder: Path) -> dict[str, Any]:
    """The exact top 10 beside scans of everything, answers asserted equal."""
    cache = uwe.TargetCache.open(folder / "million.uwe")
    small = uwe.TargetCache.open(folder / "float32.uwe")
    scorer = cache.scorer
    form = core_scorer(scorer)
    scale = cache.core.token_count / small.core.token_count
    screen = screen_bytes(cache)
    times: dict[str, list[float]] = {"rank": [], "float16": [], "float32": []}
    for title in [*titles()[:1], *titles()]:  # the first twice: the maps are read into memory
        query = cache.model.encode([title])
        one = (query.values, query.offsets)

        def best(one: Any = one) -> Any:
            return _core.cache_rank(cache.core, *one, **form, k=K, subset=None)

        def scan(of: uwe.TargetCache, one: Any = one) -> Any:
            return _core.top_k(_core.cache_scores(of.core, *one, **form, subset=None), K)

        seconds, (indices, scores, *_) = timed(best, ROUNDS)
        times["rank"].append(seconds)
        seconds, (wanted, wanted_scores) = timed(lambda: scan(cache), 1)
        times["float16"].append(seconds)
        seconds, _ = timed(lambda: scan(small), ROUNDS)
        times["float32"].append(seconds * scale)
        assert (indices == wanted).all(), title
        assert (scores == wanted_scores).all(), title
    medians = {name: 1000 * median(each[1:]) for name, each in times.items()}
    limit = memory_bandwidth(_core.threads())
    return {
        "ms": medians,
        "ms_90th": 1000 * float(np.quantile(times["rank"][1:], 0.9)),
        "float32_scaled_from": len(small),
        "ratio_to_float32": medians["float32"] / medians["rank"],
        "ratio_to_float16": medians["float16"] / medians["rank"],
        "screen_bytes": screen,
        "screen_gb_s": screen / medians["rank"] / 1e6,
        "memory_gb_s": limit / 1e9,
        "part_of_memory_limit": screen / (medians["rank"] / 1e3) / limit,
    }


def screen_bytes(cache: uwe.TargetCache) -> int:
    """Bytes of the tensors from which bounds are computed."""
    total = 0
    for file in cache.path.glob("segment-*.safetensors"):
        with file.open("rb") as data:
            header = json.loads(data.read(int.from_bytes(data.read(8), "little")))
        for name, tensor in header.items():
            if name.startswith("screen_"):
                total += tensor["data_offsets"][1] - tensor["data_offsets"][0]
    return total


def timed(call: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """Least seconds of some calls, and what the last gave."""
    least, found = float("inf"), None
    for _ in range(rounds):
        start = time.perf_counter()
        found = call()
        least = min(least, time.perf_counter() - start)
    return least, found


def curve(folder: Path) -> dict[str, Any]:
    """Recall of the exact top 10 and latency, by candidates and effort, and of `rank` itself."""
    cache = uwe.TargetCache.open(folder / "million.uwe")
    texts, scorer = titles(), cache.scorer
    exact_ten = [{match.index for match in found} for found in uwe.rank_many(texts, cache, k=K)]
    queries = [cache.model.encode([text]) for text in texts]
    with anonymous_peak() as peak:
        start = time.perf_counter()
        uwe.rank(texts[0], cache, candidates=K)
        seconds = time.perf_counter() - start
    handle = candidates._open[cache].handle
    points = []
    for count in COUNTS:
        for effort in (effort for effort in EFFORTS if effort >= count):
            handle.set_ef(effort)
            walks, scored, hits = [], [], 0
            for query, wanted in zip(queries, exact_ten, strict=True):
                pooled = candidates._pooled(query)

                def walk(pooled: NDArray[np.float32] = pooled, count: int = count) -> Any:
                    near, _ = handle.knn_query(pooled, k=count, num_threads=1)
                    return np.sort(near[0].astype(np.int64))

                def score(query: Any, subset: Any) -> Any:
                    return _core.cache_rank(
                        cache.core,
                        query.values,
                        query.offsets,
                        **core_scorer(scorer),
                        k=K,
                        subset=subset,
                    )

                taken, subset = timed(walk, 2)
                walks.append(taken)
                taken, (indices, *_) = timed(lambda: score(query, subset), 2)  # noqa: B023
                scored.append(taken)
                hits += len(wanted & set(indices[0].tolist()))
            points.append(
                {
                    "candidates": count,
                    "ef": effort,
                    "recall": hits / sum(map(len, exact_ten)),
                    "walk_ms": 1000 * median(walks),
                    "score_ms": 1000 * median(scored),
                }
            )
            print(points[-1], flush=True)
    whole = []
    for count in COUNTS:
        times, hits = [], 0
        for text, wanted in zip(texts, exact_ten, strict=True):
            taken, found = timed(
                lambda: uwe.rank(text, cache, k=K, candidates=count),  # noqa: B023
                2,
            )
            times.append(taken)
            hits += len(wanted & {match.index for match in found})
        recall = hits / sum(map(len, exact_ten))
        whole.append({"candidates": count, "ms": 1000 * median(times), "recall": recall})
        print(whole[-1], flush=True)
    return {
        "first_call_s": seconds,
        "most_bytes_beyond_maps": peak(),
        "index_bytes": candidates.index_path(cache).stat().st_size,
        "curve": points,
        "rank": whole,
    }


def draw(folder: Path) -> dict[str, Any]:
    """The curve of recall and time over candidates, as candidates.svg."""
    measured = json.loads((folder / "million.json").read_text())
    exact_ms, points = measured["exact"]["ms"]["rank"], measured["candidates"]["curve"]
    title = "A million targets: recall of the exact ten and time"
    with drawing(folder / "candidates.svg", (6.4, 4.0), title=title) as figure:
        axes = figure.subplots()
        axes.set_title(title)
        for count in COUNTS:
            rows = [point for point in points if point["candidates"] == count]
            times = [row["walk_ms"] + row["score_ms"] for row in rows]
            axes.plot(times, [row["recall"] for row in rows], "o-", label=f"{count:,} candidates")
        axes.axvline(exact_ms, color="k", linestyle=":", label="exact, no candidates")
        axes.set_xscale("log")
        plain_ticks(axes)
        axes.set_xlabel("milliseconds from token vectors; along a line the effort ef doubles")
        axes.set_ylabel("recall@10")
        axes.legend(loc="center right")
    return {"drawn": "candidates.svg"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--vectors", type=Path)
    parts: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
        "build": lambda given: build(given.folder, given.count, given.vectors),
        "open": lambda given: dict(opening(given.folder)),
        "exact": lambda given: exact(given.folder),
        "candidates": lambda given: curve(given.folder),
        "draw": lambda given: draw(given.folder),
    }
    parser.add_argument("--parts", nargs="+", choices=[*parts], default=[*parts])
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    kept = given.folder / "million.json"
    figures = json.loads(kept.read_text()) if kept.exists() else {}
    machine = {"processor": platform.processor() or platform.machine(), "threads": _core.threads()}
    figures["machine"] = {**machine, "simd": uwe.simd_level()}
    for part in given.parts:
        found = parts[part](given)
        if part == "draw":
            continue
        figures[part] = found
        print(part, json.dumps(figures[part]), flush=True)
        kept.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
