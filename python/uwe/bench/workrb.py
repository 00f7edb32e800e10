"""WorkRB both ways: our models and task folders for its pipeline, its models for ours.

Needs the extra `bench`. What a model or a task of WorkRB is, is WorkRB's to say: the classes below
derive from its own, and are made when they are first asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uwe.bench.adapters.resolve import bench_model
from uwe.bench.adapters.workrb import from_workrb as from_workrb
from uwe.bench.adapters.workrb import input_type
from uwe.bench.model import BenchModel, EncoderModel, Scoring, checked_scorings
from uwe.bench.space import prepared
from uwe.data.layout import read_split
from uwe.encoder.truncation import Truncations, gathered
from uwe.errors import InputError, extra, shown
from uwe.scorer import Scorer

if TYPE_CHECKING:
    from workrb.models.base import ModelInterface
    from workrb.tasks import RankingTask


def workrb_model(
    model: object, *, scorer: Scorer | Scoring | str | None = None, name: str | None = None
) -> ModelInterface:
    """One of our models as one of WorkRB's, for `workrb.evaluate`.

    It gives the scores that `uwe.evaluate` ranks by, put into the (queries, targets) matrix that
    WorkRB asks for. It classifies by ranking the classes, as WorkRB's bi-encoders do.

    Args:
        model: What `uwe.evaluate` takes: what `uwe.load` gives, `"uwe-mini"`, `"bm25"`, anything
            with `encode(texts)`.
        scorer: One, such as `Scorer("soft", temperature=0.5)` or `"soft:0.5"`; None takes the
            model's own.
        name: What WorkRB's results call it; None takes the names of model and scorer.

    Raises:
        InputError: If it is no model, or there is not exactly one scorer.
        ModelError: If the model cannot be loaded.
        MissingExtraError: If WorkRB, or what the model needs, is not installed.
    """
    made = bench_model(model)
    scorings: tuple[Scoring, ...] = ()
    if isinstance(made, EncoderModel):
        scorings = checked_scorings(scorer, made.scorer)
        if len(scorings) != 1:
            raise InputError(f"expected one scorer, got {len(scorings)}: make a model of each")
    elif scorer is not None:
        raise InputError(f"{made.name} scores by itself: expected no scorer, got {shown(scorer)}")
    called = " ".join([made.name, *map(str, scorings)])
    model_class, _ = _classes()
    done: ModelInterface = model_class(made, scorings, called if name is None else name)
    return done


def workrb_task(
    folder: str | Path, split: str = "test", *, query_type: str, target_type: str
) -> RankingTask:
    """A local task folder as one of WorkRB's ranking tasks, in English.

    Queries and targets are those of the folder, one by one: texts that occur twice are not merged,
    so that its figures are those of `uwe.evaluate`.

    Args:
        folder: A task folder; `uwe.data.layout` says what it holds.
        split: `val` or `test`, the two that WorkRB knows.
        query_type: What WorkRB calls the kind of a query: `job_title`, `skill_name`,
            `skill_sentence`... Some of its models encode by it.
        target_type: The same of a target.

    Raises:
        InputError: If WorkRB does not know the split or a type.
        DataError: If the folder is no task, or an entry is malformed; with its path and line.
        MissingExtraError: If WorkRB is not installed.
    """
    _, task_class = _classes()
    if split not in ("val", "test"):
        raise InputError(
            f"expected 'val' or 'test', which are all that WorkRB knows, got {shown(split)}: name "
            "one"
        )
    made: RankingTask = task_class(
        Path(folder), split, input_type("query_type", query_type),
        input_type("target_type", target_type),
    )  # fmt: skip
    return made


@functools.cache
def _classes() -> tuple[type, type]:
    """A model class and a task class that derive from WorkRB's."""
    with extra("bench", "WorkRB"):
        import torch
        from workrb.models.base import ModelInterface
        from workrb.tasks.abstract.ranking_base import (
            DuplicateStrategy,
            RankingDataset,
            RankingTask,
            RankingTaskGroup,
        )
        from workrb.types import LabelType, Language, ModelInputType

    class UweModel(ModelInterface):  # type: ignore[misc]
        name = ""  # WorkRB has properties here; an attribute that the constructor sets will do
        description = "Token vectors scored by uwe."
        classification_label_space = None

        def __init__(self, model: BenchModel, scorings: tuple[Scoring, ...], name: str) -> None:
            self.model, self.scorings, self.name = model, scorings, name

        def _compute_rankings(
            self, queries: Sequence[str], targets: Sequence[str], *_: Any, **__: Any
        ) -> torch.Tensor:
            return torch.from_numpy(_scores(self.model, self.scorings, queries, targets))

        def _compute_classification(
            self, texts: Sequence[str], targets: Sequence[str], *_: Any, **__: Any
        ) -> torch.Tensor:
            return self._compute_rankings(texts, targets)

    job, skill = ModelInputType.JOB_TITLE, ModelInputType.SKILL_NAME
    groups = {
        (job, skill): RankingTaskGroup.JOB2SKILL,
        (skill, job): RankingTaskGroup.SKILL2JOB,
        (job, job): RankingTaskGroup.JOB_NORMALIZATION,
        (skill, skill): RankingTaskGroup.SKILL_NORMALIZATION,
        (ModelInputType.SKILL_SENTENCE, skill): RankingTaskGroup.SKILL_EXTRACTION,
    }

    class UweTask(RankingTask):  # type: ignore[misc]
        name = description = ""
        query_input_type = target_input_type = task_group = label_type = None
        supported_query_languages = supported_target_languages = (Language.EN,)

        def __init__(self, folder: Path, split: str, query_type: Any, target_type: Any) -> None:
            self.task = read_split(folder, split).task
            self.name = folder.absolute().name
            self.description = f"The {split} split of {folder}"
            self.query_input_type, self.target_input_type = query_type, target_type
            self.task_group = groups.get(
                (query_type, target_type), RankingTaskGroup.SEMANTIC_SIMILARITY
            )
            several = any(len(relevant) > 1 for relevant in self.task.relevant)
            self.label_type = LabelType.MULTI_LABEL if several else LabelType.SINGLE_LABEL
            super().__init__(languages=["en"], split=split)

        def load_dataset(self, dataset_id: str, split: Any) -> RankingDataset:
            del split  # there is one, which the constructor has read
            return RankingDataset(
                self.task.queries,
                self.task.relevant,
                self.task.targets,
                dataset_id,
                duplicate_query_strategy=DuplicateStrategy.ALLOW,
                duplicate_target_strategy=DuplicateStrategy.ALLOW,
            )

    return UweModel, UweTask


def _scores(
    model: BenchModel, scorings: tuple[Scoring, ...], queries: Sequence[str], targets: Sequence[str]
) -> NDArray[np.float32]:
    """All scores of a model, by the one scoring there is: (queries, targets)."""
    scores = np.empty((len(queries), len(targets)), dtype=np.float32)
    cuts = Truncations()
    with gathered(cuts), prepared(model, targets, None, scorings, lambda _: None) as space:
        for start in range(0, len(queries), space.block):
            end = start + space.block
            scores[start:end] = space.scores(queries[start:end], space.scorings[0])
    cuts.warn()
    return scores
