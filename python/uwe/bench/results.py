"""The result of an evaluation: what was measured, on what, by what; one JSON file.

Per-query values are kept as ranks: of each query's relevant targets, ascending, counted from 1.
Every metric is a function of them. `docs/evaluate.md` describes the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from uwe import _core
from uwe.bench.figures import figure_tables
from uwe.bench.model import BenchModel
from uwe.bench.tasks import PAIRWISE
from uwe.checks import path_of, text_of
from uwe.encoder.config import TrainingSource
from uwe.errors import DataError, InputError, extra
from uwe.files.atomic import write_text

FORMAT, VERSION = "uwe-bench", 1

METRICS = (
    "MAP", "RP@10", "RP@1", "RP@5", "MRR", "nDCG@10", "nDCG@100", "recall@100", "hit@1",
    "hit@5", "hit@10",
)  # fmt: skip
"""What is reported; the first two are WorkBench's."""

_CAPTION = "Per cent, with 95 % bootstrap intervals over queries"


@dataclass(frozen=True)
class Interval:
    """A mean over queries with its 95 % bootstrap interval; fractions of 1."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Regime:
    """What the model had seen of a task, decided by the audit."""

    name: str  # one of `clean`, `held-out`, `seen`, `undeclared`
    reason: str  # why, in a sentence
    pairs: int  # (query, target) pairs of the task
    # How many of them occur in the training edges, case-folded, in either direction; None where the
    # training files cannot be read.
    found: int | None = None


@dataclass(frozen=True)
class ModelRecord:
    """The model, as results keep it: the fields of `BenchModel` without what computes."""

    name: str
    kind: str
    source: str = ""
    fingerprint: str = ""
    trained_on: tuple[TrainingSource, ...] = ()

    @classmethod
    def of(cls, model: BenchModel) -> ModelRecord:
        """What results keep of a model."""
        return cls(model.name, model.kind, model.source, model.fingerprint, model.trained_on)


@dataclass(frozen=True)
class TaskRecord:
    """A split of a task, as it was evaluated."""

    name: str  # the task's
    split: str  # `val`, `test`, or what the files call it
    paper: str  # the paper's task that it belongs to, or an empty text
    substitute: bool  # whether it only stands in for that
    space: str  # the target space and its version
    measures: str  # what a high figure means
    licence: str  # of the data
    deviations: tuple[str, ...]  # from WorkRB's task
    # What the reader of the files found, and whatever else qualifies the figures.
    notes: tuple[str, ...]
    seals: dict[str, str]  # sha256 of each file's content without aliases
    queries: int  # how many were evaluated
    available: int  # how many there are; more than `queries` under a limit
    left_out: int  # evaluated queries without a relevant target, which no mean counts
    targets: int  # size of the target space
    aliases: int  # other texts of targets that were scored too; 0 where labels alone are targets
    pairs: int  # relevant (query, target) pairs
    query_words: tuple[int, ...] = field(repr=False)  # words of each evaluated query
    seed: int | None  # of the sample under a limit; None for all queries

    @property
    def key(self) -> str:
        """`job2skill/test`."""
        return f"{self.name}/{self.split}"


class _Expected(TypedDict):
    label: str
    rank: int


class RankedTarget(TypedDict):
    """A target that came first, with its score; `words` as in `HardQuery`."""

    label: str
    score: float
    relevant: bool
    words: list[tuple[str, float]] | None


class HardQuery(TypedDict):
    """A query with a low average precision, and what was ranked instead; see `hardest`.

    `answers` is how many relevant targets it has, `relevant` the best five of them, `ranked` what
    came first; `words` are pairs of a word and its share of the score, None where the model cannot
    tell.
    """

    id: str
    query: str
    AP: float
    answers: int
    relevant: list[_Expected]
    ranked: list[RankedTarget]


@dataclass(frozen=True)
class Entry:
    """One model with one scorer on one split of a task."""

    model: str  # name of the model, in `Results.models`
    # Such as `pooled`, `soft:0.5`, `soft:0.5/pooled`; empty for models that score by themselves.
    scorer: str
    task: str  # key of the task, in `Results.tasks`
    regime: Regime  # what the model had seen of it
    metrics: dict[str, Interval]  # by name
    # For each query the ranks of its relevant targets, ascending; may be empty.
    ranks: tuple[tuple[int, ...], ...] = field(repr=False)
    # For each rank, of how many evaluated queries that target is relevant to.
    frequencies: tuple[tuple[int, ...], ...] = field(repr=False)
    truncated: int  # queries that the model cut
    seconds: dict[str, float]  # by part: `encode targets`, `encode queries`, `score`
    # Queries with the lowest AP, each with what was ranked instead.
    hardest: tuple[HardQuery, ...] = field(default=(), repr=False)
    # Queries for which all targets scored the same, so that their order ranked them; None where
    # that was not counted, as with token vectors.
    tied: int | None = None
    # Where the task has traps, for each query one more than the number of targets that score above
    # the best of its traps.
    traps: tuple[int, ...] = field(default=(), repr=False)

    @property
    def label(self) -> str:
        """Model and scorer, as tables show them."""
        return f"{self.model} {self.scorer}".strip()

    def values(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Metrics of each query: (names, queries), NaN for queries without a relevant target.

        Raises:
            InputError: If a metric is unknown, or `pairwise` is asked for of a task without traps.
        """
        offsets = np.zeros(len(self.ranks) + 1, dtype=np.int64)
        np.cumsum([len(ranks) for ranks in self.ranks], out=offsets[1:])
        flat = np.fromiter(chain.from_iterable(self.ranks), dtype=np.int64, count=offsets[-1])
        if PAIRWISE not in names:
            return _core.metrics(flat, offsets, list(names))
        if len(self.traps) != len(self.ranks):
            raise InputError(f"{self.task} has no traps: leave out the metric {PAIRWISE}")
        # MAP stands in its place, and is NaN where there is nothing to measure.
        found = _core.metrics(flat, offsets, ["MAP" if n == PAIRWISE else n for n in names])
        above = [bool(r) and r[0] < trap for r, trap in zip(self.ranks, self.traps, strict=True)]
        for row in (i for i, name in enumerate(names) if name == PAIRWISE):
            found[row] = np.where(np.isnan(found[row]), np.nan, above)
        return found


