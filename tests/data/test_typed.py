"""What people type, read as tasks: answers by their labels, bad lines by path and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny_typed import ALIASES, LABELS, use_space, write_typed
from uwe.data.typed import TYPED_SETS, read_typed
from uwe.errors import DataError
from uwe.spaces import target_space


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    if "data_folder" not in request.fixturenames:
        use_space(monkeypatch)
    return write_typed(tmp_path)


def test_best_and_other_answers_are_relevant_and_none_is_no_answer(folder: Path) -> None:
    found = read_typed(folder / "titles.tsv", "titles")
    assert found.task.targets == list(LABELS)
    assert found.task.target_ids == ["o/1", "o/2", "o/3", "o/4"]
    assert found.task.queries == ["Baker - nights", "SWE", "pastry chef"]
    assert found.task.relevant == [[0, 1, 2], [], [2]]
    assert found.aliases == list(map(list, ALIASES))
    assert (found.split, found.notes) == ("val", ())


def test_a_space_without_names_has_no_aliases(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_space(monkeypatch, None)
    assert read_typed(folder / "titles.tsv", "titles").aliases == [[], [], [], []]


def test_spans_are_merged_and_labels_that_the_release_lacks_are_counted(folder: Path) -> None:
    found = read_typed(folder / "spans_house.tsv", "spans_house")
    assert found.task.queries == ["bake", "sing"]
    assert found.task.relevant == [[0, 1], []]
    assert found.notes == (
        "queries merged into one of equal text: 2",
        "lines left out, as ESCO 1.2.0 lacks the label that 1.1.0 has: 1 (pilot of old)",
    )


def test_adverts_are_one_task(folder: Path) -> None:
    found = read_typed(folder / "adverts", "adverts")
    assert found.task.queries == ["bakes our bread", "cooks for 200"]
    assert found.task.relevant == [[0, 2], [1]]


def test_seals_change_with_the_answers(folder: Path) -> None:
    before = read_typed(folder / "titles.tsv", "titles").seals()
    text = (folder / "titles.tsv").read_text()
    (folder / "titles.tsv").write_text(text.replace("SWE\tNONE", "SWE\tguard"))
    after = read_typed(folder / "titles.tsv", "titles").seals()
    assert {name for name in before if before[name] != after[name]} == {"val.qrels.tsv.gz"}


@pytest.mark.parametrize(
    ("name", "lines", "line", "message"),
    [
        ("titles", ["title\toccupation"], 1, "occupation"),
        ("titles", ["title\toccupation\talso", "a\tbaker"], 2, "3 values"),
        ("titles", ["title\toccupation\talso", "", "a\tbaker"], 3, "3 values"),
        ("titles", ["title\toccupation\talso", " \tbaker\t"], 2, "blank"),
        ("titles", ["title\toccupation\talso", "a\t\tbaker"], 2, "occupation"),
        ("titles", ["title\toccupation\talso", "a\tbakers\t"], 2, "label"),
        ("titles", ["title\toccupation\talso", "a\tbaker\tcooks"], 2, "got 'cooks'"),
        ("titles", ["title\toccupation\talso", "a\tNONE\tcook"], 2, "labels"),
        ("titles", ["title\toccupation\talso", "a\tNONE\t"], None, "at least one line"),
        ("titles", ["title\toccupation\talso", "a\udcff\tbaker\t"], 2, "expected UTF-8"),
        ("titles", [], None, "answer"),
        ("spans_tech", ["sentence\tspan\tskill", "a\tb\tc\td"], 2, "3 values"),
        ("spans_tech", ["sentence\tspan\tskill", "a\tb\tc"], None, "at least one line"),
    ],
)
def test_a_malformed_line_is_told_with_its_path(
    folder: Path, name: str, lines: list[str], line: int | None, message: str
) -> None:
    path = folder / f"{name}.tsv"
    path.write_bytes("".join(f"{text}\n" for text in lines).encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=message) as error:
        read_typed(path, name)
    assert (error.value.path, error.value.line) == (path, line)


def test_a_malformed_line_of_an_advert_is_told_with_its_file(folder: Path) -> None:
    (folder / "adverts/02.tsv").write_text("cooks\tcook\nbakes\tbakers\n")
    with pytest.raises(DataError, match="got 'bakers'") as error:
        read_typed(folder / "adverts", "adverts")
    assert (error.value.path, error.value.line) == (folder / "adverts/02.tsv", 2)


# Queries, those without an answer, and pairs.
_KNOWN = {
    "titles": (248, 30, 531),
    "keywords": (204, 44, 613),
    "advert_titles": (232, 0, 238),
    "spans_house": (207, 84, 123),
    "spans_tech": (190, 97, 95),
    "adverts": (249, 0, 1017),
}


@pytest.mark.parametrize("name", TYPED_SETS)
def test_the_provided_sets(data_folder: Path, name: str) -> None:
    place = data_folder / "typed" / name
    found = read_typed(place if place.is_dir() else place.with_suffix(".tsv"), name)
    relevant = found.task.relevant
    counts = len(found.task.queries), sum(not row for row in relevant), sum(map(len, relevant))
    assert counts == _KNOWN[name]
    space = target_space(TYPED_SETS[name].space)
    assert found.task.target_ids == list(space.ids)
    assert found.task.targets == list(space.labels)
    assert any("lacks the label" in note for note in found.notes) == name.startswith("spans_")
