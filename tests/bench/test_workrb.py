"""WorkRB both ways: its pipeline gives our figures with our model, and ours gives its with its."""

from __future__ import annotations

import functools
import json
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uwe
from conftest import HashEncoder
from readme import blocks, run_python
from uwe.bench import workrb as module
from uwe.bench.adapters.workrb import INPUT_TYPES
from uwe.bench.evaluation import evaluate
from uwe.bench.model import ScoringModel
from uwe.bench.tasks import TASKS
from uwe.bench.workrb import from_workrb, workrb_model, workrb_task
from uwe.corpus import RankingTask
from uwe.data.layout import read_split, write_task
from uwe.errors import DataError, InputError

if find_spec("workrb") is None:
    pytest.skip("needs the extra 'bench'", allow_module_level=True)
pytestmark = pytest.mark.slow  # WorkRB and what it imports take ten seconds of a processor

NAMES = {"map": "MAP", "mrr": "MRR", "rp@1": "RP@1", "rp@10": "RP@10", "ndcg@10": "nDCG@10",
         "recall@10": "recall@10", "hit@1": "hit@1"}  # fmt: skip
SCORERS = [
    uwe.Scorer("pooled"),
    "max",
    uwe.Scorer("soft", temperature=0.5),
    "soft_query:0.2/pooled",
]
TYPES = {"query_type": "job_title", "target_type": "skill_name"}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No network; temporary caches are gone when a call ends."""
    import_module("workrb")  # first: what it imports makes a temporary folder of its own

    def refuse(*_: Any) -> None:
        raise AssertionError("a test reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    assert not list(temporary.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task with 300 queries (two blocks; one without a relevant target) and 90 targets.

    No two texts share a word, so that no scores are equal.
    """
    random = np.random.default_rng(3)
    targets = [" ".join(f"t{i}{letter}" for letter in "abc") for i in range(90)]
    queries = [" ".join(f"q{i}{letter}" for letter in "abcd") for i in range(300)]
    relevant = [sorted(random.choice(90, random.integers(1, 5), replace=False)) for _ in queries]
    relevant[7] = []
    task = RankingTask(
        [f"t{i}" for i in range(90)], targets, [f"q{i}" for i in range(300)], queries,
        [[int(i) for i in row] for row in relevant],
    )  # fmt: skip
    path = tmp_path_factory.mktemp("workrb") / "jobs"
    write_task(path, {"val": task})
    return path


def our_figures(model: Any, folder: Path, scorer: Any) -> dict[str, float]:
    (entry,) = evaluate(
        model, tasks=[str(folder)], splits="val", data=folder, scorer=scorer,
        metrics=list(NAMES.values()),
    ).entries  # fmt: skip
    return {name: entry.metrics[name].mean for name in NAMES.values()}


def workrb_figures(model: Any, task: Any, output: Path) -> dict[str, float]:
    """What WorkRB's pipeline writes into its results file."""
    import workrb

    workrb.evaluate(model, [task], str(output), metrics={task.name: list(NAMES)})
    results = json.loads((output / "results.json").read_text())
    found = results["task_results"][task.name]["datasetid_results"]["en"]["metrics_dict"]
    return {ours: found[theirs] for theirs, ours in NAMES.items()}


@pytest.mark.parametrize("scorer", SCORERS, ids=str)
def test_the_pipeline_of_workrb_gives_our_figures(
    folder: Path, tmp_path: Path, scorer: uwe.Scorer
) -> None:
    model = HashEncoder()
    task = workrb_task(folder, "val", **TYPES)
    found = workrb_figures(workrb_model(model, scorer=scorer), task, tmp_path / "out")
    assert found == pytest.approx(our_figures(model, folder, scorer), abs=1e-9)


class Once:
    """The shipped model, which encodes a block of texts once."""

    def __init__(self) -> None:
        self.model = uwe.load()
        self.config = self.model.config
        self.of_block = functools.cache(self.model.encode)

    def encode(self, texts: Sequence[str], /) -> uwe.TokenVectors:
        return self.of_block(tuple(texts))


def test_a_real_task_with_the_shipped_model(data_folder: Path, tmp_path: Path) -> None:
    folder = data_folder / "workbench" / "onet_alttitle"
    model = Once()
    task = workrb_task(folder, "val", query_type="job_title", target_type="job_title")
    assert (len(task.datasets["en"].query_texts), len(task.datasets["en"].target_space)) == (
        2849, 1016,
    )  # fmt: skip
    found = workrb_figures(workrb_model(model), task, tmp_path / "out")
    ours = our_figures(model, folder, None)
    # WorkRB leaves open which of equal scores comes first: two targets tie for one query.
    assert found == pytest.approx(ours, abs=2 / 2849)
    assert ours["MAP"] > 0.3