@dataclass(frozen=True)
class _Head:
    format: Any = None
    version: Any = None


@dataclass(frozen=True, repr=False)
class Results:
    """Everything one evaluation measured; shows as a table of figures.

    Attributes:
        created: When it began, ISO 8601, UTC.
        uwe: Version of this package.
        versions: Of the interpreter and the packages that took part.
        machine: Processor, cores, memory, SIMD level, operating system.
        seed: Of the bootstrap and of the sample under a limit.
        limit: Most queries of a split that were evaluated; None for all.
        seconds: Wall time of the whole.
        peak_bytes: Most memory that the process held, as the operating system counts it.
        models: By name.
        tasks: By key.
        entries: The figures.
    """

    created: str
    uwe: str
    versions: dict[str, str]
    machine: dict[str, Any]
    seed: int
    limit: int | None
    seconds: float
    peak_bytes: int
    models: dict[str, ModelRecord] = field(default_factory=dict)
    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()

    def __repr__(self) -> str:
        """The figures as `uwe bench run` prints them first; `to_json` has all."""
        return "\n\n".join([*map(str, figure_tables(self)), _CAPTION])

    def _repr_html_(self) -> str:
        tables = "".join(table._repr_html_() for table in figure_tables(self))
        return f"{tables}<small>{_CAPTION}</small>"

    def to_json(self) -> str:
        """The text of the file, which `from_json` reads back to an equal value."""
        # Not `asdict`, which copies every number: results have millions of ranks.
        document = {"format": FORMAT, "version": VERSION, **vars(self)}
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=vars) + "\n"

    @classmethod
    def from_json(cls, text: str, *, path: str | Path = "results") -> Results:
        """Read the text of a file.

        Raises:
            DataError: If it is no result of this format, or lacks something.
            MissingExtraError: If msgspec of the extra `bench` is missing.
        """
        with extra("bench", "reading results"):
            import msgspec
        path, again = path_of("path", path), "evaluate again"
        text = text_of("a result", text)
        try:
            head = msgspec.json.decode(text, type=_Head)
        except (msgspec.DecodeError, RecursionError) as error:
            raise DataError(f"expected a result in JSON, got {error}: {again}", path=path) from None
        if head.format != FORMAT:
            raise DataError(
                f"expected a result of  uwe bench run, got the format {head.format!r}: name "
                "another",
                path=path,
            )
        if head.version != VERSION:
            raise DataError(
                f"this release reads results of version {VERSION}, got {head.version!r}: update "
                f"uwe, or {again}",
                path=path,
            )
        try:
            found = msgspec.json.decode(text, type=cls)
            _check_whole(found)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise DataError(
                f"expected a whole result, but it is damaged ({error}): {again}", path=path
            ) from None
        return found

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        write_text(path, self.to_json())

    def joined(self, other: Results) -> Results:
        """Both in one, as one report shows them.

        Raises:
            InputError: If a task was evaluated on other data or other queries, two models of one
                name differ, or both hold the same figures.
        """
        check_same_queries(self, other, self.tasks.keys() & other.tasks.keys())
        for name in self.models.keys() & other.models.keys():
            mine, its = vars(self.models[name]), vars(other.models[name])
            differ = [what for what, value in mine.items() if value != its[what]]
            if differ:
                raise InputError(
                    f"expected one model of the name {name!r}, got two whose {', '.join(differ)} "
                    "differ: rename one, in its uwe.json"
                )
        mine_keys = {(e.model, e.scorer, e.task) for e in self.entries}
        for entry in other.entries:
            if (entry.model, entry.scorer, entry.task) in mine_keys:
                raise InputError(f"{entry.label} on {entry.task} is in two results: leave one out")
        return replace(
            self,
            created=min(self.created, other.created),
            uwe=self.uwe if self.uwe == other.uwe else f"{self.uwe}, {other.uwe}",
            versions={**other.versions, **self.versions},
            limit=self.limit if self.limit is not None else other.limit,
            seconds=self.seconds + other.seconds,
            peak_bytes=max(self.peak_bytes, other.peak_bytes),
            models={**self.models, **other.models},
            tasks={**self.tasks, **other.tasks},
            entries=(*self.entries, *other.entries),
        )


