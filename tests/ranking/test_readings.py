"""Queries read in several ways: the best reading of each target, as if all had been ranked."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uwe
from conftest import HashEncoder, Speller
from uwe.errors import DataError, InputError

ENTRIES = {
    "QA": "quality assurance",
    "Mgr": "manager",
    "AE": ["account executive", "art editor"],
    "PO": ["product owner", "purchase order"],
    "SWE": "software engineer",
}
TABLE = uwe.Abbreviations(ENTRIES, words=["Mgr"])
LABELS = [
    "quality assurance", "QA tools", "account manager", "software engineer", "art editor",
    "product owner", "pastry chef", "purchase order clerk", "manager of AE", "account executive",
    "sales manager", "SWE", "order clerk", "PO box",
]  # fmt: skip
ALIASES: list[list[str]] = [[] for _ in LABELS]
ALIASES[6] = ["chef de QA", "quality assurance of pastry"]
ALIASES[2] = ["Mgr account", "executive"]
ALIASES[12] = ["purchase order"]
KIND = ["thing" if i % 3 else "person" for i in range(len(LABELS))]
SCORERS = [uwe.Scorer.parse(text) for text in ("soft:0.5", "soft:0.5:4", "max", "pooled")]
ALL = 1_000
QUERIES = [
    "QA", "QA Mgr", "AE of QA", "PO", "AE PO", "SWE mgr", "pastry chef", "Sr QA. SWE", "swe",
    "MGR, PO and AE", "nothing of it", "product Mgr", "AE AE AE AE",
]  # fmt: skip


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> uwe.TargetCache:
    return uwe.TargetCache.build(
        HashEncoder(),
        LABELS,
        path=tmp_path_factory.mktemp("readings") / "space.uwe",
        ids=[f"T-{i}" for i in range(len(LABELS))],
        aliases=ALIASES,
        metadata={"kind": KIND},
        scorer=uwe.Scorer("max"),
    )


def naive(query: str, space: uwe.TargetCache, k: int = ALL, **settings: Any) -> list[uwe.Match]:
    """Every reading ranked by itself, the best of them for each target."""
    texts = {text.casefold() for text in itertools.chain(LABELS, *ALIASES)}
    readings = () if query.casefold() in texts else TABLE.readings(query)
    found = [
        (-match.score, match.alias is not None, match.index, number, match)
        for number, text in enumerate((query, *readings))
        for match in uwe.rank(text, space, k=ALL, abbreviations=False, **settings)
    ]
    best: dict[int, uwe.Match] = {}
    for *_, index, number, match in sorted(found, key=lambda row: row[:4]):
        read_as = readings[number - 1] if number else None
        best.setdefault(index, replace(match, read_as=read_as))
    return list(best.values())[:k]


@pytest.mark.parametrize("scorer", SCORERS, ids=str)
def test_each_target_has_its_best_reading(space: uwe.TargetCache, scorer: uwe.Scorer) -> None:
    several = 0
    for query in QUERIES:
        for k in (1, 3, 10):
            found = uwe.rank(query, space, k=k, scorer=scorer, abbreviations=TABLE)
            assert found == naive(query, space, k, scorer=scorer)
        found = uwe.rank(query, space, k=ALL, scorer=scorer, abbreviations=TABLE)
        assert found == naive(query, space, ALL, scorer=scorer)
        assert len({match.index for match in found}) == len(found) == len(LABELS)
        several += len({match.read_as for match in found}) > 2
    assert several >= 3, "some query is read in three ways by the best of its targets"


def test_a_match_says_how_the_query_was_read(space: uwe.TargetCache) -> None:
    found = {match.label: match for match in uwe.rank("QA", space, k=ALL, abbreviations=TABLE)}
    meant, literal = found["quality assurance"], found["QA tools"]
    assert (meant.read_as, literal.read_as) == ("quality assurance", None)
    assert meant.score == literal.score == pytest.approx(1.0, abs=1e-5)
    assert meant.to_dict()["read_as"] == "quality assurance"
    assert found["pastry chef"].alias == "chef de QA"
    assert found["pastry chef"].read_as is None


def test_a_tie_keeps_what_was_typed(space: uwe.TargetCache) -> None:
    """The mean over the words of "QA QA" is that over "QA"."""
    table = {"QA": ["QA QA", "QA QA QA QA"]}
    found = uwe.rank("QA", space, k=ALL, abbreviations=table)
    assert found == uwe.rank("QA", space, k=ALL, abbreviations=False)
    table = {"QA": ["AE AE", "AE", "AE AE AE AE"]}
    read = {match.read_as for match in uwe.rank("QA", space, k=ALL, abbreviations=table)}
    assert read == {None, "AE AE"}, "of equal readings the first"


@pytest.mark.parametrize("query", ["SWE", "swe", "Executive", "PO BOX", "chef de QA"])
def test_a_text_of_the_space_is_left_alone(space: uwe.TargetCache, query: str) -> None:
    literal = uwe.rank(query, space, k=ALL, abbreviations=False)
    table = TABLE.updated({"Executive": "director"})
    assert uwe.rank(query, space, k=ALL, abbreviations=table) == literal
    assert uwe.rank(f"{query} QA", space, k=ALL, abbreviations=table) != uwe.rank(
        f"{query} QA", space, k=ALL, abbreviations=False
    )


@pytest.mark.parametrize(
    "query", ["SWE\n", "  SWE", "Chef\tde  QA\r\n", "ABE\u0301 QA", "SW\u00adE"]
)
def test_a_text_of_the_space_has_any_blanks_and_accents(query: str) -> None:
    labels = [*LABELS, "chef de QA", "AB\u00c9 QA"]
    space = uwe.TargetCache.build(HashEncoder(), labels, scorer="max")
    literal = uwe.rank(query, space, k=ALL, abbreviations=False)
    assert uwe.rank(query, space, k=ALL, abbreviations=TABLE) == literal
    assert list(uwe.rank_stream(iter([query]), space, k=ALL, abbreviations=TABLE)) == [literal]


def test_what_nobody_sees_hides_no_abbreviation(space: uwe.TargetCache) -> None:
    wanted = uwe.rank("Mgr QA", space, k=1, abbreviations=TABLE)
    assert wanted[0].read_as
    query = "\ufeffM\u00adgr \u200bQA"
    assert uwe.rank(query, space, k=1, abbreviations=TABLE) == wanted
    found = uwe.explain(query, space, wanted[0], abbreviations=TABLE)
    assert found.score == pytest.approx(wanted[0].score, abs=1e-6)


def test_without_abbreviations_it_is_taken_as_it_stands(space: uwe.TargetCache) -> None:
    plain = uwe.rank("QA Mgr", space, k=ALL, abbreviations=False)
    assert all(match.read_as is None for match in plain)
    assert uwe.rank("QA Mgr", space, k=ALL, abbreviations={}) == plain
    assert uwe.rank("QA Mgr", space, k=ALL, abbreviations=TABLE) != plain


def test_the_table_that_comes_with_the_package_is_the_default(space: uwe.TargetCache) -> None:
    (best,) = uwe.rank("QA", space, k=1, abbreviations=True)
    assert (best.label, best.read_as) == ("quality assurance", "quality assurance")
    assert uwe.rank("QA", space) == uwe.rank("QA", space, abbreviations=True)


def test_a_table_is_given_as_a_value_a_mapping_or_a_file(
    space: uwe.TargetCache, tmp_path: Path
) -> None:
    file = tmp_path / "own.tsv"
    rows = (
        (typed, meant if isinstance(meant, str) else " ; ".join(meant), kind)
        for (typed, meant), kind in zip(ENTRIES.items(), ["", "word", "", "", ""], strict=True)
    )
    file.write_text("".join("\t".join(row) + "\n" for row in rows))
    wanted = uwe.rank_many(QUERIES, space, abbreviations=TABLE)
    for given in (file, str(file)):
        assert uwe.rank_many(QUERIES, space, abbreviations=given) == wanted
    capitals = [query for query in QUERIES if "mgr" not in query]
    assert uwe.rank_many(capitals, space, abbreviations=ENTRIES) == uwe.rank_many(
        capitals, space, abbreviations=TABLE
    )


def test_what_is_no_table_is_refused(space: uwe.TargetCache, tmp_path: Path) -> None:
    wrong: Any
    for wrong in (None, 3, ["QA"]):
        with pytest.raises(InputError, match="expected abbreviations"):
            uwe.rank_stream(["QA"], space, abbreviations=wrong)
        with pytest.raises(InputError, match="expected abbreviations"):
            uwe.explain("QA", space, 0, abbreviations=wrong)
    bad = tmp_path / "bad.tsv"
    bad.write_text("QA quality assurance\n")
    with pytest.raises(DataError, match=r"bad\.tsv:1: "):
        uwe.rank("QA", space, abbreviations=bad)


@pytest.mark.parametrize("scorer", SCORERS, ids=str)
@pytest.mark.parametrize(
    "where", [{"kind": "person"}, [0, 4, 9, 12], [i % 2 == 1 for i in range(len(LABELS))], []]
)
def test_a_filter_holds(space: uwe.TargetCache, where: Any, scorer: uwe.Scorer) -> None:
    for query in QUERIES[:5]:
        found = uwe.rank(query, space, k=3, where=where, scorer=scorer, abbreviations=TABLE)
        assert found == naive(query, space, 3, where=where, scorer=scorer)


def test_a_least_score_holds_for_the_best_reading(space: uwe.TargetCache) -> None:
    everything = uwe.rank("AE PO", space, k=ALL, abbreviations=TABLE)
    for place in (0, 2, 5):
        least = everything[place].score
        found = uwe.rank("AE PO", space, k=ALL, min_score=least, abbreviations=TABLE)
        assert found == [match for match in everything if match.score >= least]
        assert found[: place + 1] == everything[: place + 1]
    assert uwe.rank("AE PO", space, min_score=1.1, abbreviations=TABLE) == []


def test_many_queries_are_read_as_each_alone(space: uwe.TargetCache) -> None:
    queries = QUERIES * 11
    alone = [uwe.rank(query, space, k=3, abbreviations=TABLE) for query in queries]
    assert uwe.rank_many(queries, space, k=3, abbreviations=TABLE) == alone
    for block in (1, 7, 1000):
        stream = uwe.rank_stream(queries, space, k=3, block=block, abbreviations=TABLE)
        assert list(stream) == alone
    wrong: Any = ["QA", "Mgr", 3]
    with pytest.raises(InputError, match="query 2"):
        uwe.rank_many(wrong, space, abbreviations=TABLE)
    with pytest.raises(InputError, match="query 70"):
        uwe.rank_many(["QA"] * 70 + [" "], space, abbreviations=TABLE)


@pytest.mark.parametrize(
    "query",
    [
        "QA \ud800",
        "qa mgr \ud800",
        "\ud800",
        "QXZW \ud800",
    ],
)
def test_what_is_no_text_is_refused_with_abbreviations_too(
    space: uwe.TargetCache, query: str
) -> None:
    with pytest.raises(InputError, match="surrogate"):
        uwe.rank(query, space, abbreviations=TABLE)
    with pytest.raises(InputError, match="lone surrogate"):
        uwe.explain(query, space, 0, abbreviations=TABLE)


def test_what_was_removed_is_no_text_of_the_space(tmp_path: Path) -> None:
    cache = uwe.TargetCache.build(
        HashEncoder(), ["QA", "quality assurance"], path=tmp_path / "c.uwe",
        scorer=uwe.Scorer("max"),
    )  # fmt: skip
    assert uwe.rank("QA", cache, k=1, abbreviations=TABLE)[0].label == "QA"
    for state in (less := cache.remove(labels=["QA"]), less.compact()):
        (match,) = uwe.rank("QA", state, abbreviations=TABLE)
        assert match.read_as == "quality assurance"
    grown = less.append(["chef"], aliases=[["qa"]])
    assert {m.read_as for m in uwe.rank("QA", grown, abbreviations=TABLE)} == {None}


def test_candidates_are_of_each_reading(space: uwe.TargetCache) -> None:
    pytest.importorskip("hnswlib", reason="the extra 'ann' is not installed")
    for query in QUERIES:
        found = uwe.rank(query, space, candidates=len(LABELS), abbreviations=TABLE)
        assert found == uwe.rank(query, space, abbreviations=TABLE)


# Words in capitals that nobody knows.


@pytest.fixture(scope="module")
def spelt(tmp_path_factory: pytest.TempPathFactory) -> uwe.TargetCache:
    """`Speller` cuts words of more than three letters, so "QXZW" shares a piece with "QXZABC"."""
    return uwe.TargetCache.build(
        Speller(),
        ["QXZABC", "welding", "VBNM and more", "quality assurance"],
        path=tmp_path_factory.mktemp("readings") / "spelt.uwe",
        aliases=[[], ["TYUI craft"], [], []],
        scorer=uwe.Scorer("max"),
    )


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("QXZW", "?"),
        ("welding with QXZW", "welding with ?"),
        ("QXZ", None),  # a piece of its own
        ("VBNM", None),  # a word of the space
        ("TYUI", None),  # one of an alias
        ("LEAD", None),  # a word of an entry of two
        ("qxzw", None),
        ("QXZW WELDING", "? WELDING"),
        ("QXZAW WELDING", None),  # in capitals alone, what could be spoken stays
    ],
)
def test_what_nobody_knows_is_read_as_nothing(
    spelt: uwe.TargetCache, query: str, read: str | None
) -> None:
    table = {"Mgrs": "managers", "QA LEAD": "head of tests"}
    found = uwe.rank(query, spelt, k=ALL, abbreviations=table)
    literal = uwe.rank(query, spelt, k=ALL, abbreviations=False)
    assert all(match.read_as is None for match in literal)
    read_as = {match.read_as for match in found}
    if read is not None:
        assert read_as == {read}
        assert found == [
            replace(match, read_as=read)
            for match in uwe.rank(read, spelt, k=ALL, abbreviations=False)
        ]
    else:
        assert found == literal


@pytest.mark.parametrize("query", ["MGRS", "Mgrs", "QA LEAD MGRS of it"])
def test_an_entry_is_known_in_capitals_too(spelt: uwe.TargetCache, query: str) -> None:
    table = uwe.Abbreviations({"Mgrs": "quality assurance", "QA Lead": "welding"})
    readings = table.readings(query)
    assert len(readings) == 1
    read = {match.read_as for match in uwe.rank(query, spelt, k=ALL, abbreviations=table)}
    assert readings[0] in read
    assert read <= {None, readings[0]}


def test_the_rest_of_such_a_query_has_its_abbreviations(spelt: uwe.TargetCache) -> None:
    (best,) = uwe.rank("QA of QXZW", spelt, k=1, abbreviations={"QA": "quality assurance"})
    assert (best.label, best.read_as) == ("quality assurance", "quality assurance of ?")


def test_an_empty_table_reads_unknown_words_all_the_same(spelt: uwe.TargetCache) -> None:
    (match,) = uwe.rank("QXZW", spelt, k=1, abbreviations={})
    assert match.read_as == "?"
    assert uwe.explain("QXZW", spelt, match.index, abbreviations={}).read_as == "?"


def test_the_shipped_model_takes_unknown_capitals_for_nothing(tmp_path: Path) -> None:
    labels = ["QX12 protocol", "welder", "software engineer"]
    cache = uwe.TargetCache.build(uwe.load(), labels, path=tmp_path / "c.uwe")
    literal = uwe.rank("QXZW", cache, abbreviations=False)
    read = uwe.rank("QXZW", cache)
    assert {match.read_as for match in read} == {"?"}
    assert read[0].score < literal[0].score
    (best,) = uwe.rank("SWE", cache, k=1)
    assert (best.label, best.read_as) == ("software engineer", "software engineer")


# Explanations.


@pytest.mark.parametrize("scorer", SCORERS, ids=str)
def test_a_match_is_explained_as_it_was_read(space: uwe.TargetCache, scorer: uwe.Scorer) -> None:
    for query in ("AE PO", "QA", "pastry chef"):
        matches = uwe.rank(query, space, k=ALL, scorer=scorer, abbreviations=TABLE)
        reasons = uwe.explain_many(query, space, matches, scorer=scorer, abbreviations=TABLE)
        for match, reason in zip(matches, reasons, strict=True):
            assert (reason.query, reason.read_as) == (query, match.read_as)
            assert (reason.label, reason.alias) == (match.label, match.alias)
            assert reason.score == pytest.approx(match.score, abs=2e-6)
            np.testing.assert_allclose(reason.cells.sum(), reason.score, atol=1e-9)
            assert len(reason.query_words) == len((match.read_as or query).split())
            assert reason.to_dict()["read_as"] == match.read_as


def test_a_match_of_another_query_is_refused(space: uwe.TargetCache) -> None:
    (match,) = uwe.rank("QA", space, k=1, abbreviations=TABLE)
    assert match.read_as is not None
    for query, table in (("PO", TABLE), ("QA", False)):
        with pytest.raises(InputError, match="'quality assurance'"):
            uwe.explain(query, space, match, abbreviations=table)


def test_a_label_is_explained_by_its_best_reading(space: uwe.TargetCache) -> None:
    by_label = {match.label: match for match in uwe.rank("AE", space, k=ALL, abbreviations=TABLE)}
    for label, read in (("art editor", "art editor"), ("account executive", "account executive")):
        for target in (label, LABELS.index(label)):
            reason = uwe.explain("AE", space, target, abbreviations=TABLE)
            assert reason.read_as == read == by_label[label].read_as
            assert reason.score == pytest.approx(by_label[label].score, abs=1e-6)
            assert str(reason).startswith(f"'AE', read as {read!r}, -> {label!r}: ")
    literal = uwe.explain("AE", space, "art editor", abbreviations=False)
    assert literal.read_as is None
    assert literal.score < by_label["art editor"].score
    assert str(literal).startswith("'AE' -> 'art editor': ")


def test_a_query_that_a_target_has_is_read_as_it_stands_in_any_case() -> None:
    targets = uwe.TargetCache.build(HashEncoder(), ["Café QA", "quality"], scorer="max")
    for query in ("Café QA", "CAFÉ QA", "café qa"):
        assert {m.read_as for m in uwe.rank(query, targets, abbreviations=ENTRIES)} == {None}
    found = uwe.rank("Cafés QA", targets, abbreviations=ENTRIES)
    assert {m.read_as for m in found} == {None, "Cafés quality assurance"}
