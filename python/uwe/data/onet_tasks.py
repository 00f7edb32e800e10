"""Three ranking tasks from O*NET, whose queries are the occupations held out of training."""

from __future__ import annotations

from collections.abc import Iterator

from uwe.corpus import RankingTask
from uwe.data.onet import CODE, OnetDatabase
from uwe.data.rules import fold_targets, ranking_task

_Queries = Iterator[tuple[str, list[str]]]
"""Texts, each with the ids of its targets."""


def onet_tasks(database: OnetDatabase) -> dict[str, dict[str, RankingTask]]:
    """The tasks by name, each with its splits; a split without a query is left out.

    - `onet_alttitle`: alternate, short or reported title to occupation, without titles equal to
      the occupation's own.
    - `onet_task2dwa`: task statement to detailed work activities, without statements that an
      occupation of the training part has word for word.
    - `onet_job2tech`: occupation to the technologies that O*NET has as examples.
    """
    activities = database.tables["dwa_reference"]
    technologies = database.example_ids("technology_skills")
    tasks: dict[str, dict[str, RankingTask]] = {}
    for name, texts, queries in (
        ("onet_alttitle", {f"onet/{c}": title for c, title in database.titles.items()}, _titles),
        (
            "onet_task2dwa",
            {f"onet-dwa/{row['DWA ID']}": row["DWA Title"] for row in activities},
            _statements,
        ),
        ("onet_job2tech", {id_: text for text, id_ in technologies.items()}, _users),
    ):
        targets = fold_targets(list(texts), list(texts.values()))
        index = {id_: i for i, id_ in enumerate(texts)}
        tasks[name] = {}
        for split in ("val", "test"):
            found = ((text, [index[id_] for id_ in ids]) for text, ids in queries(database, split))
            task, _ = ranking_task(split, found, targets)
            if task.queries:
                tasks[name][split] = task
    return tasks


def _titles(database: OnetDatabase, split: str) -> _Queries:
    for code, title in database.other_titles(split):
        yield title, [f"onet/{code}"]


def _statements(database: OnetDatabase, split: str) -> _Queries:
    activities: dict[str, list[str]] = {}
    for row in database.tables["tasks_to_dwas"]:
        activities.setdefault(row["Task ID"], []).append(f"onet-dwa/{row['DWA ID']}")
    trained = {row["Task"].strip() for row in database.of_split("task_statements", "train")}
    for row in database.of_split("task_statements", split):
        if row["Task ID"] in activities and row["Task"].strip() not in trained:
            yield row["Task"], activities[row["Task ID"]]


def _users(database: OnetDatabase, split: str) -> _Queries:
    ids = database.example_ids("technology_skills")
    used: dict[str, list[str]] = {}
    for row in database.of_split("technology_skills", split):
        used.setdefault(row[CODE], []).append(ids[row["Example"]])
    for code, title in database.titles.items():
        if code in used:
            yield title, used[code]
