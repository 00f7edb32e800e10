"""The graphs of the written texts and the lexicon, edge by edge; bad input; the command."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import pytest

from tiny_esco import URI
from tiny_graphs import bytes_of, edges_of
from tiny_written import TEXTS, write_data, write_texts
from uwe.encoder.config import TrainingSource
from uwe.errors import DataError, InputError
from uwe.graphs.audit import read_training
from uwe.graphs.builder import WRITTEN_GRAPHS
from uwe.graphs.esco import held_out
from uwe.graphs.files import read_nodes
from uwe.graphs.written import build_written_graphs

LACKS = "of a concept that ESCO 1.10.0 lacks"
HELD_OUT = "of a concept that is held out"
SECRET = "equal to a text of a concept that is held out"
QUERY, LABEL = "equal to a query of a task", "equal to a label"
ALIAS = "equal to an alternative label of the same skill"
NONE = "to which ESCO has no answer"


@pytest.fixture
def data(tmp_path: Path) -> Any:
    return write_data(tmp_path / "data")


@pytest.fixture
def texts(tmp_path: Path) -> Any:
    return write_texts(tmp_path / "texts")


def test_graphs_without_answers(data: Any, texts: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built = build_written_graphs(data, texts, out)
    sentence, several, need = "written-sentence", "written-several", "written-job-skill"
    assert {name: edges_of(out, name) for name in WRITTEN_GRAPHS} == {
        "W": {
            ("bake bread", "We seek a baker.", sentence),
            ("bake bread", "Kneads at dawn.", sentence),
            ("use SQL", "SQL wanted.", sentence),
            ("use SQL", "Reads tables.", sentence),
            ("sell goods", "Sells.", sentence),
            ("sell goods", "Sold.", sentence),
        },
        "M": {
            ("bake bread", "Bakes and reads.", several),
            ("use SQL", "Bakes and reads.", several),
            ("bake bread", "Bakes and sells.", several),
            ("sell goods", "Bakes and sells.", several),
        },
        # "Make Bread", and "Loaf making" of the earlier release, answer skillnorm; "hawk", an
        # alternative label of another skill, does not.
        "P": {
            ("use SQL", "hawk", "written-phrase"),
            ("sell goods", "vending", "written-phrase"),
            ("sell goods", "retail", "written-phrase"),
        },
        # Equal but for case, the first spelling stands.
        "T": {
            ("baker", "Baker - nights", "written-title"),
            ("cook", "Baker - nights", "written-title"),
            ("seller", "Shop hand", "written-title"),
            ("seller", "Shop assistant", "written-title"),
        },
        "K": {
            ("baker", "use SQL", need),
            ("baker", "selling", need),
            ("baker", "ovens", need),
            ("baker", "typical query", need),
            ("cook", "ovens", need),
        },
        # A query of skillnorm is compared skill by skill.
        "L": {
            ("bake bread", "sourdough", "lexicon-best"),
            ("use SQL", "sourdough", "lexicon-other"),
            ("use SQL", "make bread", "lexicon-other"),
        },
        "O": {
            ("baker", "bread baker", "lexicon-best"),
            ("cook", "bread baker", "lexicon-other"),
            ("seller", "bread baker", "lexicon-other"),
            ("cook", "Salesperson", "lexicon-best"),
        },
    }
    assert built.left_out == {
        "W": {LACKS: 2},
        "M": {},
        "P": {ALIAS: 2, LABEL: 1, LACKS: 2},
        "T": {LABEL: 1, QUERY: 1},
        "K": {},
        "L": {LACKS: 1, NONE: 1, QUERY: 2, ALIAS: 1},
        "O": {},
    }
    assert built.shared == {"W": 0, "M": 2, "P": 0, "T": 1, "K": 1, "L": 1, "O": 1}
    assert built.releases == ("1.10.0", "1.9.0")
    assert (built.nodes["skill"], built.nodes["skill_phrase"]) == (3, 4)
    # Of two skills with one label, the first is meant.
    assert "skill/2" not in read_nodes(out, "skill")


def test_graphs_with_a_part_held_out(data: Any, texts: Any, tmp_path: Path) -> None:
    assert [held_out(f"{URI}{id_}") for id_ in ("skill/4", "occupation/26")] == ["test", "test"]
    out = tmp_path / "out"
    built = build_written_graphs(data, texts, out, heldout=True)
    assert edges_of(out, "P") == {
        ("bake bread", "Make Bread", "written-phrase"),
        ("bake bread", "Loaf making", "written-phrase"),
    }
    assert ("sell goods", "Bakes and sells.", "written-several") not in edges_of(out, "M")
    assert len(edges_of(out, "M")) == 3
    assert {text for _, text, _ in edges_of(out, "K")} == {"use SQL", "ovens", "typical query"}
    assert edges_of(out, "O") == {
        ("baker", "bread baker", "lexicon-best"), ("cook", "bread baker", "lexicon-other"),
    }  # fmt: skip
    assert built.left_out == {
        "W": {HELD_OUT: 2, LACKS: 2},
        "M": {HELD_OUT: 1},
        "P": {LABEL: 1, SECRET: 1, HELD_OUT: 2, LACKS: 2},
        "T": {LABEL: 1, QUERY: 1, HELD_OUT: 2},
        "K": {SECRET: 1},
        "L": {LACKS: 1, NONE: 1, QUERY: 2},
        "O": {HELD_OUT: 1, SECRET: 1},
    }
    assert built.releases == ("1.10.0",)
    names = set(read_nodes(out, "skill").values()) | set(read_nodes(out, "job").values())
    assert not names & {"sell goods", "seller"}


def test_a_text_is_named_by_its_words(data: Any, texts: Any, tmp_path: Path) -> None:
    build_written_graphs(data, texts, tmp_path / "out")
    titles = read_nodes(tmp_path / "out", "job_alias")
    digits = hashlib.sha256(b"baker - nights").hexdigest()[:12]
    assert titles[f"wtitle/{digits}"] == "Baker - nights"
    assert {id_.split("/")[0] for id_ in titles} == {"wtitle", "lex"}
    sentences = read_nodes(tmp_path / "out", "sentence")
    assert {id_.split("/")[0] for id_ in sentences} == {"wsent", "several"}


@pytest.mark.parametrize("heldout", [False, True])
def test_the_same_files_give_the_same_bytes(
    data: Any, texts: Any, tmp_path: Path, heldout: bool
) -> None:
    for name in "ab":
        build_written_graphs(data, texts, tmp_path / name, heldout=heldout)
    first = bytes_of(tmp_path / "a")
    assert first == bytes_of(tmp_path / "b")
    assert len(first) == 7 + 6
    build_written_graphs(data, texts, tmp_path / "a", heldout=heldout)
    assert first == bytes_of(tmp_path / "a")


def test_the_audit_reads_the_graphs(data: Any, texts: Any, tmp_path: Path) -> None:
    built = build_written_graphs(data, texts, tmp_path / "out")
    sources = [
        TrainingSource(f"out/{path.name}", hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted((tmp_path / "out").glob("*.gz"))
    ]
    found = read_training(tmp_path, sources)
    assert found.problems == ()
    assert found.relations == sum(built.relations.values(), start=type(found.relations)())


@pytest.mark.parametrize(
    ("name", "lines", "line", "message"),
    [
        ("written/skills.tsv.gz", ["id\tlabel"], 1, "columns"),
        ("written/skills.tsv.gz", [TEXTS["written/skills.tsv.gz"][0], "s\tl\ta\tb\tc"], 2,
         "got 5"),
        ("written/skills.tsv.gz", [TEXTS["written/skills.tsv.gz"][0], "s\tl\ta\tb\t \td"], 2,
         "name"),
        ("written/skills.tsv.gz", [TEXTS["written/skills.tsv.gz"][0], "s\tl\ta\tb\udcff\tc\td"],
         2, "UTF-8"),
        ("written/skills.tsv.gz", [], None, "header"),
        ("written/occupations.tsv.gz", ["id\tlabel\ttitles ...", "o\tl"], 2,
         "got 2"),
        ("written/occupations.tsv.gz", ["id\tlabel\ttitles ...", "o\tl\ta\t"], 2,
         "titles"),
        ("written/sentences_several.tsv.gz", ["sentence\tids\tlabels", "s\ta | b\tc"], 2,
         "2 ids"),
        ("lexicon/skill_terms.tsv.gz", ["term\tid\tlabel\tothers\tsource", "t\tNONE\tl\t\tw"], 2,
         "NONE"),
        ("lexicon/skill_terms.tsv.gz", ["term\tid\tlabel\tothers\tsource", "t\ti\tl\t\t"], 2,
         "source"),
    ],
)  # fmt: skip
def test_a_malformed_line_is_told_with_its_path(
    data: Any, tmp_path: Path, name: str, lines: list[str], line: int | None, message: str
) -> None:
    texts = write_texts(tmp_path / "texts", name, *lines)
    with pytest.raises(DataError, match=message) as error:
        build_written_graphs(data, texts, tmp_path / "out")
    assert (error.value.path, error.value.line) == (texts / name, line)
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_is_told_and_leaves_what_was(data: Any, texts: Any, tmp_path: Path) -> None:
    build_written_graphs(data, texts, tmp_path / "out")
    before = bytes_of(tmp_path / "out")
    path = texts / "written" / "occupation_skills.tsv.gz"
    whole = path.read_bytes()
    for content, message in ((whole[:-9], "damaged archive"), (b"id\tlabel\n", "packed by gzip")):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message) as error:
            build_written_graphs(data, texts, tmp_path / "out")
        assert error.value.path == path
    assert bytes_of(tmp_path / "out") == before


def test_what_lacks_is_named(data: Any, texts: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (texts / "lexicon" / "skill_terms.tsv.gz").unlink()
    with pytest.raises(InputError, match=r"lexicon/skill_terms\.tsv\.gz"):
        build_written_graphs(data, texts, out)
    with pytest.raises(InputError, match=r"written/skills\.tsv\.gz, written/sentences_"):
        build_written_graphs(data, tmp_path / "nowhere", out)
    write_texts(texts)
    with pytest.raises(InputError, match="esco/"):
        build_written_graphs(texts, texts, out)
    assert not out.exists()


def test_nothing_else_is_replaced(data: Any, texts: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        build_written_graphs(data, texts, texts / "written")
    assert sorted(path.name for path in (texts / "written").iterdir()) == [
        "occupation_skills.tsv.gz", "occupations.tsv.gz", "sentences_several.tsv.gz",
        "skills.tsv.gz",
    ]  # fmt: skip


def test_command(
    data: Any, texts: Any, tmp_path: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UWE_DATA", str(data))
    command = ["data", "graphs", "--texts", str(texts), "--out", str(tmp_path / "out")]
    told = shell.json(*command)
    assert told["edges"]["O"] == {"lexicon-best": 2, "lexicon-other": 2}
    assert told["left_out"]["T"] == {LABEL: 1, QUERY: 1}
    assert told["shared"]["T"] == 1
    printed = shell(*command, "--heldout").stdout
    assert f"left out of K: 1 texts {SECRET}" in printed
    assert "written by a large language model, CC BY 4.0" in printed
    assert "ESCO classification of the European Commission" in printed
    assert shell(*command, "--skillskape", "train.csv", code=2).stderr.count("--skillskape is for")
    bad = write_texts(tmp_path / "bad", "written/skills.tsv.gz", "id")
    said = shell.error(*command[:3], str(bad), *command[4:])
    assert "skills.tsv.gz:1: expected the columns" in said


def test_the_projects_texts_are_whole() -> None:
    folder = Path(__file__).parents[2] / "data"
    counted = {}
    for path in sorted(folder.glob("*/*.gz")):
        counted[path.name] = gzip.decompress(path.read_bytes()).count(b"\n")
    assert counted == {
        "lines.tsv.gz": 1_367,
        "no_skill_lines.txt.gz": 1_500,
        "occupation_skills.tsv.gz": 3_040,
        "occupation_titles.tsv.gz": 10_745,
        "occupations.tsv.gz": 3_040,
        "sentences_several.tsv.gz": 5_197,
        "skill_terms.tsv.gz": 11_477,
        "skills.tsv.gz": 13_940,
        "spans.tsv.gz": 3_478,
    }
