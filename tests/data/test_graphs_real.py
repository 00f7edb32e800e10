"""The graphs of the data folder, built from its raw files: equal, or how they differ."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from uwe.data.esco import read_esco
from uwe.data.graph_files import read_edges, read_nodes
from uwe.data.graphs import build_graphs
from uwe.data.layout import read_split

pytestmark = pytest.mark.slow

RELATION = "skillskape-train"


def content(path: Path) -> Any:
    return gzip.decompress(path.read_bytes())


def sentences(folder: Path) -> Any:
    """The skills that SkillSkape's sentences were written for, by sentence."""
    edges, texts = read_edges(folder / "V.edges.tsv.gz"), read_nodes(folder, "sentence")
    found = defaultdict(set)
    for skill, sentence, relation in zip(edges.left, edges.right, edges.relations, strict=True):
        if relation == RELATION:
            found[texts[sentence]].add(skill)
    return found


@pytest.fixture(scope="module")
def skillskape(data_folder: Path, tmp_path_factory: Any) -> Any:
    """SkillSkape's file as far as `train` has it, with the labels of ESCO 1.1.0 as published."""
    release = read_esco(data_folder / "esco" / "1.1.0")
    texts = {skill.id: skill.label for skill in release.skills.values()}
    path = tmp_path_factory.mktemp("skillskape") / "train.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for sentence, skills in sentences(data_folder / "train").items():
            labels = [texts[skill] for skill in skills]
            file.write(json.dumps({"sentence": sentence, "skills": labels}) + "\n")
    return path


def pairs(task: Any) -> Any:
    return {
        query: {task.target_ids[i] for i in found}
        for query, found in zip(task.queries, task.relevant, strict=True)
    }


@pytest.mark.parametrize("name", ["train", "train_full"])
def test_graphs_are_those_of_the_data_folder(
    data_folder: Path, skillskape: Any, tmp_path: Path, name: str
) -> None:
    known, full = data_folder / name, name == "train_full"
    built = build_graphs(data_folder, tmp_path / name, heldout=full, skillskape=skillskape)
    assert built.not_rebuilt == ()
    compared = 0
    for path in sorted(known.rglob("*.gz")):
        part = path.relative_to(known)
        mine, theirs = content(tmp_path / name / part), content(path)
        if str(part) in ("V.edges.tsv.gz", "nodes.sentence.jsonl.gz"):
            # The numbers in ids of SkillSkape's sentences count sentences that are not here.
            other = RELATION.encode()
            mine, theirs = (
                b"\n".join(line for line in lines.split(b"\n") if other not in line)
                for lines in (mine, theirs)
            )
        if part.parts[-2:-1] == ("skillnorm",) and "targets" not in part.name:
            continue
        assert mine == theirs, part
        compared += 1
    assert compared == (23 if full else 11)
    assert sentences(tmp_path / name) == sentences(known)
    if full:
        for split in ("val", "test"):
            # One skill's aliases stand elsewhere in each split, and so queries have other numbers.
            mine, theirs = (
                pairs(read_split(folder / "heldout" / "skillnorm", split).task)
                for folder in (tmp_path / name, known)
            )
            assert mine == theirs
            assert list(mine) != list(theirs)
