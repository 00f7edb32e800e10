"""The graphs U and S: real adverts, with the skills that models answer them with.

Experts marked in SkillSpan's adverts what asks for a skill, but not which; models were asked for
that (`scripts/pseudo_label.py`). The project has their answers, each with a digest of the text that
it is to. The texts are SkillSpan's, and lie in the data folder.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from uwe.checks import path_of
from uwe.data.esco import read_releases
from uwe.data.marked_lines import CLASSES, read_marked_lines
from uwe.data.tables import tabbed_rows
from uwe.errors import DataError, InputError
from uwe.files.atomic import replaced
from uwe.graphs.builder import ADVERT_GRAPHS, GraphBuilder
from uwe.graphs.files import check_replaceable

ATTRIBUTION = "SkillSpan, Zhang, Jensen, Sonniks and Plank (2022), MIT License."
RELATION = "pseudo-label"
COLUMNS = ("text", "ids")
SEPARATOR = " | "
ANSWERS = {"U": "adverts/lines.tsv.gz", "S": "adverts/spans.tsv.gz"}
"""Of each graph the file of answers."""

_MARKED = Path("skillspan") / "train.jsonl.gz"
_WORDS = range(3, 61)
"""Lines of fewer words are headings; some of more were joined from several."""


@dataclass(frozen=True)
class AdvertGraphs:
    """What was built."""

    folder: Path
    relations: dict[str, Counter[str]]  # for each graph how many edges it has of each relation
    nodes: dict[str, int]  # how many of each kind there are
    unanswered: dict[str, int]  # texts of SkillSpan without an answer, for each graph


def build_advert_graphs(data: str | Path, texts: str | Path, out: str | Path) -> AdvertGraphs:
    """Build the graphs, and write them whole or not at all; graphs that are there are replaced.

    The same files give the same bytes.

    Args:
        data: A folder with `skillspan/train.jsonl.gz`, and `esco/<version>/` with the zips or files
            of a release, of which the newest counts.
        texts: A folder with `adverts/`, such as `data/` of the project.
        out: Where `nodes.<kind>.jsonl.gz` and `<graph>.edges.tsv.gz` are written.
    """
    data, texts, out = path_of("data", data), path_of("texts", texts), path_of("out", out)
    check_replaceable(out)
    if missing := [name for name in ANSWERS.values() if not (texts / name).is_file()]:
        raise InputError(
            f"{texts}: expected answers to adverts, found no {', '.join(missing)}: name a folder "
            "that has adverts/, such as data/ of the project"
        )
    if not (data / _MARKED).is_file():
        raise InputError(
            f"{data}: expected {_MARKED.as_posix()}, found none: put SkillSpan's training adverts "
            "there, a line of JSON with doc, text, skills and knowledge for each line"
        )
    release, _ = read_releases(data, older=False)
    skills = {skill.id: skill.label for skill in release.skills.values()}
    graphs = GraphBuilder(ADVERT_GRAPHS)
    unanswered = {}
    for name, found in advert_texts(data).items():
        answers = _answers(texts / ANSWERS[name])
        kind = ADVERT_GRAPHS[name][1]
        unanswered[name] = 0
        for text in found:
            ids = [id_ for id_ in answers.get(digest(text), ()) if id_ in skills]
            unanswered[name] += not ids
            for id_ in ids:
                graphs.node("skill", id_, skills[id_], "esco")
                node = graphs.node(kind, f"skillspan/{digest(text)}", text, "skillspan")
                graphs.edge(name, id_, node, RELATION)
    with replaced(out) as new:
        graphs.write(new)
    return AdvertGraphs(
        folder=out,
        relations=graphs.relations(),
        nodes={kind: len(ids) for kind, ids in graphs.used().items()},
        unanswered=unanswered,
    )


def advert_texts(data: Path) -> dict[str, list[str]]:
    """Of each graph its texts: lines with a mark, and the words that are marked; each once."""
    lines: dict[str, str] = {}
    spans: dict[str, str] = {}
    for row in read_marked_lines(data / _MARKED):
        marked = [span for kind in CLASSES for span in row[kind]]
        line = _joined(row["text"])
        if marked and len(line.split()) in _WORDS:
            lines.setdefault(compared(line), line)
        for start, end in marked:
            span = _joined(row["text"][start:end])
            if re.search(r"[A-Za-z]{2}", span):
                spans.setdefault(compared(span), span)
    return {"U": list(lines.values()), "S": list(spans.values())}


def compared(text: str) -> str:
    """A text without what its tokens are separated by, and without capitals."""
    return re.sub(r"\W+", " ", text).casefold().strip()


def digest(text: str) -> str:
    """What stands for a text in the files of answers."""
    return hashlib.sha256(compared(text).encode()).hexdigest()[:16]


def _joined(text: str) -> str:
    """A text of separate tokens as people write it, without what stands for names."""
    text = re.sub(r"<[A-Z]+>", " ", text).replace("( ", "(")
    return " ".join(re.sub(r"\s+([.,;:)!?])", r"\1", text).split())


def _answers(path: Path) -> dict[str, list[str]]:
    """Ids of skills by the digest of a text."""
    rows = (values for _, values in tabbed_rows(path, COLUMNS))
    answers = {text: [id_.strip() for id_ in ids.split(SEPARATOR)] for text, ids in rows}
    if not answers:
        raise DataError("expected a header and at least one line, got none", path=path)
    return answers
