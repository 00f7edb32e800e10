"""Three ranking tasks from O*NET, whose queries are the occupations held out of training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from uwe.corpus import RankingTask
from uwe.data.onet import CODE, OnetDatabase
from uwe.data.rules import TargetList, fold_targets, ranking_task

__all__ = ["onet_tasks"]

_Queries = Iterable[tuple[str, Iterable[int]]]


def onet_tasks(database: OnetDatabase) -> dict[str, dict[str, RankingTask]]:
    """The tasks by name, each with its splits; a split without a query is left out.

    - `onet_alttitle`: alternate, short or reported title to occupation, without titles equal to
      the occupation's own.
    - `onet_task2dwa`: task statement to detailed work activities, without statements that an
      occupation of the training part has word for word.
    - `onet_job2tech`: occupation to the technologies that O*NET has as examples.
    """
    occupations = _targets({f"onet/{code}": title for code, title in database.titles.items()})
    activities = _targets(
        {f"onet-dwa/{row['DWA ID']}": row["DWA Title"] for row in database.tables["dwa_reference"]}
    )
    ids = database.example_ids("technology_skills")
    technologies = _targets({id_: text for text, id_ in ids.items()})
    return {
        "onet_alttitle": _splits(occupations, lambda split: _titles(database, split, occupations)),
        "onet_task2dwa": _splits(activities, lambda split: _tasks(database, split, activities)),
        "onet_job2tech": _splits(
            technologies, lambda split: _users(database, split, technologies, ids)
        ),
    }


_Targets = tuple[TargetList, dict[str, int]]


def _targets(texts: dict[str, str]) -> _Targets:
    """Targets, and the place of each id among those given."""
    return fold_targets(list(texts), list(texts.values())), {id_: i for i, id_ in enumerate(texts)}


def _splits(targets: _Targets, queries: Callable[[str], _Queries]) -> dict[str, RankingTask]:
    made = {split: ranking_task(split, queries(split), targets[0])[0] for split in ("val", "test")}
    return {split: task for split, task in made.items() if task.queries}


def _titles(
    database: OnetDatabase, split: str, targets: _Targets
) -> Iterator[tuple[str, list[int]]]:
    for code, title in database.other_titles(split):
        yield title, [targets[1][f"onet/{code}"]]


def _tasks(
    database: OnetDatabase, split: str, targets: _Targets
) -> Iterator[tuple[str, list[int]]]:
    activities: dict[str, list[int]] = {}
    for row in database.tables["tasks_to_dwas"]:
        index = targets[1][f"onet-dwa/{row['DWA ID']}"]
        activities.setdefault(row["Task ID"], []).append(index)
    trained = {row["Task"].strip() for row in database.of_split("task_statements", "train")}
    for row in database.of_split("task_statements", split):
        if row["Task ID"] in activities and row["Task"].strip() not in trained:
            yield row["Task"], activities[row["Task ID"]]


def _users(
    database: OnetDatabase, split: str, targets: _Targets, ids: dict[str, str]
) -> Iterator[tuple[str, list[int]]]:
    used: dict[str, list[int]] = {}
    for row in database.of_split("technology_skills", split):
        used.setdefault(row[CODE], []).append(targets[1][ids[row["Example"]]])
    for code, title in database.titles.items():
        if code in used:
            yield title, used[code]
