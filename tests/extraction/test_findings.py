"""Findings of a text: as objects, as JSON, as a table."""

from __future__ import annotations

import json
import pickle
import sys

import pytest

from uwe.errors import MissingExtraError
from uwe.extraction.findings import Extraction, Extractions, Finding, Place, Word

TEXT = "You know <b>Python</b>.\nPython and SQL"
PYTHON = Finding(
    label="Python (computer programming)",
    id="S-1",
    index=4,
    score=0.75,
    confidence=0.9,
    places=(
        Place(12, 18, "Python", "You know Python.", 0.9, (Word("Python", 12, 18, 0.5),)),
        Place(24, 38, "Python and SQL", "Python and SQL", 0.6, ()),
    ),
    alias="Python",
    metadata={"level": 2},
)
SQL = Finding("SQL", None, 0, 0.5, 0.7, (Place(35, 38, "SQL", "Python and SQL", 0.7, ()),))


def found() -> Extraction:
    return Extraction(TEXT, [PYTHON, SQL], left_out=["2 lines"], language="de")


def test_an_extraction_is_a_list_that_survives_a_pickle() -> None:
    assert found() == [PYTHON, SQL]
    again = pickle.loads(pickle.dumps(Extractions([found()])))
    assert type(again[0]) is Extraction
    assert again == [found()]
    assert vars(again[0]) == {"text": TEXT, "left_out": ("2 lines",), "language": "de"}
    assert len({PYTHON, SQL, PYTHON}) == 2


def test_an_extraction_is_json() -> None:
    entry = json.loads(json.dumps(found().to_dict()))
    assert (entry["left_out"], entry["language"]) == (["2 lines"], "de")
    first, second = entry["findings"]
    assert {**first, "places": len(first["places"])} == {
        "label": "Python (computer programming)", "id": "S-1", "index": 4, "score": 0.75,
        "confidence": 0.9, "places": 2, "alias": "Python", "metadata": {"level": 2},
    }  # fmt: skip
    assert first["places"][0] == {
        "start": 12, "end": 18, "text": "Python", "line": "You know Python.", "confidence": 0.9,
        "words": [{"text": "Python", "start": 12, "end": 18, "share": 0.5}],
    }  # fmt: skip
    assert second["places"][0]["words"] == []
    assert Extraction("a").to_dict() == {"findings": [], "left_out": [], "language": None}


def test_what_json_holds_is_a_copy() -> None:
    PYTHON.to_dict()["metadata"]["level"] = 9
    PYTHON.to_dict()["places"][0]["words"][0]["share"] = 9
    assert PYTHON.metadata == {"level": 2}
    assert PYTHON.places[0].words[0].share == 0.5


def test_places_are_rows_of_a_table() -> None:
    table = Extractions([found(), Extraction("nothing"), found()]).to_arrow()
    assert table["text"].to_pylist() == [0, 0, 0, 1, 2, 2, 2]
    assert table["rank"].to_pylist() == [1, 1, 2, None, 1, 1, 2]
    assert table["id"].to_pylist()[:4] == ["S-1", "S-1", None, None]
    assert table["confidence"].to_pylist()[:4] == [0.9, 0.9, 0.7, None]
    assert table["place_confidence"].to_pylist()[:4] == [0.9, 0.6, 0.7, None]
    spans = zip(table["start"].to_pylist()[:3], table["end"].to_pylist()[:3], strict=True)
    assert [TEXT[start:end] for start, end in spans] == table["place"].to_pylist()[:3]
    assert found().to_arrow().equals(table.slice(0, 3))


def test_a_table_has_its_columns_whatever_was_found() -> None:
    schema = found().to_arrow().schema
    assert Extraction("nothing").to_arrow().schema == schema
    assert Extractions().to_arrow().schema == schema
    assert Extractions().to_arrow().num_rows == 0


def test_a_table_needs_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="arrow"):
        found().to_arrow()
