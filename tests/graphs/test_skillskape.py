"""SkillSkape's sentences: the forms of its file, what is left out, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from uwe.errors import DataError
from uwe.graphs.builder import GraphBuilder
from uwe.graphs.files import read_edges, read_nodes
from uwe.graphs.skillskape import add_sentences, read_sentences

# As its authors write it: a first column without a name, lists as Python shows them.
PUBLISHED = """,sentence,skills
0,"Bake  bread, and mill grain.","['bake bread', 'mill grain', 'UNK']"
1,Earn money.,['UNK']
2,"Bake  bread, and mill grain.","['bake cakes']"
3,A test of ours.,['bake bread']
"""
READ = {
    "A test of ours.": ["bake bread"],
    "Bake  bread, and mill grain.": ["bake bread", "mill grain", "UNK", "bake cakes"],
    "Earn money.": ["UNK"],
}


def test_reads_the_published_form_and_one_label_a_row(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(PUBLISHED)
    assert read_sentences(tmp_path / "train.csv") == READ
    rows = [{"sentence": text, "label": label} for text, found in READ.items() for label in found]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_sentences(tmp_path / "train.jsonl") == READ
    rows = [{"sentence": text, "skills": found} for text, found in READ.items()]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_sentences(tmp_path / "train.jsonl") == READ


def test_sentences_join_the_skills_that_are_here(tmp_path: Path) -> None:
    graphs = GraphBuilder()
    labels = {"bake bread": "skill/1", "mill grain": "skill/2", "bake cakes": "skill/3"}
    for skill in ("skill/1", "skill/2"):
        graphs.node("skill", skill, skill, "x")
    left_out = add_sentences(graphs, READ, labels, iter(["A  test of ours."]))
    graphs.write(tmp_path)
    edges = read_edges(tmp_path / "V.edges.tsv.gz")
    assert list(zip(edges.left, edges.right, strict=True)) == [
        ("skill/1", "skillskape-train/00001"), ("skill/2", "skillskape-train/00001"),
    ]  # fmt: skip
    assert read_nodes(tmp_path, "sentence") == {
        "skillskape-train/00001": "Bake bread, and mill grain."
    }
    assert left_out == {
        "labels of no skill that is here": 3, "sentences that are queries of a task": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,,['x']", "expected a text"),
        ("1,Earn.,open(", "labels"),
        ("1,Earn.,__import__('os')", "labels"),
        ("1,Earn.,[1]", "labels"),
        ("1,Earn.,{[1]: 2}", "labels"),
        ("1,Earn.,'x'", "labels"),
        ("1,Earn.", "3 values"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, row: Any, said: str) -> None:
    path = tmp_path / "train.csv"
    path.write_text(f"{PUBLISHED}{row}\n")
    with pytest.raises(DataError, match=said) as caught:
        read_sentences(path)
    assert (caught.value.path, caught.value.line) == (path, 6)


def test_a_file_without_labels_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("sentence,text\nEarn.,x\n")
    with pytest.raises(DataError, match="'label'") as caught:
        read_sentences(path)
    assert caught.value.line == 2
