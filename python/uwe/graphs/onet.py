"""The edges that O*NET gives to the training graphs, of the occupations that are not held out."""

from __future__ import annotations

import re

from uwe.data.onet import CODE, OnetDatabase
from uwe.graphs.builder import GraphBuilder
from uwe.graphs.graph import folded, plain

IMPORTANT = 3.5
"""From which importance on (of 1 to 5) an occupation is joined to a skill or knowledge element."""

_EXAMPLES = {"technology_skills": "onet-technology", "tools_used": "onet-tool"}
_ACRONYM = re.compile(r"(.+) ([A-Z][A-Z0-9]+)(?: software)?")
_WORDS = re.compile(r"[\s\-/]+")


def add_onet(graphs: GraphBuilder, database: OnetDatabase) -> None:
    """Add what O*NET says of jobs and skills to J, V, A, N and D."""
    for row in database.of_split("occupations", "train"):
        job = graphs.node("job", f"onet/{row[CODE]}", row["Title"], "onet")
        text = graphs.node("job_text", f"text/{job}", row["Description"], "onet-description")
        graphs.edge("D", job, text, "onet-description")
    for code, title in database.other_titles("train"):
        alias = graphs.text_node("job_alias", "title", title, "onet-alternate-title")
        graphs.edge("N", f"onet/{code}", alias, "onet-alternate-title")
    _add_activities(graphs, database)
    _add_elements(graphs, database)
    for table in _EXAMPLES:
        _add_examples(graphs, database, table)
    for table in _EXAMPLES:
        _add_classes(graphs, database, table)


def _add_activities(graphs: GraphBuilder, database: OnetDatabase) -> None:
    """Detailed work activities: of occupations, in the words of tasks, and their parents."""
    for row in database.tables["dwa_reference"]:
        activity = graphs.node("skill", f"onet-dwa/{row['DWA ID']}", row["DWA Title"], "onet-dwa")
        if folded(row["IWA Title"]) != folded(row["DWA Title"]):
            source = "onet-iwa-of-dwa(weak)"
            broader = graphs.text_node("skill_alias", "alias", row["IWA Title"], source)
            graphs.edge("A", activity, broader, source)
    tasks = {row["Task ID"]: row for row in database.of_split("task_statements", "train")}
    for row in database.tables["tasks_to_dwas"]:
        if row["Task ID"] in tasks:
            task = tasks[row["Task ID"]]
            activity = f"onet-dwa/{row['DWA ID']}"
            sentence = graphs.node(
                "sentence", f"onet-task/{row['Task ID']}", task["Task"], "onet-task"
            )
            graphs.edge("J", f"onet/{task[CODE]}", activity, "onet-dwa")
            graphs.edge("V", activity, sentence, "onet-task-dwa")


def _add_elements(graphs: GraphBuilder, database: OnetDatabase) -> None:
    """Elements of skills and knowledge: of occupations to which they matter, and described."""
    descriptions = {row["Element ID"]: row for row in database.tables["content_model"]}
    for element in {row["Element ID"] for row in database.tables["skill_knowledge_importance"]}:
        row = descriptions[element]
        skill = graphs.node("skill", f"onet-el/{element}", row["Element Name"], "onet-element")
        if row["Description"].strip():
            source = "onet-element-description"
            text = graphs.node("sentence", f"onet-el-text/{element}", row["Description"], source)
            graphs.edge("V", skill, text, source)
    for row in database.of_split("skill_knowledge_importance", "train"):
        if float(row["Data Value"]) >= IMPORTANT:
            skill = f"onet-el/{row['Element ID']}"
            graphs.edge("J", f"onet/{row[CODE]}", skill, f"onet-element-importance>={IMPORTANT}")


def _add_examples(graphs: GraphBuilder, database: OnetDatabase, table: str) -> None:
    """Technologies or tools, their classes, and what the acronym in a name stands for."""
    ids, source = database.example_ids(table), _EXAMPLES[table]
    for row in database.tables[table]:
        graphs.node("skill", _class(row), row["Commodity Title"], "onet-commodity")
    for text, id_ in ids.items():
        example = graphs.node("skill", id_, text, source)
        for part in _acronym(text):
            alias = graphs.text_node("skill_alias", "alias", part, "onet-acronym")
            graphs.edge("A", example, alias, "onet-acronym")
    for row in database.of_split(table, "train"):
        graphs.edge("J", f"onet/{row[CODE]}", ids[row["Example"]], source)
        graphs.edge("J", f"onet/{row[CODE]}", _class(row), "onet-commodity")


def _add_classes(graphs: GraphBuilder, database: OnetDatabase, table: str) -> None:
    """Examples of each class, whichever occupation has them: is-a, not synonymy."""
    relation = f"{_EXAMPLES[table]}-class(weak)"
    for row in database.tables[table]:
        if folded(row["Example"]) != folded(row["Commodity Title"]):
            alias = graphs.text_node("skill_alias", "alias", row["Example"], relation)
            graphs.edge("A", _class(row), alias, relation)


def _class(row: dict[str, str]) -> str:
    return f"unspsc/{row['Commodity Code']}"


def _acronym(name: str) -> tuple[str, ...]:
    """`Amazon Web Services` and `AWS` of `Amazon Web Services AWS software`; or nothing.

    The capitals must be the initials of all the words before them.
    """
    match = _ACRONYM.fullmatch(plain(name))
    if not match:
        return ()
    initials = "".join(word[0] for word in _WORDS.split(match[1]) if word)
    return match.groups() if initials.upper() == match[2] else ()
