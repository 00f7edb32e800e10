"""The regime of a model on a task is decided by its training files, and by nothing said of it."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli_shell import Shell
from tiny_model import write_model
from uwe.bench.contamination import Auditor
from uwe.bench.model import BenchModel
from uwe.bench.tasks import TASKS, Task, task_named
from uwe.corpus import RankingTask
from uwe.data.layout import TaskSplit, read_split, splits_of, write_task
from uwe.encoder.config import TrainingSource
from uwe.graphs.written import build_written_graphs

PAIRS = 2_000
JOB2SKILL = task_named("job2skill")


def _task(pairs: int = PAIRS) -> RankingTask:
    """`job 0` to `skill 0`, `job 1` to `skill 1`, and so on."""
    ids = [str(i) for i in range(pairs)]
    texts = [[f"{kind} {i}" for i in ids] for kind in ("skill", "job")]
    return RankingTask(ids, texts[0], ids, texts[1], [[i] for i in range(pairs)])


def _split(folder: Path = Path("task"), pairs: int = PAIRS) -> TaskSplit:
    return TaskSplit(folder, "test", _task(pairs), [[]] * pairs, {})


def _write_graph(data: Path, relation: str, leaked: int, *, name: str = "J") -> TrainingSource:
    """A graph of 50 edges more than those `leaked` from the task."""
    folder = data / "train"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, other in (("job", "painter"), ("skill", "mix paint")):
        with gzip.open(folder / f"nodes.{kind}.jsonl.gz", "wt") as file:
            for i in range(PAIRS + 50):
                text = f"{kind} {i}" if i < PAIRS else f"{other} {i}"
                file.write(json.dumps({"id": f"{kind}-{i}", "text": text}) + "\n")
    path = folder / f"{name}.edges.tsv.gz"
    with gzip.open(path, "wt") as file:
        file.write("job\tskill\trelation\n")
        for i in (*range(leaked), *range(PAIRS, PAIRS + 50)):
            file.write(f"job-{i}\tskill-{i}\t{relation}\n")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return TrainingSource(f"train/{path.name}", sha256)


def _model(*sources: TrainingSource, **settings: Any) -> BenchModel:
    return BenchModel(name="m", kind="uwe", trained_on=sources, **settings)


@pytest.mark.parametrize(
    ("relation", "leaked", "regime"),
    [
        ("onet-tool", 0, "clean"),
        ("onet-tool", 100, "clean"),  # 5 %: by coincidence
        ("onet-tool", 101, "seen"),
        ("esco-essential", 0, "held-out"),
        ("esco-essential", 2, "held-out"),  # 0.1 %
        ("esco-optional", 3, "seen"),
        ("esco-optional(weak)", 0, "held-out"),
        ("esco-optional (of 1.1)", 0, "held-out"),
        ("esco-essentials", 0, "clean"),  # another relation
        ("my esco-essential", 0, "clean"),
    ],
)
def test_relations_and_shares_decide(
    tmp_path: Path, relation: str, leaked: int, regime: str
) -> None:
    model = _model(_write_graph(tmp_path, relation, leaked))
    found = Auditor(tmp_path).regime(model, JOB2SKILL, _split())
    assert (found.name, found.pairs, found.found) == (regime, PAIRS, leaked)


def test_reasons_say_what_was_counted(tmp_path: Path) -> None:
    def reason(relation: str, leaked: int, task: Task = JOB2SKILL) -> str:
        model = _model(_write_graph(tmp_path, relation, leaked))
        return Auditor(tmp_path).regime(model, task, _split()).reason

    assert "20 of 2,000 pairs (1.000%)" in reason("onet-tool", 20)
    assert "1,000 of 2,000 pairs (50.000%)" in reason("esco-optional", 1000)
    held_out = reason("esco-optional", 1)
    assert "51 esco-optional" in held_out
    assert "1 of 2,000 pairs" in held_out


def test_a_users_task_goes_by_its_pairs_alone(tmp_path: Path) -> None:
    write_task(tmp_path / "mine", {"test": _task()})
    task = task_named(str(tmp_path / "mine"))
    for leaked, regime in ((0, "clean"), (101, "seen")):
        model = _model(_write_graph(tmp_path, "esco-essential", leaked))
        found = Auditor(tmp_path).regime(model, task, read_split(tmp_path / "mine", "test"))
        assert found.name == regime
        assert "its own relation" not in found.reason


def test_models_that_declare_nothing() -> None:
    found = Auditor(None).regime(_model(), JOB2SKILL, _split())
    assert (found.name, found.found) == ("undeclared", None)
    untrained = Auditor(None).regime(_model(untrained=True), JOB2SKILL, _split())
    assert (untrained.name, untrained.found) == ("clean", 0)


def test_files_that_can_not_be_read_leave_it_undeclared(tmp_path: Path) -> None:
    good = _write_graph(tmp_path, "onet-tool", 100)
    lost, other = TrainingSource("train/V.edges.tsv.gz", "0" * 64), TrainingSource("crawl", "0")
    for sources in ((good, lost), (lost,)):
        found = Auditor(tmp_path).regime(_model(*sources), JOB2SKILL, _split())
        assert (found.name, found.found) == ("undeclared", None)
        assert "train/V.edges.tsv.gz" in found.reason
    both = Auditor(tmp_path).regime(_model(lost, other), JOB2SKILL, _split())
    assert "1 more" in both.reason
    nowhere = Auditor(None).regime(_model(good), JOB2SKILL, _split())
    assert nowhere.name == "undeclared"


def test_what_was_found_counts_though_other_files_are_lost(tmp_path: Path) -> None:
    good = _write_graph(tmp_path, "onet-tool", 101)
    model = _model(TrainingSource("train/V.edges.tsv.gz", "0" * 64), good)
    found = Auditor(tmp_path).regime(model, JOB2SKILL, _split())
    assert (found.name, found.found) == ("seen", 101)


def test_files_are_read_once(tmp_path: Path) -> None:
    source = _write_graph(tmp_path, "onet-tool", 0)
    auditor = Auditor(tmp_path)
    auditor.regime(_model(source), JOB2SKILL, _split())
    (tmp_path / source.name).unlink()
    assert auditor.regime(_model(source), task_named("skillnorm"), _split()).name == "clean"
    assert Auditor(tmp_path).regime(_model(source), JOB2SKILL, _split()).name == "undeclared"


def test_a_name_or_a_kind_makes_nothing_clean(tmp_path: Path) -> None:
    source = _write_graph(tmp_path, "esco-optional", 500)
    model = BenchModel(name="clean", kind="bm25", trained_on=(source,))
    assert Auditor(tmp_path).regime(model, JOB2SKILL, _split()).name == "seen"


# the command


@pytest.fixture
def audited(tmp_path: Path) -> Path:
    """A data folder with one task of 40 pairs, and a model that was trained on half of them."""
    data = tmp_path / "data"
    source = _write_graph(data, "esco-essential", 20)
    test = _task(40)
    val = replace(test, query_ids=test.query_ids[:10], queries=test.queries[:10],
                  relevant=test.relevant[:10])  # fmt: skip
    write_task(data / JOB2SKILL.folder, {"test": test, "val": val})
    write_model(tmp_path / "model", name="half", trained_on=(source,))
    write_model(tmp_path / "silent", name="silent")
    return tmp_path


def test_audit_prints_counts_and_regimes(shell: Shell, audited: Path) -> None:
    head, *rows = shell(
        "bench", "audit", str(audited / "model"), "--data", str(audited / "data")
    ).stdout.splitlines()
    assert head.split() == ["task/split", "pairs", "found", "share", "regime", "because"]
    assert [row.split()[:5] for row in rows] == [
        ["job2skill/test", "40", "20", "50.000%", "seen"],
        ["job2skill/val", "10", "10", "100.000%", "seen"],
    ]
    head, row, *_ = shell(
        "bench", "audit", str(audited / "silent"), "--data", str(audited / "data"),
        "--task", "job2skill", "--split", "val",
    ).stdout.splitlines()  # fmt: skip
    assert head.split()[-1] == "regime"  # one reason for all is told once, below
    assert row.split() == ["job2skill/val", "10", "-", "-", "undeclared"]


def test_audit_prints_json(shell: Shell, audited: Path) -> None:
    task = str(audited / "data" / JOB2SKILL.folder)
    found = shell.json(
        "bench", "audit", str(audited / "model"), "--data", str(audited / "data"), "--task", task
    )
    assert found["model"] == "half"
    assert [source["name"] for source in found["trained_on"]] == ["train/J.edges.tsv.gz"]
    assert [(each["split"], each["pairs"], each["found"]) for each in found["tasks"]] == [
        ("test", 40, 20), ("val", 10, 10),
    ]  # fmt: skip
    assert {each["regime"] for each in found["tasks"]} == {"seen"}


def test_audit_without_tasks_or_model_says_so(shell: Shell, audited: Path) -> None:
    (audited / "empty").mkdir()
    model = str(audited / "model")
    assert "found none" in shell.error("bench", "audit", model, "--data", str(audited / "empty"))
    assert "one of the models" in shell.error("bench", "audit", "no-such-model")
    assert "expected a split" in shell.error(
        "bench", "audit", model, "--data", str(audited / "data"), "--split", "dev"
    )


# the provided data

_KNOWN: dict[str, dict[str, dict[str, tuple[int, int]]]] = {
    "train": {
        "clean": {
            "job2skill": (128_987, 1),
            "skill2job": (128_987, 1),
            "jobnorm": (15_303, 394),
            "skillextract_house": (131, 0),
            "skillextract_tech": (131, 0),
            "skillnorm": (13_551 + 71_745, 8),
            "skillsim_esco": (171 + 1_366, 0),
        },
        "held-out": {
            "skillextract_skillskape": (2_615, 0),
            "onet_alttitle": (2_915 + 5_822, 2),
            "onet_task2dwa": (1_010 + 2_249, 0),
            "onet_job2tech": (1_333 + 3_607, 0),
        },
    },
    "train_full": {
        "clean": {"jobnorm": (15_303, 354)},
        "seen": {
            "job2skill": (128_987, 104_568),
            "skill2job": (128_987, 104_568),
            "skillnorm": (13_551 + 71_745, 12_056 + 63_931),
        },
        "held-out": {
            "heldout_job2skill": (6_801 + 6_165, 0),
            "heldout_skill2job": (6_319 + 6_403, 0),
            "heldout_skillnorm": (4_441 + 4_344, 0),
        },
    },
}
# What the written texts and the lexicon change of it; everything else is as without them.
_WITH_TEXTS: dict[str, dict[str, tuple[int, int]]] = {
    "train": {
        "job2skill": (128_987, 1_424),
        "skill2job": (128_987, 1_424),
        "jobnorm": (15_303, 399),
    },
    "train_full": {"jobnorm": (15_303, 358)},
}
_LARGE = {"job2skill", "skill2job", "skillnorm", "jobnorm"}


def _sources(root: Path, *folders: str) -> tuple[TrainingSource, ...]:
    """All graphs of folders below a root."""
    paths = [path for folder in folders for path in sorted((root / folder).glob("*.edges.tsv.gz"))]
    return tuple(
        TrainingSource(str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in paths
    )


def _counted(
    auditor: Auditor, data_folder: Path, name: str, sources: tuple[TrainingSource, ...]
) -> tuple[set[str], tuple[int, int]]:
    """The regimes of a task's splits, and how many pairs all have and how many are found."""
    task = task_named(name)
    folder = data_folder / task.folder
    found = [
        auditor.regime(_model(*sources), task, read_split(folder, split))
        for split in splits_of(folder)
    ]
    return {f.name for f in found}, (sum(f.pairs for f in found), sum(f.found or 0 for f in found))