def test_scores_are_those_of_the_core(folder: Path) -> None:
    model, scorer = HashEncoder(), uwe.Scorer("soft_query", temperature=0.2)
    task = read_split(folder, "val").task
    found = workrb_model(model, scorer=scorer).compute_rankings(
        task.queries, task.targets, query_input_type=None, target_input_type=None
    )
    assert str(found.dtype) == "torch.float32"
    targets = model.encode(task.targets)
    for i in (0, 255, 256, 299):
        wanted = uwe.late_interaction(
            model.encode([task.queries[i]])[0], targets.values, targets.offsets, scorer=scorer
        )
        np.testing.assert_array_equal(found[i].numpy(), wanted)


def test_classification_ranks_the_classes() -> None:
    model = workrb_model(HashEncoder(), scorer=uwe.Scorer("pooled"))
    assert model.classification_label_space is None
    texts, classes = ["data engineer", "pastry chef"], ["law", "chef", "data"]
    scores = model.compute_classification(texts=texts, targets=classes, input_type=None)
    assert scores.argmax(1).tolist() == [2, 1]


def test_names_tell_model_and_scorer() -> None:
    assert workrb_model("uwe-mini").name == "uwe-mini soft:0.5:4"
    assert workrb_model(uwe.load(), scorer="pooled").name == "uwe-mini pooled"
    assert workrb_model(HashEncoder(), scorer="max", name="mine").name == "mine"


def test_a_model_that_scores_by_itself_goes_to_workrb(folder: Path) -> None:
    task = read_split(folder, "val").task
    random = np.random.default_rng(2).random((len(task.queries), 90)).astype(np.float32)
    rows = dict(zip(task.queries, random, strict=True))
    ours = ScoringModel(
        name="table", kind="callable", block=7,
        prepare=lambda _: lambda queries: np.stack([rows[q] for q in queries]),
    )  # fmt: skip
    found = workrb_model(ours).compute_rankings(queries=task.queries, targets=task.targets)
    np.testing.assert_array_equal(found.numpy(), random)
    with pytest.raises(InputError, match="scores"):
        workrb_model(ours, scorer="max")


def test_the_task_is_the_folder_even_where_texts_repeat(tmp_path: Path) -> None:
    task = RankingTask(["a", "b"], ["x", "x"], ["1", "2", "3"], ["q", "q", "r"], [[0], [1], [0]])
    write_task(tmp_path / "own", {"test": task})
    found = workrb_task(tmp_path / "own", **TYPES)
    assert found.datasets["en"].query_texts == ["q", "q", "r"]
    assert found.datasets["en"].target_indices == [[0], [1], [0]]
    assert (found.task_group.value, found.label_type.value) == ("rank_job2skill", "single_label")


class Counting(HashEncoder):
    """Counts the texts that it encodes, and answers as a sentence-transformers model does."""

    def __init__(self) -> None:
        self.texts = 0

    def encode(self, texts: Any, /, convert_to_tensor: bool = False) -> Any:  # type: ignore[override]
        import torch

        self.texts += len(texts)
        vectors = super().encode(texts)
        sums = np.add.reduceat(vectors.values, vectors.offsets[:-1], axis=0)
        return torch.from_numpy(sums) if convert_to_tensor else sums


@pytest.fixture
def bi_encoder() -> Any:
    """WorkRB's own bi-encoder around a tiny model."""
    from workrb.models import BiEncoderModel

    made = BiEncoderModel.__new__(BiEncoderModel)
    made.base_model_name, made.model = "tiny", Counting()
    return made


def test_a_model_of_workrb_gives_its_figures(folder: Path, tmp_path: Path, bi_encoder: Any) -> None:
    whole = workrb_figures(bi_encoder, workrb_task(folder, "val", **TYPES), tmp_path / "out")
    bi_encoder.model.texts = 0
    model = from_workrb(bi_encoder, **TYPES, block=64)
    assert (model.name, model.kind, model.block) == ("BiEncoder-tiny", "workrb", 64)
    assert our_figures(model, folder, None) == pytest.approx(whole, abs=1e-9)
    # 300 queries in five blocks, the hardest of them once more; never the 90 targets again.
    assert bi_encoder.model.texts - 90 < 400
    assert isinstance(bi_encoder.model, Counting), "the caller's model stays as it was"
    targets = ["data engineer", "baker"]
    scores = model.prepare(targets)(["baker"])
    np.testing.assert_allclose(scores, bi_encoder.compute_rankings(["baker"], targets), atol=1e-6)


