"""The command line reads abbreviations: a table of one's own or none, and how a query was read."""

from __future__ import annotations

from pathlib import Path

import pytest

import uwe
from cli_shell import Shell

RANK = ("rank", "-t", "roles.uwe")


@pytest.fixture
def table(shell: Shell) -> str:
    Path("own.tsv").write_text("# ours\nDE\tdata engineer\tword\nSk\tspark ; baker\n")
    return "own.tsv"


def test_rank_prints_how_the_query_was_read(shell: Shell, table: str) -> None:
    read, header, *rows = shell(*RANK, "DE", "--abbreviations", table).stdout.splitlines()
    assert read == "read as data engineer"
    assert header.split() == ["rank", "label", "score", "earned", "by"]
    assert rows[0].split()[:4] == ["1", "data", "engineer", "1.000"]
    assert "engineer +" in rows[0], "the words of what was read"
    assert "DE +" in rows[1], "or of the query where that did better"
    many = shell(*RANK, "Sk, DE", "--abbreviations", table, "--no-why").stdout.splitlines()
    of_space = uwe.TargetCache.open("roles.uwe")
    matches = uwe.rank("Sk, DE", of_space, abbreviations=table)
    wanted = dict.fromkeys(f"read as {m.read_as}" for m in matches if m.read_as)
    assert wanted
    assert many[: len(wanted)] == list(wanted)
    assert many[len(wanted)].split() == ["rank", "label", "score"]


def test_none_takes_queries_as_they_stand(shell: Shell, table: str) -> None:
    done = shell(*RANK, "DE", "--abbreviations", "none").stdout
    assert "read as" not in done
    assert done == shell(*RANK, "DE").stdout, "the table of the package does not have it"
    (found,) = shell.lines(*RANK, "-i", "-", "--abbreviations", "none", text="DE\n")
    assert {match["read_as"] for match in found["matches"]} == {None}
    by_package = shell(*RANK, "SWE").stdout
    assert by_package.splitlines()[0] == "read as software engineer"
    assert "read as" not in shell(*RANK, "SWE", "--abbreviations", "none").stdout


def test_bulk_has_a_column_of_what_was_read(shell: Shell, table: str) -> None:
    done = shell(*RANK, "-i", "-", "--abbreviations", table, text="DE\nbaker\n")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    matches = uwe.rank_many(["DE", "baker"], uwe.TargetCache.open("roles.uwe"), abbreviations=table)
    assert [row[6:] for row in rows] == [
        [match.alias or "", match.read_as or ""] for of_query in matches for match in of_query
    ]
    assert rows[0][2:3] + rows[0][6:] == ["data engineer", "", "data engineer"]
    why = shell(*RANK, "-i", "-", "--abbreviations", table, "--why", text="DE\n").stdout
    assert [len(line.split("\t")) for line in why.splitlines()] == [9, 9, 9]
    assert "engineer +" in why.splitlines()[0].split("\t")[8]


def test_json_says_it_too(shell: Shell, table: str) -> None:
    for found in (
        shell.json(*RANK, "DE", "--abbreviations", table),
        shell.lines(*RANK, "-i", "-", "--why", "--abbreviations", table, text="DE\n")[0],
    ):
        assert found["query"] == "DE"
        best = found["matches"][0]
        assert (best["label"], best["read_as"]) == ("data engineer", "data engineer")
        assert {match["read_as"] for match in found["matches"][1:]} == {None}
        words = [word["text"] for word in best["why"]]
        assert words == ["[CLS]", "data", "engineer", "[SEP]"]


def test_explain_takes_the_table(shell: Shell, table: str) -> None:
    explain = ("explain", "DE", "data engineer", "-t", "roles.uwe", "--abbreviations")
    done = shell(*explain, table).stdout
    assert done.startswith("'DE', read as 'data engineer', -> 'data engineer': ")
    assert shell(*explain, "none").stdout.startswith("'DE' -> 'data engineer'")
    assert shell.json(*explain, table)["read_as"] == "data engineer"
    assert shell.json(*explain, "none")["read_as"] is None
    pairs = '{"query": "DE", "target": "data engineer"}\n' * 2
    found = shell.lines(
        "explain", "-i", "-", "-t", "roles.uwe", "--abbreviations", table, text=pairs
    )
    assert [entry["read_as"] for entry in found] == ["data engineer"] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("DE data engineer\n", "own.tsv:1: expected an abbreviation, a tab"),
        ("DE\tdata\nDE\tengineer\n", "own.tsv:2: 'DE' stands in line 1 already"),
        ("# ours\nDE\t\n", "own.tsv:2: "),
    ],
)
def test_a_wrong_table_is_one_line(shell: Shell, content: str, message: str) -> None:
    Path("own.tsv").write_text(content)
    for command in (
        (*RANK, "DE"), (*RANK, "-i", "-"), ("explain", "DE", "baker", "-t", "roles.uwe"),
    ):  # fmt: skip
        assert message in shell.error(*command, "--abbreviations", "own.tsv", text="DE\n")


def test_a_table_that_is_not_there_is_one_line(shell: Shell) -> None:
    assert "nowhere.tsv" in shell.error(*RANK, "DE", "--abbreviations", "nowhere.tsv")
    assert "abbreviations" in shell.error(*RANK, "DE", "--abbreviations", " ")


def test_a_pivot_is_typed_and_kept(shell: Shell) -> None:
    """It comes with the name, or with the scorer of the cache."""
    model = uwe.load("tiny")
    cache = uwe.TargetCache.build(
        model, ["data engineer", "baker", "spark"], path="piv.uwe",
        scorer=uwe.Scorer.parse("soft:0.5:4"),
    )  # fmt: skip

    def scores(*options: str) -> list[float]:
        found = shell.json("rank", "data", "-t", "piv.uwe", *options)
        return [match["score"] for match in found["matches"]]

    def wanted(scorer: str) -> list[float]:
        found = uwe.rank("data", cache, scorer=uwe.Scorer.parse(scorer))
        return [match.score for match in found]

    assert scores() == wanted("soft:0.5:4")
    assert scores("--scorer", "soft:0.2:4") == wanted("soft:0.2:4")
    assert scores("--scorer", "soft:0.5:20") == wanted("soft:0.5:20")
    assert scores("--scorer", "soft:0.5") == wanted("soft:0.5")
    assert scores("--scorer", "soft_query:0.5") == wanted("soft_query:0.5")
    assert len({tuple(wanted(name)) for name in ("soft:0.5", "soft:0.5:4", "soft:0.5:20")}) == 3
    assert "pivot" in shell.error("rank", "data", "-t", "piv.uwe", "--scorer", "max:1:4")
