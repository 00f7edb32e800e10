"""Abbreviations: where one is found, what it is read as, and files and tables that are wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import uwe
from uwe.errors import DataError, InputError
from uwe.lexicon import UNKNOWN, checked_abbreviations, with_unknown_words

WRONGLY: Any = uwe.Abbreviations
TABLE = uwe.Abbreviations(
    {
        "Mgr": "manager",
        "Asst": "assistant",
        "IT": "information technology",
        "SEND": "special educational needs",
        "Acc": ["account", "accounts"],
        "QA": "quality assurance",
        "QA Eng": "test engineer",
        "R&D": "research and development",
        "C&G": ("City and Guilds", "cost and gain"),
        "A/P": "accounts payable",
        "2IC": "second in command",
        "Sr.": "senior",
    },
    words=["Mgr", "Asst"],
)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Mgr", ["manager"]),
        ("sales Mgr, north", ["sales manager, north"]),
        ("MGR of IT", ["manager of information technology"]),
        ("mgr (asst)", ["manager (assistant)"]),
        ("asst-mgr", ["assistant-manager"]),
        ("the R&D of it", ["the research and development of it"]),
        ("C&G", ["City and Guilds", "cost and gain"]),
        ("A/P and R&D", ["accounts payable and research and development"]),
        ("2IC", ["second in command"]),
        ("  IT\tMgr ", ["information technology manager"]),
        # A full stop behind small letters belongs to it; one behind capitals ends a sentence.
        ("Mgr. of it", ["manager of it"]),
        ("Asst. Mgr.", ["assistant manager"]),
        ("Asst.Cook", ["assistant Cook"]),
        ("Mgr.)", ["manager )"]),
        ("head of IT. At sea", ["head of information technology. At sea"]),
        ("head of IT.", ["head of information technology."]),
        ("Sr. cook", ["senior cook"]),
        ("SR. cook", ["senior cook"]),
        # Small letters are a word of their own, unless the table says that they are not.
        ("it", []),
        ("send it", []),
        ("Send It", []),
        ("acc", []),
        ("r&d", []),
        # Part of something longer is something else.
        ("Mgrs", []),
        ("ITIL", []),
        ("XR&D", []),
        ("R&D&I", []),
        ("MIT", []),
        ("IT_2", []),
        ("Sr cook", []),
        ("ÄIT ITß", []),
        ("IT+ IT# C&G+", []),
        ("it.IT IT.com www.IT", []),
        # The longest one counts.
        ("QA", ["quality assurance"]),
        ("QA Eng", ["test engineer"]),
        ("QA ENG", ["test engineer"]),
        ("QA Engl", ["quality assurance Engl"]),
        ("the QA", ["the quality assurance"]),
        ("QA QA Eng", ["quality assurance test engineer"]),
        ("", []),
        ("...", []),
    ],
)
def test_where_it_is_found(text: str, read: list[str]) -> None:
    assert list(TABLE.readings(text)) == read


def test_an_entry_begins_behind_the_full_stop_of_another() -> None:
    assert TABLE.readings("Asst.Mgr") == ("assistant manager",)


def test_of_an_ambiguous_one_each_meaning_is_read() -> None:
    assert TABLE.readings("Acc Mgr") == ("account manager", "accounts manager")
    assert TABLE.readings("ACC of Acc") == (
        "account of account", "account of accounts", "accounts of account", "accounts of accounts",
    )  # fmt: skip
    many = TABLE.readings("Acc " * 6)
    assert len(many) == len(set(many)) == 8
    assert many[0] == " ".join(["account"] * 6)
    assert many[1] == " ".join([*["account"] * 5, "accounts"])


def test_a_meaning_is_not_read_again() -> None:
    table = uwe.Abbreviations({"SWE": "software Eng", "Eng": "engineer"})
    assert table.readings("SWE") == ("software Eng",)


def test_an_entry_is_not_hidden_by_the_capitals_of_another() -> None:
    table = uwe.Abbreviations({"Ma": "mother", "MA": "master of arts"})
    assert table.readings("MA") == ("master of arts",)
    assert table.readings("Ma") == ("mother",)


def test_it_is_a_mapping_to_look_at() -> None:
    assert len(TABLE) == 12
    assert "Mgr" in TABLE
    assert "mgr" not in TABLE
    assert TABLE["Acc"] == ("account", "accounts")
    assert list(TABLE)[:2] == ["Mgr", "Asst"]


def test_updated_adds_and_replaces_and_leaves_the_old_one() -> None:
    more = TABLE.updated({"IT": "Italy", "PO": ["product owner", "purchase order"]})
    assert more.readings("IT PO") == ("Italy product owner", "Italy purchase order")
    assert more.readings("mgr") == ("manager",)
    assert len(more) == len(TABLE) + 1
    assert TABLE.readings("IT PO") == ("information technology PO",)
    with pytest.raises(InputError, match="one another"):
        TABLE.updated({"manager": "Mgr"})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([("a", "b")], "got list"),
        ("a", "got str"),
        ({"PO": ""}, "'PO'"),
        ({"PO": []}, r"'PO': .*got \[\]"),
        ({"PO": 3}, "'PO': .*got 3"),
        ({"PO": None}, "'PO': .*got None"),
        ({"PO": b"owner"}, "'PO': .*got b'owner'"),
        ({"PO": "caf\ud800"}, "surrogate"),
        ({"PO": ["product owner", " "]}, "'PO'"),
        ({"PO": ["product owner", 3]}, "'PO'"),
        ({" ": "x"}, "blank"),
        ({"x": "\u200b"}, "blank"),
        ({3: "three"}, "blank"),
        ({"&&": "and"}, "'&&'"),
        ({"PO": "PO"}, "one another"),
        ({"PO": ["owner", "P.O."], "P.O.": "PO"}, "one another"),
    ],
)
def test_a_wrong_table_says_what_is_right(table: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        WRONGLY(table)
    if isinstance(table, dict):
        with pytest.raises(InputError, match=message):
            checked_abbreviations(table)


@pytest.mark.parametrize("words", ["Mgr", 3, ["Mgr", "Asst"], [3]])
def test_words_are_entries(words: Any) -> None:
    with pytest.raises(InputError, match="expected words"):
        WRONGLY({"Mgr": "manager"}, words=words)


@pytest.mark.parametrize("text", [None, 3, b"Mgr"])
def test_only_a_text_is_read(text: Any) -> None:
    with pytest.raises(InputError, match="text"):
        TABLE.readings(text)


def test_equal_tables_are_equal_values() -> None:
    small = uwe.Abbreviations({"Mgr": "manager"})
    assert small == uwe.Abbreviations({"Mgr": ["manager"]})
    assert hash(small) == hash(uwe.Abbreviations({"Mgr": ["manager"]}))
    assert small != uwe.Abbreviations({"Mgr": "manager"}, words=["Mgr"])
    assert small != {"Mgr": ("manager",)}
    assert "1 entries" in repr(small)


def test_it_knows_the_words_of_its_forms() -> None:
    assert all(map(TABLE.knows, ("Mgr", "MGR", "mgr", "IT", "QA", "ENG", "R", "D")))
    assert not any(map(TABLE.knows, ("it", "qa", "eng", "manager", "QA Eng")))


def test_an_update_that_is_no_mapping_is_named() -> None:
    wrong: Any = [("PO", "product owner")]
    with pytest.raises(InputError, match="got list"):
        TABLE.updated(wrong)


def write(folder: Path, content: str) -> Path:
    path = folder / "own.tsv"
    path.write_text(content, encoding="utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "\ufeffas typed\twritten out\tkind\n# ours\n\nMgr\tmanager\tword\n"
        "Acc\taccount ; accounts\tambiguous\nIT\tinformation  technology\nC#\tC sharp\tfield\tx\n",
    )
    for table in (uwe.Abbreviations.read(path), uwe.Abbreviations.read(str(path))):
        assert list(table) == ["Mgr", "Acc", "IT", "C#"]
        assert table.readings("mgr") == ("manager",)
        assert table.readings("it acc") == ()
        assert table.readings("Acc") == ("account", "accounts")
        assert table["IT"] == ("information technology",)
    bare = write(tmp_path, "Mgr\tmanager\r\nPO\tproduct owner")
    assert list(uwe.Abbreviations.read(bare)) == ["Mgr", "PO"]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("# ours\nMgr manager\n", 2, "abbreviation"),
        ("Mgr\tmanager\nPO\t\n", 2, "blank"),
        ("Mgr\tmanager\n\n\tproduct owner\n", 3, "blank"),
        ("PO\tproduct owner ;  ; purchase order\n", 1, "blank"),
        ("PO\ta\nMgr\tmanager\nPO\tb\n", 3, "line 1"),
        ("A1\tB1\nMgr\tmanager\nB1\tA1\n", None, "one another"),
        ("Mgr\tmanager\nPO\tPO\n", 2, "one another"),
        ("Mgr\tmanager\n&&\tand\n", 2, "'&&'"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    tmp_path: Path, content: str, line: int | None, message: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        uwe.Abbreviations.read(path)
    assert str(path) in str(caught.value)
    if line is not None:
        assert caught.value.line == line
    assert caught.value.line is not None
    with pytest.raises(DataError, match=message):
        checked_abbreviations(path)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_bytes("Dir\tcaf\xe9 director\n".encode("latin-1"))
    with pytest.raises(DataError, match="expected UTF-8") as caught:
        uwe.Abbreviations.read(path)
    assert str(path) in str(caught.value)


def test_the_argument_of_a_ranking() -> None:
    assert checked_abbreviations(False) is None
    assert checked_abbreviations(TABLE) is TABLE
    own = checked_abbreviations({"PO": "product owner"})
    assert own is not None
    assert list(own) == ["PO"]
    assert checked_abbreviations(True) is checked_abbreviations(True)
    for wrong in (None, 3, 1, ["PO"], b"own.tsv"):
        with pytest.raises(InputError, match="Abbreviations"):
            checked_abbreviations(wrong)


def test_the_built_in_table() -> None:
    table = checked_abbreviations(True)
    assert table is not None
    assert len(table) > 800
    assert table.readings("Sr. SWE (ML)") == ("senior software engineer (machine learning)",)
    assert table.readings("mgr") == ("manager",)
    assert table.readings("send it") == ()
    assert table.readings("I will send it to us, or so") == ()
    for typed in table:
        assert table.readings(typed), typed
        assert table.readings(typed)[0] == table[typed][0]
        assert all(typed != read for read in table[typed])


@pytest.mark.parametrize(
    "piece", ["Mgr ", "Acc/", "R&D.", "x", "MGR, asst. ", "(", ".", "QA Eng Acc ", "A", "&", "é "]
)
def test_a_long_text_takes_linear_time(piece: str) -> None:
    built_in = checked_abbreviations(True)
    assert built_in is not None

    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            for table in (TABLE, built_in):
                table.readings(text)
            with_unknown_words(text, lambda _: False)
            best = min(best, time.process_time() - start)
        return best

    # Ten times the text; a hundred times the seconds were quadratic.
    assert seconds(50_000) < 40 * max(seconds(5_000), 1e-4)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("QXZW", UNKNOWN),
        ("QXZW welder", "? welder"),
        ("welder (QXZW), AB", "welder (?), ?"),
        ("PO of QX9", "PO of ?"),
        ("QXZW.", "?."),
        # No short word in capitals.
        ("Qxzw qxzw 24X X ABCDEFG", "Qxzw qxzw 24X X ABCDEFG"),
        ("R&D, A/P, C++-AB, AB+, #AB, AB#, .AB", "R&D, A/P, C++-AB, AB+, #AB, AB#, .AB"),
        # Where all is in capitals they say nothing of what could be spoken.
        ("QXZW WELDER", "? WELDER"),
        ("QXZAW WELDER", "QXZAW WELDER"),
        ("QXZW 24", "? 24"),
        ("", ""),
    ],
)
def test_words_in_capitals_that_nobody_knows(text: str, read: str) -> None:
    known: Callable[[str], bool] = {"PO"}.__contains__
    assert with_unknown_words(text, known) == read
    assert with_unknown_words(text, lambda _: True) == text
