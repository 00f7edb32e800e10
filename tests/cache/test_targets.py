"""Targets from files: labels, ids, aliases and metadata, under names that may be given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from uwe.corpus import TargetTable, read_targets
from uwe.errors import DataError, InputError


def test_targets_from_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("Spark\nbaking\n")
    assert read_targets(tmp_path / "t.txt") == TargetTable(
        ["Spark", "baking"], [None, None], [[], []], {}
    )


def test_targets_from_csv(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("label,id,aliases,family\nSpark,S1,Apache Spark | PySpark,IT\nbaking,,,Food\n")
    assert read_targets(path) == TargetTable(
        ["Spark", "baking"],
        ["S1", None],
        [["Apache Spark", "PySpark"], []],
        {"family": ["IT", "Food"]},
    )


def test_the_names_of_the_fields_may_be_given() -> None:
    lines = [
        b"conceptUri,preferredLabel,altLabels,label\n",
        b'u1,Spark,"Apache Spark\n', b"PySpark\n", b'",tool\n', b"u2,baking,baker's craft|bake,\n",
    ]  # fmt: skip
    table = read_targets(
        lines,
        format="csv",
        label_field="preferredLabel",
        id_field="conceptUri",
        aliases_field="altLabels",
    )
    assert table == TargetTable(
        ["Spark", "baking"],
        ["u1", "u2"],
        [["Apache Spark", "PySpark"], ["baker's craft", "bake"]],
        {"label": ["tool", ""]},
    )
    entry = b'{"id": 7, "name": "Spark", "also": ["PySpark"], "key": "S"}\n'
    table = read_targets(
        [entry, b'{"name": "baking"}\n'],
        format="jsonl",
        label_field="name",
        id_field="key",
        aliases_field="also",
    )
    assert table == TargetTable(
        ["Spark", "baking"], ["S", None], [["PySpark"], []], {"id": [7, None]}
    )


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "|", " | ", "\n\n"])
def test_aliases_of_a_text_are_separated_by_bars_or_line_ends(line_end: str) -> None:
    entry = {"label": "Spark", "aliases": line_end.join(["Apache Spark", "PySpark"]) + line_end}
    table = read_targets([json.dumps(entry).encode()], format="jsonl")
    assert table.aliases == [["Apache Spark", "PySpark"]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label_field": "labl"}, "'labl'"),
        ({"id_field": "key"}, "'key'"),
        ({"id_field": "id", "aliases_field": "allso"}, "'allso'"),
        ({"aliases_field": "also"}, "list"),
        ({"id_field": "also"}, "'also'"),
    ],
)
def test_a_field_that_was_named_must_be_there(fields: dict[str, str], message: str) -> None:
    lines = [b'{"label": "Spark", "id": "a", "also": 3}\n']
    with pytest.raises(DataError, match=message):
        read_targets(lines, format="jsonl", **fields)  # type: ignore[arg-type]


def test_fields_are_named_once_and_not_of_plain_lines() -> None:
    with pytest.raises(InputError, match="'key'"):
        read_targets([b"Spark\n"], id_field="key")
    with pytest.raises(InputError, match=r"\['a', 'a'\]"):
        read_targets([b"{}\n"], format="jsonl", label_field="a", aliases_field="a")
    with pytest.raises(DataError, match="'labl'"):
        read_targets(
            [b'{"label": "a"}'], format="jsonl", label_field="labl", on_invalid=lambda _: None
        )
    with pytest.raises(DataError, match="target"):
        read_targets([b"name\n"], format="csv", label_field="name")


def test_metadata_from_csv_are_texts() -> None:
    lines = [b"label,level,open\n", b"Spark,3,true\n", b"baking,,\n"]
    assert read_targets(lines, format="csv").metadata == {"level": ["3", ""], "open": ["true", ""]}


def test_targets_from_json_lines(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "label": "Spark", "aliases": ["PySpark"], "level": 3},
        {"text": "baking", "open": True},
    ]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = read_targets(path)
    assert table == TargetTable(
        ["Spark", "baking"],
        ["a", None],
        [["PySpark"], []],
        {"level": [3, None], "open": [None, True]},
    )
    assert list(table.metadata) == ["level", "open"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"label": " "}', "blank"),
        ('{"label": "\u200b"}', "blank"),
        ('{"label": "a", "id": 7}', "got 7"),
        ('{"label": "a", "id": 0}', "got 0"),
        ('{"label": "a", "id": false}', "got False"),
        ('{"label": "a", "aliases": [1]}', "'aliases'"),
        ('{"label": "a", "aliases": [" "]}', "'aliases'"),
        ('{"label": "a", "aliases": {}}', "'aliases'"),
        ('{"label": "a", "tags": ["x"]}', "'tags'"),
        ('{"id": "a"}', "'label'"),
        ('{"labl": "a"}', "got 'labl'"),
        ('{"name": "a", "id": "b", "x": 1}', "'label'"),
        ("{", "JSON"),
    ],
)
def test_a_malformed_target_stops_with_its_line(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"label": "fine"}\n' + line + "\n")
    with pytest.raises(DataError, match=message) as caught:
        read_targets(path)
    assert (caught.value.path, caught.value.line) == (path, 2)


def test_no_target_is_an_error(tmp_path: Path) -> None:
    for name, text in (("t.txt", ""), ("t.csv", "label\n"), ("t.jsonl", "")):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match="target"):
            read_targets(tmp_path / name)
