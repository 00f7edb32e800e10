"""Models of WorkRB's for our evaluation.

Needs the extra `bench`. Some of its models encode a text by what it is, so each is told: by a task
of ours, or by whoever passes it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uwe.bench.model import ScoreBlock, ScoringModel, TaskModel
from uwe.checks import positive
from uwe.errors import InputError, extra

if TYPE_CHECKING:
    from workrb.models.base import ModelInterface


INPUT_TYPES = {
    "job title": "job_title",
    "vacancy title": "job_title",
    "job title alias": "job_title",
    "O*NET job title": "job_title",
    "typed job title": "job_title",
    "skill": "skill_name",
    "skill alias": "skill_name",
    "keyword": "skill_name",
    "span of a vacancy": "skill_name",
    "place in an advert": "skill_name",
    "technology": "skill_name",
    "work activity": "skill_name",
    "vacancy sentence": "skill_sentence",
    "task sentence": "skill_sentence",
}
"""What WorkRB calls the queries and targets of our tasks."""


def on_tasks(model: ModelInterface) -> TaskModel:
    """A model of WorkRB's that each task of the table tells what its texts are."""

    def on(query: str, target: str) -> ScoringModel:
        if unknown := {query, target} - set(INPUT_TYPES):
            raise InputError(
                f"expected a task that says what its texts are to WorkRB, got {min(unknown)!r}: "
                "pass uwe.bench.workrb.from_workrb(model, query_type='job_title', "
                "target_type='skill_name'), say"
            )
        return from_workrb(model, query_type=INPUT_TYPES[query], target_type=INPUT_TYPES[target])

    name = on("job title", "skill").name  # sees that it is one
    return TaskModel(name=name, kind="workrb", on=on)


def from_workrb(
    model: ModelInterface, *, query_type: str, target_type: str, block: int = 2048
) -> ScoringModel:
    """A model of WorkRB's, for `uwe.evaluate`.

    WorkRB's models take queries and targets together. `BiEncoderModel` and
    `CurriculumMatchModel` encode the targets once for all blocks all the same; others encode
    them again for each block, so let `block` be as large as memory allows: a block needs
    4 · block · targets bytes.

    Args:
        model: Any object of WorkRB's `ModelInterface`.
        query_type: What WorkRB calls the kind of a query: `job_title`, `skill_name`,
            `skill_sentence`... Some of its models, as JobBERT, encode by it; evaluate such a model
            on tasks of one kind at a time.
        target_type: The same of a target.
        block: Most queries that it is asked to score at once.

    Raises:
        InputError: If it is no model of WorkRB, or a type is unknown to WorkRB.
        MissingExtraError: If WorkRB is not installed.
    """
    with extra("bench", "a model of WorkRB"):
        from workrb.models.base import ModelInterface
    if not isinstance(model, ModelInterface):
        raise InputError(
            f"expected a model of WorkRB (a ModelInterface), got {type(model).__name__}: pass "
            "another"
        )
    types = {
        "query_input_type": input_type("query_type", query_type),
        "target_input_type": input_type("target_type", target_type),
    }

    def prepare(targets: Sequence[str]) -> ScoreBlock:
        listed = list(targets)
        scoring = _with_memory(model, listed)

        def score(queries: Sequence[str]) -> NDArray[np.float32]:
            found = scoring.compute_rankings(queries=list(queries), targets=listed, **types)
            if not isinstance(found, np.ndarray):  # a tensor, on any device, of any precision
                found = found.cpu().float().numpy()
            return np.asarray(found, dtype=np.float32)

        return score

    return ScoringModel(
        name=model.name, kind="workrb", prepare=prepare, block=positive("block", block)
    )


def input_type(argument: str, name: str) -> Any:
    """WorkRB's input type of that name."""
    from workrb.types import ModelInputType

    try:
        return ModelInputType(name)
    except ValueError:
        known = ", ".join(kind.value for kind in ModelInputType)
        raise InputError(
            f"expected {argument} to be one of {known}, got {name!r}: correct it"
        ) from None


class _TargetMemory:
    """Stands in for a sentence-transformers model: encodes one list of targets once."""

    def __init__(self, model: Any, targets: list[str]) -> None:
        self._model, self._targets, self._kept = model, targets, None

    def encode(self, texts: list[str], **options: Any) -> Any:
        """As the model's own."""
        if texts is not self._targets:
            return self._model.encode(texts, **options)
        if self._kept is None:
            self._kept = self._model.encode(texts, **options)
        return self._kept


def _with_memory(model: Any, targets: list[str]) -> Any:
    """The model, or a copy that encodes `targets` once if it is of a class known to bear that."""
    from workrb.models import BiEncoderModel, CurriculumMatchModel

    # Both call `self.model.encode` once with the list of targets, and never write to the result.
    if type(model) not in (BiEncoderModel, CurriculumMatchModel):
        return model
    remembering = copy.copy(model)
    remembering.model = _TargetMemory(model.model, targets)
    return remembering
