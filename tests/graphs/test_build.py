"""The training graphs of tiny files, edge by edge; bad input; the command."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tiny_esco import URI, concept, write_release
from tiny_graphs import bytes_of, edges_of
from tiny_onet import write_zip
from uwe.data.layout import read_split
from uwe.data.onet import read_onet, write_onet
from uwe.errors import DataError, InputError
from uwe.graphs.build import build_graphs
from uwe.graphs.builder import GraphBuilder
from uwe.graphs.esco import held_out
from uwe.graphs.files import read_nodes


def relation(occupation: int, kind: str, skill: int) -> list[str]:
    return [f"{URI}occupation/{occupation}", kind, "knowledge", f"{URI}skill/{skill}"]


# Held out by the hash of their URIs: occupation 26 and skill 4 for test, skill 39 for val.
OCCUPATIONS = [
    concept("occupation", 0, "baker", "bread  maker\nBaker\nsecret seller"),
    concept("occupation", 26, "seller", "secret seller"),
]
NEW = {
    "skills": [
        concept("skill", 0, "bake bread", "make bread\nmaking loaves", "make bread\nbread"),
        concept("skill", 1, "use SQL", "SQL\nsell things", "", "Use SQL."),
        concept("skill", 2, "hidden talent", "", "", ""),
        concept("skill", 3, "silence", "", "", "Silence"),
        concept("skill", 4, "sell goods", "sell things\nhawk", "selling"),
        concept("skill", 39, "trade", "barter\nmake bread"),
    ],
    "occupations": OCCUPATIONS,
    "occupationSkillRelations": [
        relation(0, "optional", 0),
        relation(0, "essential", 0),
        relation(0, "optional", 1),
        relation(0, "essential", 4),
        relation(26, "essential", 1),
    ],
}
OLD = {
    "skills": [
        concept("skill", 0, "bake loaves", "loaf making"),
        concept("skill", 2, "talent"),
        concept("skill", 7, "repair cobbles", "mend cobbles"),
        concept("skill", 8, "Use SQL"),
    ],
    "occupations": OCCUPATIONS,
    "occupationSkillRelations": [],
}


@pytest.fixture
def data(tmp_path: Path) -> Any:
    folder = tmp_path / "data"
    write_release(folder / "esco" / "1.10.0", NEW)
    write_release(folder / "esco" / "1.9.0", OLD)
    write_onet(read_onet(write_zip(tmp_path / "db.zip")), folder / "onet")
    return folder


ONET_A = {
    ("Review plans.", "Review materials.", "onet-iwa-of-dwa(weak)"),
    ("Amazon Web Services AWS software", "Amazon Web Services", "onet-acronym"),
    ("Amazon Web Services AWS software", "AWS", "onet-acronym"),
    ("Cloud software", "Amazon Web Services AWS software", "onet-technology-class(weak)"),
    ("Sales software", "Salesforce CRM", "onet-technology-class(weak)"),
    ("Spreadsheet software", "Microsoft Excel", "onet-technology-class(weak)"),
    ("Notebook computers", "Laptops", "onet-tool-class(weak)"),
    ("Tablet computers", "Tablets", "onet-tool-class(weak)"),
}
ONET_J = {
    ("Chief Executives", "Review plans.", "onet-dwa"),
    ("Chief Executives", "Hire personnel.", "onet-dwa"),
    ("Chief Executives", "Writing", "onet-element-importance>=3.5"),
    ("Chief Executives", "Amazon Web Services AWS software", "onet-technology"),
    ("Chief Executives", "Cloud Software", "onet-technology"),
    ("Chief Executives", "Cloud software", "onet-commodity"),
    ("Chief Executives", "Laptops", "onet-tool"),
    ("Chief Executives", "Notebook computers", "onet-commodity"),
}
ONET_V = {
    ("Review plans.", 'Review "plans" of others.', "onet-task-dwa"),
    ("Hire personnel.", "Hire staff.", "onet-task-dwa"),
    ("Writing", "Communicating in writing.", "onet-element-description"),
    ("Law", "Knowledge of laws.", "onet-element-description"),
}
ONET_N = {("Chief Executives", alias, "onet-alternate-title")
          for alias in ("Chief Executive Officer", "CEO", "President")}  # fmt: skip
OLD_V = {("repair cobbles", "About repair cobbles.", "esco-skill-description")}


def test_graphs_without_answers(data: Any, tmp_path: Path) -> None:
    built = build_graphs(data, tmp_path / "train")
    description, alias = "esco-skill-description", "esco-occupation-altlabel"
    assert edges_of(tmp_path / "train", "J") == ONET_J
    assert edges_of(tmp_path / "train", "V") == ONET_V | OLD_V | {
        ("bake bread", "About bake bread.", description),
        ("sell goods", "About sell goods.", description),
        ("trade", "About trade.", description),
        ("use SQL", "Use SQL.", description),
    }
    # Labels and hidden labels that are altLabels too would be answers of skillnorm.
    assert edges_of(tmp_path / "train", "A") == ONET_A | {
        ("bake bread", "bread", "esco-hidden-label"),
        ("sell goods", "selling", "esco-hidden-label"),
        ("bake bread", "bake loaves", "esco-label-revision"),
    }
    assert edges_of(tmp_path / "train", "N") == ONET_N | {
        ("baker", "bread maker", alias),
        ("baker", "secret seller", alias),
        ("seller", "secret seller", alias),
    }
    assert edges_of(tmp_path / "train", "D") == {
        ("Chief Executives", "Determine policies.", "onet-description"),
        ("baker", "About baker.", "esco-occupation-description"),
        ("seller", "About seller.", "esco-occupation-description"),
    }
    assert built.releases == ("1.10.0", "1.9.0")
    assert built.not_rebuilt == (
        "V: skillskape-train (its sentences are published apart: pass --skillskape FILE)",
    )
    assert built.nodes["job"] == 3
    assert "skill/2" not in read_nodes(tmp_path / "train", "skill")


def test_graphs_with_a_part_held_out(data: Any, tmp_path: Path) -> None:
    assert [held_out(f"{URI}skill/{i}") for i in (0, 4, 39)] == ["train", "test", "val"]
    build_graphs(data, tmp_path / "full", heldout=True)
    assert edges_of(tmp_path / "full", "J") == ONET_J | {
        ("baker", "bake bread", "esco-essential"), ("baker", "use SQL", "esco-optional"),
    }  # fmt: skip
    # No alias is a text of a skill that is held out: "sell things", and "make bread" of 39.
    assert edges_of(tmp_path / "full", "A") == ONET_A | {
        ("bake bread", "bread", "esco-hidden-label"),
        ("bake bread", "bake loaves", "esco-label-revision"),
        ("bake bread", "making loaves", "esco-altlabel"),
        ("use SQL", "SQL", "esco-altlabel"),
        ("repair cobbles", "mend cobbles", "esco-altlabel"),
    }
    assert edges_of(tmp_path / "full", "N") == ONET_N | {
        ("baker", "bread maker", "esco-occupation-altlabel")
    }
    assert len(edges_of(tmp_path / "full", "V")) == len(ONET_V | OLD_V) + 2
    ids = gzip.decompress((tmp_path / "full" / "heldout_ids.tsv.gz").read_bytes()).decode()
    assert ids == "id\tsplit\noccupation/26\ttest\nskill/39\tval\nskill/4\ttest\n"
    tasks = {}
    for name, split in (("job2skill", "test"), ("skill2job", "test"),
                        ("skillnorm", "test"), ("skillnorm", "val")):  # fmt: skip
        task = read_split(tmp_path / "full" / "heldout" / name, split).task
        tasks[name, split] = [
            (query, [task.targets[i] for i in found])
            for query, found in zip(task.queries, task.relevant, strict=True)
        ]
    assert tasks == {
        ("job2skill", "test"): [("seller", ["use SQL"])],
        ("skill2job", "test"): [("sell goods", ["baker"])],
        ("skillnorm", "test"): [
            ("sell things", ["sell goods", "use SQL"]), ("hawk", ["sell goods"]),
        ],
        ("skillnorm", "val"): [("barter", ["trade"]), ("make bread", ["bake bread", "trade"])],
    }  # fmt: skip


def test_the_same_files_give_the_same_bytes(data: Any, tmp_path: Path) -> None:
    build_graphs(data, tmp_path / "a", heldout=True)
    build_graphs(data, tmp_path / "b", heldout=True)
    first = bytes_of(tmp_path / "a")
    assert first == bytes_of(tmp_path / "b")
    build_graphs(data, tmp_path / "a", heldout=True)
    assert first == bytes_of(tmp_path / "a")
    assert len(first) == 11 + 1 + 3 + 3 + 5


def test_an_alias_is_named_by_its_text_and_the_first_source_stands() -> None:
    graphs = GraphBuilder()
    alias = ""
    for skill in ("skill/1", "skill/2"):
        graphs.node("skill", skill, skill, "x")
        alias = graphs.text_node("skill_alias", "alias", "  make \u00a0bread ", skill)
        graphs.edge("A", skill, alias, "first")
        graphs.edge("A", skill, alias, "second")
    assert alias == f"alias/{hashlib.sha1(b'make bread').hexdigest()[:12]}"
    assert graphs.relations()["A"] == {"first": 2}
    assert graphs.texts("skill_alias") == {alias: "make bread"}
    with pytest.raises(KeyError, match="no skill_alias 'alias/x'"):
        graphs.edge("A", "skill/1", "alias/x", "first")


def test_without_an_earlier_release_what_lacks_is_said(data: Any, tmp_path: Path) -> None:
    for path in (data / "esco" / "1.9.0").iterdir():
        path.unlink()
    (data / "esco" / "1.9.0").rmdir()
    built = build_graphs(data, tmp_path / "train")
    assert [said.split(" (")[0] for said in built.not_rebuilt] == [
        "V: skillskape-train", "A: esco-label-revision",
    ]  # fmt: skip


def test_what_lacks_is_named(data: Any, tmp_path: Path) -> None:
    (data / "onet").rename(data / "other")
    with pytest.raises(InputError, match="onet"):
        build_graphs(data, tmp_path / "train")
    (data / "esco").rename(data / "none")
    (data / "other").rename(data / "onet")
    with pytest.raises(InputError, match="esco/"):
        build_graphs(data, tmp_path / "train")
    assert not (tmp_path / "train").exists()


def test_nothing_else_is_replaced_and_a_failure_leaves_what_was(data: Any, tmp_path: Path) -> None:
    out = tmp_path / "train"
    out.mkdir()
    (out / "thesis.txt").write_text("dear")
    with pytest.raises(InputError):
        build_graphs(data, out)
    assert (out / "thesis.txt").read_text() == "dear"
    (out / "thesis.txt").unlink()
    build_graphs(data, out)
    before = bytes_of(out)
    # Nor beside graphs: what somebody paid a language model for.
    (out / "enriched.journal.jsonl").write_text("dear")
    with pytest.raises(InputError, match="enriched"):
        build_graphs(data, out)
    (out / "enriched.journal.jsonl").unlink()
    (data / "onet" / "tools_used.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with pytest.raises(DataError, match="'O\\*NET-SOC Code'"):
        build_graphs(data, out)
    assert bytes_of(out) == before


def test_a_damaged_release_is_named(data: Any, tmp_path: Path) -> None:
    release = data / "esco" / "1.10.0"
    with zipfile.ZipFile(release / "part.zip", "w") as archive:
        archive.writestr("skills_en.csv", 'conceptUri,preferredLabel\nx,"open\n')
    (release / "skills_en.csv").unlink()
    with pytest.raises(DataError) as caught:
        build_graphs(data, tmp_path / "train")
    assert str(caught.value.path) == f"{release / 'part.zip'}!skills_en.csv"
    assert caught.value.line == 2


def test_command(data: Any, tmp_path: Path, shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UWE_DATA", str(data))
    out = tmp_path / "full"
    told = shell.json("data", "graphs", "--out", str(out), "--heldout")
    assert told["edges"]["J"]["esco-essential"] == 1
    assert told["heldout"]["skillnorm"] == {"val": 2, "test": 2}
    printed = shell("data", "graphs", "--out", str(out)).stdout
    assert "not rebuilt: V: skillskape-train" in printed
    assert "ESCO classification of the European Commission" in printed
    assert "USDOL/ETA" in printed
    assert not (out / "heldout").exists()
    said = shell.error("data", "graphs", "--out", str(out), "--data", "no-such-folder")
    assert "no-such-folder" in said