def check_same_queries(first: Results, second: Results, keys: Iterable[str]) -> None:
    """Raise InputError unless two results have the same data, queries and targets for the tasks."""
    for key in keys:
        mine, its = first.tasks[key], second.tasks[key]
        if mine.seals != its.seals:
            raise InputError(
                f"{key}: expected results on the same data, got two versions of it "
                f"({mine.targets:,} and {its.targets:,} targets; SHA-256 differ): evaluate again "
                "on one of them"
            )
        # Not by what the results say, to which others may have been joined.
        seeds = {mine.seed, its.seed} - {None}
        if len(seeds) > 1 or (mine.query_words, mine.aliases) != (its.query_words, its.aliases):
            raise InputError(
                f"{key}: expected results on the same queries and texts, got {mine.queries:,} and "
                f"{its.queries:,} queries, seeds {mine.seed} and {its.seed}, {mine.aliases} and "
                f"{its.aliases} aliases: evaluate again"
            )


def read_results(path: str | Path) -> Results:
    """Read a file that `Results.save` wrote.

    Raises:
        DataError: If it holds something else.
        OSError: If it cannot be read.
    """
    path = path_of("path", path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"expected a result of uwe, got {error}: name another", path=path) from None
    return Results.from_json(text, path=path)


def _check_whole(results: Results) -> None:
    """ValueError unless all that entries refer to is there, and their numbers can be right."""
    for key, record in results.tasks.items():
        if record.key != key:
            raise ValueError(f"the task {record.key} under the name {key}")
    for entry in results.entries:
        if entry.model not in results.models or entry.task not in results.tasks:
            raise ValueError(f"figures of {entry.model} on {entry.task}, which it does not hold")
        task = results.tasks[entry.task]
        queries = {len(entry.ranks), len(entry.frequencies), len(task.query_words)}
        lengths = [list(map(len, rows)) for rows in (entry.ranks, entry.frequencies)]
        lengths.append([len(set(row)) for row in entry.ranks])
        if queries != {task.queries} or not lengths[0] == lengths[1] == lengths[2]:
            raise ValueError(f"ranks of {entry.task} for other queries than it has")
        if len(entry.traps) not in (0, task.queries):
            raise ValueError(f"traps of {entry.task} for other queries than it has")
        for values, most in (
            (chain.from_iterable(entry.ranks), task.targets),
            (chain.from_iterable(entry.frequencies), task.queries),
            (entry.traps, task.targets),
        ):
            flat = set(values)
            if flat and not 1 <= min(flat) <= max(flat) <= most:
                raise ValueError(f"a rank or a frequency of {entry.task} that cannot be")
