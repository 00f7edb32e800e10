"""A release of ESCO with five skills and three occupations, as its portal ships one."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

NAME = "ESCO dataset - v1.2.0 - classification - en - csv.zip"
URI = "http://data.europa.eu/esco/"

Table = list[list[str]]


def skill(name: str) -> str:
    return f"{URI}skill/{name}"


def job(name: str) -> str:
    return f"{URI}occupation/{name}"


def isco(code: str) -> str:
    return f"{URI}isco/C{code}"


def tables() -> dict[str, Table]:
    """Header and rows of each file."""
    concept = "KnowledgeSkillCompetence"
    return {
        "skills": [
            ["conceptType", "conceptUri", "skillType", "reuseLevel", "preferredLabel", "altLabels",
             "hiddenLabels", "status", "description"],
            [concept, skill("bake"), "skill/competence", "sector-specific", "bake bread",
             "bake loaves\nmake bread \nbake bread\nR", "bake bred", "released",
             "Bake, with heat."],
            [concept, skill("dough"), "skill/competence", "cross-sector", " knead dough",
             "knead dough\nwork dough", "", "released", "Says \"knead\",\nover\n\ntwo lines."],
            [concept, skill("flour"), "knowledge", "", "flour", "", "", "released", ""],
            [concept, skill("sql"), "knowledge", "cross-sector", "SQL", "make bread|S-Q-L", "",
             "released", "A language."],
            [concept, skill("old"), "knowledge", "cross-sector", "telex", "", "", "obsolete", ""],
        ],
        "occupations": [
            ["conceptType", "conceptUri", "iscoGroup", "preferredLabel", "altLabels", "status",
             "description", "code"],
            ["Occupation", job("baker"), "7512", "baker", "bread maker", "released", "", "7512.1"],
            ["Occupation", job("head"), "7512", "head baker", "", "released", "", "7512.1.1"],
            ["Occupation", job("dba"), "2521", "database administrator", "DBA", "released", "",
             "2521.1"],
        ],
        "occupationSkillRelations": [
            ["occupationUri", "relationType", "skillType", "skillUri"],
            [job("head"), "essential", "knowledge", skill("flour")],
            [job("baker"), "essential", "skill/competence", skill("dough")],
            [job("baker"), "essential", "skill/competence", skill("bake")],
            [job("baker"), "optional", "skill/competence", skill("bake")],
            [job("baker"), "optional", "knowledge", skill("old")],
            [job("gone"), "optional", "knowledge", skill("sql")],
        ],
        "skillSkillRelations": [
            ["originalSkillUri", "originalSkillType", "relationType", "relatedSkillType",
             "relatedSkillUri"],
            [skill("bake"), "skill/competence", "optional", "knowledge", skill("flour")],
            [skill("dough"), "skill/competence", "essential", "knowledge", skill("flour")],
            [skill("sql"), "knowledge", "essential", "knowledge", skill("sql")],
        ],
        "broaderRelationsSkillPillar": [
            ["conceptType", "conceptUri", "broaderType", "broaderUri"],
            [concept, skill("dough"), concept, skill("bake")],
            [concept, skill("bake"), concept, skill("gone")],
            [concept, skill("bake"), "SkillGroup", skill("S1.1")],
            ["SkillGroup", skill("S1.1"), "SkillGroup", skill("S1")],
        ],
        "broaderRelationsOccPillar": [
            ["conceptType", "conceptUri", "broaderType", "broaderUri"],
            ["Occupation", job("baker"), "ISCOGroup", isco("7512")],
            ["Occupation", job("head"), "Occupation", job("baker")],
            ["ISCOGroup", isco("7512"), "ISCOGroup", isco("7")],
        ],
        "ISCOGroups": [
            ["conceptType", "conceptUri", "code", "preferredLabel"],
            ["ISCOGroup", isco("7"), "7", "Craft workers"],
            ["ISCOGroup", isco("7512"), "7512", "Bakers"],
            ["ISCOGroup", isco("2521"), "2521", "Database designers"],
        ],
        "skillGroups": [
            ["conceptType", "conceptUri", "preferredLabel", "code"],
            ["SkillGroup", skill("S1"), "skills", "S1"],
            ["SkillGroup", skill("S1.1"), "preparing food ", "S1.1"],
        ],
    }  # fmt: skip


def concept(
    kind: str, number: int, label: str, alt: str = "", hidden: str = "", description: str = "-"
) -> list[str]:
    """A row of a release that is made up; `-` makes a description up too."""
    text = f"About {label}." if description == "-" else description
    return [f"{URI}{kind}/{number}", label, alt, hidden, text, "released"]


def write_release(folder: Path, tables: Mapping[str, Table]) -> None:
    """CSV files of rows: those of `concept`, and of relations."""
    folder.mkdir(parents=True)
    header = ["conceptUri", "preferredLabel", "altLabels", "hiddenLabels", "description", "status"]
    relations = ["occupationUri", "relationType", "skillType", "skillUri"]
    for name, rows in tables.items():
        first = relations if name == "occupationSkillRelations" else header
        text = text_of([first, *rows])
        (folder / f"{name}_en.csv").write_text(text, encoding="utf-8", newline="")


def text_of(table: Table) -> str:
    """The CSV file, as ESCO writes it."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()


def write_zip(
    path: Path, content: Mapping[str, Table | str], *, folder: str = "", suffix: str = "_en"
) -> Path:
    """A zip of files, each a table or its text, under `folder` in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in content.items():
            text = table if isinstance(table, str) else text_of(table)
            archive.writestr(f"{folder}{name}{suffix}.csv", text)
    return path