def test_lexical_models_of_workrb_go_through(folder: Path) -> None:
    from workrb.models import BM25Model

    task = read_split(folder, "val").task
    score = from_workrb(BM25Model(), **TYPES).prepare(task.targets)
    whole = BM25Model().compute_rankings(task.queries, task.targets).numpy()
    np.testing.assert_array_equal(score(task.queries[:100]), whole[:100])


def test_input_types_reach_the_model() -> None:
    from workrb.models import ModelInterface

    class Asking(ModelInterface):  # type: ignore[misc]
        name = description = "asking"
        classification_label_space = None

        def _compute_rankings(self, queries: Any, targets: Any, **types: Any) -> Any:
            assert {key: value.value for key, value in types.items()} == {
                "query_input_type": "job_title", "target_input_type": "skill_name",
            }  # fmt: skip
            return np.ones((len(queries), len(targets)))

        def _compute_classification(self, *_: Any) -> Any:
            raise NotImplementedError

    score = from_workrb(Asking(), **TYPES).prepare(["a", "b"])
    np.testing.assert_array_equal(score(["q"]), np.ones((1, 2), dtype=np.float32))


def test_each_task_tells_a_model_of_workrb_what_its_texts_are(folder: Path, tmp_path: Path) -> None:
    from workrb.models import ModelInterface

    asked: list[tuple[str, str]] = []

    class Asking(ModelInterface):  # type: ignore[misc]
        name = description = "asking"
        classification_label_space = None

        def _compute_rankings(self, queries: Any, targets: Any, **types: Any) -> Any:
            asked.append((types["query_input_type"].value, types["target_input_type"].value))
            return np.ones((len(queries), len(targets)))

        def _compute_classification(self, *_: Any) -> Any:
            raise NotImplementedError

    # The same targets in two tasks: they are not prepared together, as their queries differ.
    for task in ("job2skill", "skillextract_house"):
        shutil.copytree(folder, tmp_path / "data/workbench" / task)
    found = uwe.evaluate(Asking(), data=tmp_path / "data")
    assert found.models["asking"].kind == "workrb"
    assert list(dict.fromkeys(asked)) == [
        ("job_title", "skill_name"),
        ("skill_sentence", "skill_name"),
    ]
    with pytest.raises(InputError, match="from_workrb"):
        uwe.evaluate(Asking(), tasks=folder)


def test_workrb_has_a_word_for_the_texts_of_every_task() -> None:
    from workrb.types import ModelInputType

    assert {text for task in TASKS for text in (task.query, task.target)} == set(INPUT_TYPES)
    assert set(INPUT_TYPES.values()) <= {kind.value for kind in ModelInputType}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: workrb_model("nothing"), InputError, "uwe-mini"),
        (lambda f: workrb_model(HashEncoder(), scorer="soft"), InputError, "a temperature"),
        (lambda f: workrb_model(HashEncoder(), scorer="all"), InputError, "one scorer, got"),
        (lambda f: workrb_task(f, "train", **TYPES), InputError, "'val' or 'test'"),
        (lambda f: workrb_task(f, "test", **TYPES), DataError, "'test'"),
        (lambda f: workrb_task(f / "no", "val", **TYPES), DataError, "folder"),
        (lambda f: workrb_task(f, "val", query_type="job", target_type="skill_name"), InputError,
         "query_type"),
        (lambda f: from_workrb(HashEncoder(), **TYPES), InputError, "a ModelInterface"),
    ],
)  # fmt: skip
def test_wrong_arguments_say_what_is_right(
    folder: Path, call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(folder)


def test_without_workrb_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "workrb.models.base", None)
    module._classes.cache_clear()
    with pytest.raises(uwe.MissingExtraError, match=r"uwe\[bench\]"):
        workrb_model(uwe.load())
    module._classes.cache_clear()


def test_the_examples_of_the_page_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UWE_DATA", raising=False)
    (tmp_path / "my-task").symlink_to(folder)
    page = Path(__file__).parents[2] / "docs" / "evaluate.md"
    examples = [
        block for block in blocks(page) if block.language == "python" and "workrb" in block.text
    ]
    first, second = (run_python(block, {}) for block in examples)
    assert (
        "map"
        in json.loads((tmp_path / "workrb-results" / "results.json").read_text())["task_results"][
            "my-task"
        ]["datasetid_results"]["en"]["metrics_dict"]
    )
    del first
    assert second.startswith("['MAP', 'MRR', 'RP@1', 'RP@10'")
