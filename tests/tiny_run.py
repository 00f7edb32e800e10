"""A data folder with tiny graphs, and a recipe that trains on them in a second."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tiny_transformers import save_transformer

JOBS = ["data engineer", "nurse", "baker", "clerk", "welder", "driver", "cook", "painter"]
SKILLS = ["spark", "care", "dough", "filing", "metal", "roads", "soup", "colour", "teamwork"]


def write_data(folder: Path) -> Path:
    """Two graphs below `train/`: J, and V with a sentence a skill."""
    train = folder / "train"
    train.mkdir(parents=True)
    sentences = [f"you know all about {skill}" for skill in SKILLS]
    for kind, texts in (("job", JOBS), ("skill", SKILLS), ("sentence", sentences)):
        lines = (json.dumps({"id": f"{kind}/{i}", "text": t}) for i, t in enumerate(texts))
        _write(train / f"nodes.{kind}.jsonl.gz", lines)
    job_edges = [f"job/{i}\tskill/{j}\tneeds" for i in range(8) for j in (i, 8)]
    _write(train / "J.edges.tsv.gz", ["job\tskill\trelation", *job_edges])
    rows = [f"skill/{i}\tsentence/{i}\tsays" for i in range(9)]
    _write(train / "V.edges.tsv.gz", ["skill\tsentence\trelation", *rows])
    return folder


def write_recipe(folder: Path) -> Path:
    """A recipe, with a random tiny BERT as its base."""
    base = save_transformer("bert", folder / "base", lower_case=True)
    path = folder / "tiny.toml"
    path.write_text(
        f"""
format = 2
name = "tiny"
graphs = "train"
checkpoint_every = 4
[model]
base = {json.dumps(str(base))}
max_tokens = 24
[optimizer]
steps = 12
learning_rate = 3e-3
wise_ft_alpha = 0.8
[[graph]]
name = "J"
batch_size = 4
[[graph]]
name = "V"
batch_size = 4
queries = "right"
[validation]
every = 4
tasks = ["anything"]
"""
    )
    return path


def _write(path: Path, lines: object) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)  # type: ignore[attr-defined]
