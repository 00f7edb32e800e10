"""Training files found again: which count, what their edges join, what hostile names reach."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from uwe.corpus import RankingTask
from uwe.encoder.config import TrainingSource
from uwe.errors import DataError
from uwe.files.hashing import file_sha256
from uwe.graphs.audit import found_pairs, read_training

JOBS = {"j1": "Baker", "j2": " data engineer "}
SKILLS = {"s1": "Bake Bread", "s2": "apache spark", "s3": "STRASSE"}
EDGES = (("j1", "s1", "esco-essential"), ("j2", "s2", "esco-optional"), ("j2", "s3", "x(weak)"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one graph of three edges in train/."""
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    for kind, nodes in (("job", JOBS), ("skill", SKILLS)):
        with gzip.open(folder / f"nodes.{kind}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps({"id": i, "text": t}) + "\n" for i, t in nodes.items())
    _write_edges(folder / "J.edges.tsv.gz", EDGES)
    return tmp_path / "data"


def _write_edges(path: Path, edges: tuple[tuple[str, str, str], ...], level: int = 9) -> None:
    lines = [("job", "skill", "relation"), *edges]
    path.write_bytes(
        gzip.compress("".join("\t".join(line) + "\n" for line in lines).encode(), level)
    )


def _source(data: Path, name: str) -> TrainingSource:
    return TrainingSource(name, hashlib.sha256((data / name).read_bytes()).hexdigest())


def _task(*pairs: tuple[str, str]) -> RankingTask:
    queries, targets = (list(dict.fromkeys(texts)) for texts in zip(*pairs, strict=True))
    relevant = [[targets.index(t) for q, t in pairs if q == query] for query in queries]
    return RankingTask(list(map(str, range(len(targets)))), targets,
                       list(map(str, range(len(queries)))), queries, relevant)  # fmt: skip


def test_relations_and_pairs_are_read(data: Path) -> None:
    edges = read_training(data, [_source(data, "train/J.edges.tsv.gz")])
    assert edges.relations == {"esco-essential": 1, "esco-optional": 1, "x(weak)": 1}
    assert len(edges.pairs) == 3
    assert edges.problems == ()


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        (("Baker", "Bake Bread"), 1),
        (("bake bread", "BAKER"), 1),  # the other direction, in another case
        (("data engineer", "  Apache Spark\n"), 1),
        (("data engineer", "straße"), 1),  # case folding, not lower case
        (("data\u00a0 engineer", " strasse"), 1),  # blanks of any number and kind
        (("baker", "apache spark"), 0),  # both are there, joined to others
        (("baker", "baker"), 0),
        (("bakerbake", "bread"), 0),
    ],
)
def test_a_pair_counts_in_either_direction_and_any_case(
    data: Path, pair: tuple[str, str], found: int
) -> None:
    edges = read_training(data, [_source(data, "train/J.edges.tsv.gz")])
    assert found_pairs(_task(pair), edges) == (1, found)


def test_every_judgement_counts(data: Path) -> None:
    edges = read_training(data, [_source(data, "train/J.edges.tsv.gz")])
    task = _task(("baker", "bake bread"), ("Baker", "bake bread"), ("baker", "paint"), ("a", "b"))
    assert found_pairs(task, edges) == (4, 2)
    none = RankingTask(["t"], ["bake bread"], ["q"], ["baker"], [[]])
    assert found_pairs(none, edges) == (0, 0)


def test_no_edges_have_no_pairs(data: Path) -> None:
    edges = read_training(data, [])
    assert found_pairs(_task(("baker", "bake bread")), edges) == (1, 0)


def test_sealed_by_content_or_by_bytes(data: Path) -> None:
    path = data / "train" / "J.edges.tsv.gz"
    source = _source(data, "train/J.edges.tsv.gz")
    unpacked = TrainingSource("train/J.edges.tsv.gz", file_sha256(path, unpacked=True).upper())
    assert read_training(data, [unpacked]).problems == ()
    _write_edges(path, EDGES, level=1)
    assert read_training(data, [unpacked]).problems == ()
    assert read_training(data, [source]).problems == (
        "train/J.edges.tsv.gz is another version in the data folder: its sha256 differs",
    )


def test_declared_nodes_are_verified_and_hold_no_edges(data: Path) -> None:
    nodes = _source(data, "train/nodes.job.jsonl.gz")
    edges = read_training(data, [nodes])
    assert (len(edges.pairs), edges.problems) == (0, ())
    other = TrainingSource(nodes.name, "0" * 64)
    assert "its sha256 differs" in read_training(data, [other]).problems[0]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("train/K.edges.tsv.gz", "is not in the data folder"),
        ("train/texts.jsonl.gz", "is no file of a graph"),
        ("a web crawl", "is no file of a graph"),
        ("", "is no file of a graph"),
        ("../data/train/J.edges.tsv.gz", "names no file below the data folder"),
        ("train/../train/J.edges.tsv.gz", "names no file below the data folder"),
        ("train/\0/J.edges.tsv.gz", "is not in the data folder"),
        ("train/\ud800.edges.tsv.gz", "is not in the data folder"),
    ],
)
def test_files_that_can_not_be_used_are_named(data: Path, name: str, problem: str) -> None:
    good = _source(data, "train/J.edges.tsv.gz")
    edges = read_training(data, [TrainingSource(name, good.sha256), good])
    (told,) = edges.problems
    assert told.startswith(f"{name} {problem}")
    assert len(edges.pairs) == 3  # the other file counts all the same


def test_absolute_names_are_refused(data: Path) -> None:
    good = _source(data, "train/J.edges.tsv.gz")
    name = str(data / good.name)
    assert read_training(data, [TrainingSource(name, good.sha256)]).problems == (
        f"{name} names no file below the data folder",
    )


def test_without_a_folder_nothing_is_found(data: Path) -> None:
    edges = read_training(None, [_source(data, "train/J.edges.tsv.gz")])
    assert edges.problems == ("train/J.edges.tsv.gz cannot be looked up without a data folder",)


@pytest.mark.parametrize("damage", [b"no gzip", b"\x1f\x8b\x08\x00", None])
def test_a_damaged_file_is_not_read(data: Path, damage: bytes | None) -> None:
    path = data / "train" / "J.edges.tsv.gz"
    source = _source(data, "train/J.edges.tsv.gz")
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    (problem,) = read_training(data, [source]).problems
    assert problem == "train/J.edges.tsv.gz is damaged in the data folder"


def test_a_malformed_file_that_is_the_declared_one_is_an_error(data: Path) -> None:
    _write_edges(data / "train" / "J.edges.tsv.gz", (("j1", "s9", "x"),))
    with pytest.raises(DataError, match="s9") as raised:
        read_training(data, [_source(data, "train/J.edges.tsv.gz")])
    assert (raised.value.path, raised.value.line) == (data / "train" / "J.edges.tsv.gz", 2)
