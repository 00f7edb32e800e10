"""The graphs of real adverts and models' answers: edges, what has none, bad input, the command."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tiny_graphs import bytes_of, edges_of
from tiny_written import write_data
from uwe.errors import DataError, InputError
from uwe.graphs.adverts import ANSWERS, build_advert_graphs, compared, digest

LINE = "Bakes bread ( at <LOCATION> ) , and queries tables ."
MARKED = {
    "doc": "1",
    "text": LINE,
    "skills": [[0, 11]],
    "knowledge": [[LINE.index("tables"), LINE.index("tables") + 6]],
}
IDLE = {"doc": "1", "text": "We pay every Friday night .", "skills": [], "knowledge": []}
SHORT = {"doc": "2", "text": "Bakes Bread", "skills": [[0, 11]], "knowledge": []}
UNKNOWN = {"doc": "2", "text": "Sails all the seas", "skills": [[0, 5]], "knowledge": [[14, 18]]}
TOGETHER = "Bakes bread (at), and queries tables."


def write_gz(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Any:
    folder = write_data(tmp_path / "data")
    rows = map(json.dumps, (MARKED, IDLE, SHORT, UNKNOWN))
    write_gz(folder / "skillspan" / "train.jsonl.gz", *rows)
    return folder


@pytest.fixture
def texts(tmp_path: Path) -> Any:
    folder = tmp_path / "texts"
    header = "text\tids"
    line, gone = digest(TOGETHER), digest("sails all the seas")
    write_gz(folder / ANSWERS["U"], header, f"{line}\tskill/0 | skill/2", f"{gone}\tskill/99")
    write_gz(
        folder / ANSWERS["S"],
        header,
        f"{digest('bakes bread')}\tskill/0",
        f"{digest('tables')}\tskill/2 | skill/99",
    )
    return folder


def test_each_text_has_the_skills_that_were_answered(data: Any, texts: Any, tmp_path: Path) -> None:
    built = build_advert_graphs(data, texts, tmp_path / "out")
    label = "pseudo-label"
    assert edges_of(tmp_path / "out", "U") == {
        ("bake bread", TOGETHER, label),
        ("use SQL", TOGETHER, label),
    }
    # The first spelling of "bakes bread" stands; what ESCO lacks is left out.
    assert edges_of(tmp_path / "out", "S") == {
        ("bake bread", "Bakes bread", label),
        ("use SQL", "tables", label),
    }
    assert built.unanswered == {"U": 1, "S": 2}
    assert built.nodes == {"skill": 2, "sentence": 1, "skill_alias": 2}
    again = build_advert_graphs(data, texts, tmp_path / "again")
    assert again.relations == built.relations
    assert bytes_of(tmp_path / "again") == bytes_of(tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Node.js , Go", "node js go"),
        ("  A/B  tests!", "a b tests"),
        ("C++", "c"),
        ("STRASSE Straße", "strasse strasse"),
    ],
)
def test_texts_are_compared_by_their_words(text: str, same: str) -> None:
    assert compared(text) == same
    assert digest(text) == digest(same) != digest(f"{same} x")


def test_what_is_missing_is_named(data: Any, texts: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"skillspan/train\.jsonl\.gz"):
        build_advert_graphs(tmp_path, texts, out)
    (texts / ANSWERS["S"]).unlink()
    with pytest.raises(InputError, match=r"adverts/spans\.tsv\.gz"):
        build_advert_graphs(data, texts, out)
    assert not out.exists()


@pytest.mark.parametrize("lines", [(), ("text\tids",), ("text\tid",), ("text\tids", "1"), ("a\t",)])
def test_damaged_answers_are_named(
    data: Any, texts: Any, tmp_path: Path, lines: tuple[str, ...]
) -> None:
    path = write_gz(texts / ANSWERS["S"], *lines)
    with pytest.raises(DataError) as raised:
        build_advert_graphs(data, texts, tmp_path / "out")
    assert raised.value.path == path
    assert not (tmp_path / "out").exists()


def test_command(
    data: Any, texts: Any, tmp_path: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UWE_DATA", str(data))
    command = ["data", "graphs", "--adverts", str(texts), "--out", str(tmp_path / "out")]
    assert shell.json(*command)["edges"] == {"U": {"pseudo-label": 2}, "S": {"pseudo-label": 2}}
    printed = shell(*command).stdout
    assert "left out of S: 2 texts without an answer" in printed
    assert "SkillSpan" in printed
    for more in (["--heldout"], ["--texts", str(texts)], ["--skillskape", "a.csv"]):
        assert "--adverts" in shell(*command, *more, code=2).stderr


def test_the_projects_answers_are_to_skillspans_texts(data_folder: Path, tmp_path: Path) -> None:
    root = Path(__file__).parents[2] / "data"
    built = build_advert_graphs(data_folder, root, tmp_path / "out")
    assert {name: found.total() for name, found in built.relations.items()} == {
        "U": 6_759, "S": 11_683,
    }  # fmt: skip
    assert built.unanswered["U"] < 10