@pytest.mark.parametrize(
    ("graphs", "slow"),
    [
        pytest.param("train", False, marks=pytest.mark.slow),
        pytest.param("train", True, marks=pytest.mark.release),
        pytest.param("train_full", True, marks=pytest.mark.release),
    ],
)
def test_regimes_on_the_provided_data(data_folder: Path, graphs: str, slow: bool) -> None:
    sources = _sources(data_folder, graphs)
    assert len(sources) == 5
    auditor = Auditor(data_folder)
    for regime, tasks in _KNOWN[graphs].items():
        for name, counts in tasks.items():
            if not slow and name in _LARGE:
                continue
            assert _counted(auditor, data_folder, name, sources) == ({regime}, counts), name


@pytest.mark.release
@pytest.mark.parametrize("graphs", ["train", "train_full"])
def test_regimes_with_the_written_texts(data_folder: Path, tmp_path: Path, graphs: str) -> None:
    texts = Path(__file__).parents[2] / "data"
    full = graphs == "train_full"
    built = build_written_graphs(data_folder, texts, tmp_path / "written", heldout=full)
    relations = set().union(*built.relations.values())
    assert not relations & {origin for task in TASKS for origin in task.origins}
    (tmp_path / graphs).symlink_to(data_folder / graphs)
    sources = _sources(tmp_path, graphs, "written")
    assert len(sources) == 5 + 7
    auditor = Auditor(tmp_path)
    for regime, tasks in _KNOWN[graphs].items():
        for name, counts in tasks.items():
            counts = _WITH_TEXTS[graphs].get(name, counts)
            assert _counted(auditor, data_folder, name, sources) == ({regime}, counts), name


def test_origins_are_relations_that_exist(data_folder: Path) -> None:
    # Of each task whose own relation is in the provided graphs, every name of it is.
    relations = set()
    for graphs in ("train", "train_full"):
        for path in (data_folder / graphs).glob("*.edges.tsv.gz"):
            with gzip.open(path, "rt", encoding="utf-8") as file:
                relations |= {line.rstrip("\n").split("\t")[2] for line in file}
    elsewhere = {
        "jobbert-title", "skillspan-house", "skillspan-tech", "techwolf", "esco-skill-skill",
        "skillmatch", "onet-esco-crosswalk",
    }  # fmt: skip
    for task in TASKS:
        assert set(task.origins) <= relations | elsewhere, task.name
    assert not relations & elsewhere  # train and train_full leave these out
