"""Whole adverts with marked places: where each place is found, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tiny_typed import use_space, write_typed
from uwe.data.adverts import MarkedPlace, MarkedText, marked_sets, read_adverts, read_skillspan
from uwe.errors import DataError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    if "data_folder" not in request.fixturenames:
        use_space(monkeypatch)
    return write_typed(tmp_path) / "adverts"


def _skillspan(path: Path, *rows: Any) -> Path:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


def test_places_are_found_in_the_text(folder: Path) -> None:
    first, second = read_adverts(folder)
    assert (first.name, second.name) == ("01", "02")
    assert first.places == (MarkedPlace(18, 33, frozenset({"baker", "pastry maker"})),)
    assert second.text[slice(second.places[0].start, second.places[0].end)] == "cooks for 200"


def test_each_line_takes_the_next_occurrence(folder: Path) -> None:
    (folder / "01.txt").write_bytes("bread\r\né bread, bread".encode())
    (folder / "01.tsv").write_text("bread\tbaker\nread\tcook\nbread\tcook\n")
    places = read_adverts(folder)[0].places
    assert [(place.start, *place.labels) for place in places] == [
        (0, "baker"), (1, "cook"), (9, "cook"),
    ]  # fmt: skip


def test_a_text_that_asks_for_nothing_has_no_places(folder: Path) -> None:
    (folder / "01.tsv").write_text("")
    assert read_adverts(folder)[0].places == ()


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        ("bakes our bread\tbaker\nbakes our bread\tcook\n", 2, "'bakes our bread'"),
        ("bakes your bread\tbaker\n", 1, "'bakes your bread'"),
        ("bakes\tbakers\n", 1, "got 'bakers'"),
        ("bakes\n", 1, "2 values"),
    ],
)
def test_a_malformed_line_is_told(folder: Path, lines: str, line: int, message: str) -> None:
    (folder / "01.tsv").write_text(lines)
    with pytest.raises(DataError, match=message) as error:
        read_adverts(folder)
    assert (error.value.path, error.value.line) == (folder / "01.tsv", line)


def test_other_bytes_and_an_empty_folder_are_told(folder: Path, tmp_path: Path) -> None:
    (folder / "01.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match="UTF-8") as error:
        read_adverts(folder)
    assert error.value.path == folder / "01.txt"
    with pytest.raises(DataError, match="found none"):
        read_adverts(tmp_path)


def test_lines_of_an_advert_are_joined(tmp_path: Path) -> None:
    path = _skillspan(
        tmp_path / "dev.jsonl.gz",
        {"doc": "a", "text": "We bake", "skills": [[3, 7]], "knowledge": []},
        {"doc": "a", "text": "", "skills": [], "knowledge": []},
        {"doc": "b", "text": "Python", "skills": [], "knowledge": [[0, 6]]},
        {"doc": "a", "text": "know flour", "skills": [[0, 10]], "knowledge": [[5, 10]]},
    )
    assert read_skillspan(path) == [
        MarkedText(
            "a",
            "We bake\n\nknow flour",
            (MarkedPlace(3, 7), MarkedPlace(9, 19), MarkedPlace(14, 19)),
        ),
        MarkedText("b", "Python", (MarkedPlace(0, 6),)),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"doc": 1}, "doc"),
        ({"text": None}, "text"),
        ({"skills": None}, "skills"),
        ({"skills": [[3, 8]]}, "skills"),
        ({"knowledge": [[3, 3]]}, "knowledge"),
        ({"knowledge": [3]}, "knowledge"),
    ],
)
def test_a_malformed_line_of_skillspan_is_told(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    good = {"doc": "a", "text": "We bake", "skills": [[3, 7]], "knowledge": []}
    path = _skillspan(tmp_path / "dev.jsonl.gz", good, {**good, **change})
    with pytest.raises(DataError, match=message) as error:
        read_skillspan(path)
    assert (error.value.path, error.value.line) == (path, 2)


def test_skillspan_without_lines_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got none"):
        read_skillspan(_skillspan(tmp_path / "dev.jsonl.gz"))


def test_sets_that_are_there_are_read(tmp_path: Path) -> None:
    assert list(marked_sets(tmp_path)) == ["typed/adverts"]
    with pytest.raises(DataError, match="neither"):
        marked_sets(tmp_path / "typed")


def test_the_provided_sets(data_folder: Path) -> None:
    found = marked_sets(data_folder)
    counts = {
        name: (len(texts), sum(len(t.places) for t in texts)) for name, texts in found.items()
    }
    assert counts == {"typed/adverts": (12, 250), "skillspan/dev": (58, 2142)}
