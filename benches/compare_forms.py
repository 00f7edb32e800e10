"""Compare the forms in which an export stores its weights: size, closeness, ranking, time.

    UWE_DATA=... python benches/compare_forms.py SOURCE_FOLDER [--forms int8 float16 ...]

Exports the model of SOURCE_FOLDER in each form, encodes the queries and targets of WorkBench's
job2skill, and ranks all targets for each query by the cosine of the means of the raw token vectors.
Times are ratios to float32, taken in turns on one text of each length.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from uwe.corpus import read_task
from uwe.encoder.config import WEIGHT_FORMS
from uwe.encoder.text_encoder import ONNX_FILE, TextEncoder
from uwe.metrics import score_metrics
from uwe.model.export import export
from uwe.scorer import Scorer

ROUNDS = 60
TEXTS = {
    8: "data engineer big data pipelines",
    40: "We look for a data engineer who builds and runs our pipelines in the cloud, knows SQL "
    "and Python well, likes to work with our analysts, and cares about tests and for good "
    "documentation",
}


def pooled(model: TextEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors of the means of raw token vectors: (texts, dim), float32."""
    blocks = []
    for start in range(0, len(texts), 2048):
        vectors = model.encode(texts[start : start + 2048])
        sums = np.add.reduceat(vectors.values, vectors.offsets[:-1], axis=0, dtype=np.float64)
        blocks.append(sums / np.linalg.norm(sums, axis=1, keepdims=True))
    return np.concatenate(blocks).astype(np.float32)


def zipped_bytes(path: Path) -> int:
    """What a wheel needs for the file."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "a.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.write(path)
        return archive.stat().st_size


def times(models: dict[str, TextEncoder]) -> dict[str, dict[int, float]]:
    """Median seconds for one text of each length, the forms taken in turns."""
    taken: dict[str, dict[int, list[float]]] = {f: {n: [] for n in TEXTS} for f in models}
    for model in models.values():
        model.encode(list(TEXTS.values()))
    for _ in range(ROUNDS):
        for form, model in models.items():
            for length, text in TEXTS.items():
                start = time.perf_counter()
                model.encode([text])
                taken[form][length].append(time.perf_counter() - start)
    return {form: {n: median(t) for n, t in rows.items()} for form, rows in taken.items()}


def main() -> int:
    """Print one Markdown row per form."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of a transformers model")
    parser.add_argument("--forms", nargs="+", default=WEIGHT_FORMS, choices=WEIGHT_FORMS)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    data = os.environ.get("UWE_DATA")
    if not data:
        print("set UWE_DATA to the folder that has workbench/", file=sys.stderr)
        return 2
    forms = ["float32", *(form for form in arguments.forms if form != "float32")]
    task = read_task(Path(data) / "workbench" / "job2skill")
    with tempfile.TemporaryDirectory() as root:
        models = {}
        for form in forms:
            out = Path(root) / form
            export(arguments.source, out, scorer=Scorer("pooled"), weights=form)
            models[form] = TextEncoder(out, threads=arguments.threads)
        taken = times(models)
        print(
            "| form | MB | MB zipped | cosine to float32 | MAP | RP@10 | "
            + " | ".join(f"time, {n} tokens" for n in TEXTS)
            + " |"
        )
        print("|" + "---|" * (6 + len(TEXTS)))
        exact: NDArray[np.float32] | None = None
        for form, model in models.items():
            targets, queries = pooled(model, task.targets), pooled(model, task.queries)
            exact = targets if exact is None else exact
            quality = score_metrics(queries @ targets.T, task.relevant).means()
            onnx = Path(root) / form / ONNX_FILE
            print(
                f"| {form} | {onnx.stat().st_size / 1e6:.1f} | {zipped_bytes(onnx) / 1e6:.1f} "
                f"| {(exact * targets).sum(axis=1).mean():.5f} | {100 * quality['MAP']:.2f} "
                f"| {100 * quality['RP@10']:.2f} | "
                + " | ".join(f"{taken[form][n] / taken['float32'][n]:.2f}" for n in TEXTS)
                + " |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
