"""The command line in bulk: many queries or pairs from files and standard input, in their order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import uwe
from cli_shell import Shell


def test_bulk_keeps_the_order_and_says_where_it_read(shell: Shell) -> None:
    queries = ["baker", "data", "spark engineer"] * 40
    found = shell.lines("rank", "-i", "-", "-t", "roles.uwe", "-k", "1", text="\n".join(queries))
    cache = uwe.TargetCache.open("roles.uwe")
    wanted = uwe.rank_many(queries, cache, k=1)
    assert [(entry["line"], entry["query"]) for entry in found] == list(enumerate(queries, 1))
    for entry, (match,) in zip(found, wanted, strict=True):
        assert entry["matches"] == [{"rank": 1, **match.to_dict()}]


def test_bulk_prints_a_line_for_each_match(shell: Shell) -> None:
    Path("q.csv").write_text('title,n\n"data\tengineer",1\nbaker,2\n')
    done = shell("rank", "--input", "q.csv", "--field", "title", "-t", "roles.uwe", "-k", "2")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows] == [
        ["data engineer", "1"], ["data engineer", "2"], ["baker", "1"], ["baker", "2"],
    ]  # fmt: skip
    assert all(re.fullmatch(r"-?\d\.\d{4}", row[3]) and row[5].startswith("R-") for row in rows)
    aliases = {
        (query, match.label): match.alias or ""
        for query in ("data engineer", "baker")
        for match in uwe.rank(query, uwe.TargetCache.open("roles.uwe"))
    }
    assert any(aliases.values())
    assert [row[6:] for row in rows] == [[aliases[row[0], row[2]], ""] for row in rows]
    with_why = shell("rank", "-i", "q.csv", "--field", "title", "-t", "roles.uwe", "--why")
    assert all(len(line.split("\t")) == 9 for line in with_why.stdout.splitlines())


def test_columns_are_separated_as_the_file_or_the_option_says(shell: Shell) -> None:
    Path("q.tsv").write_text("title\tn\ndata, spark\t1\n")
    Path("q.csv").write_text("title;n,m\ndata, spark;1\n")
    found = [
        shell.lines("rank", "-i", "q.tsv", "--field", "title", "-t", "roles.uwe"),
        shell.lines(
            "rank", "-i", "q.csv", "--delimiter", ";", "--field", "title", "-t", "roles.uwe"
        ),
        shell.lines(
            "rank", "-i", "-", "--delimiter", "tab", "--field", "title", "-t", "roles.uwe",
            text=Path("q.tsv").read_text(),
        ),
    ]  # fmt: skip
    assert [entry["query"] for (entry,) in found] == ["data, spark"] * 3
    Path("pairs.csv").write_text("query;target\ndata;baker\n")
    assert len(shell.lines("explain", "-i", "pairs.csv", "-t", "roles.uwe")) == 1


def test_bulk_json_lines_keep_their_ids(shell: Shell) -> None:
    Path("q.jsonl").write_text('{"id": 7, "text": "baker"}\n{"text": "data"}\n')
    first, second = shell.lines("rank", "-i", "q.jsonl", "-t", "roles.uwe", "--why")
    assert first["id"] == 7
    assert "id" not in second
    assert [word["text"] for word in first["matches"][0]["why"]] == ["[CLS]", "baker", "[SEP]"]


def test_numbers_that_json_lacks_are_null(shell: Shell) -> None:
    Path("n.jsonl").write_text('{"text": "baker", "v": NaN, "w": [1, -Infinity]}\n')
    done = shell("rank", "-i", "n.jsonl", "-t", "roles.uwe", "--json", "--keep", "v", "--keep", "w")

    def refused(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(done.stdout, parse_constant=refused)
    assert found["input"] == {"v": None, "w": [1, None]}


def test_an_invalid_entry_stops_after_what_precedes_it(shell: Shell) -> None:
    done = shell("rank", "-i", "-", "-t", "roles.uwe", "-k", "1", text=b"baker\n\n\xff\n", code=1)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["baker"]
    assert done.stderr.startswith("uwe: error: line 3: expected UTF-8")


def test_a_query_that_nothing_is_left_for_is_a_row_too(shell: Shell) -> None:
    text = b"baker\n\ndata\n"
    for more, columns in (([], 8), (["--why"], 9)):
        done = shell(
            "rank", "-i", "-", "-t", "roles.uwe", "-k", "1", "--min-score", "0.9", *more, text=text
        )
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        assert [row[0] for row in rows] == ["baker", "data"]
        assert [len(row) for row in rows] == [columns, columns]
        assert rows[1] == ["data", *[""] * (columns - 1)]


def test_invalid_entries_are_passed_over_and_counted(shell: Shell) -> None:
    text = b'{"text": "baker"}\n{\n{"text": 5}\n{"text": "data"}\n'
    done = shell(
        "rank", "-i", "-", "--format", "jsonl", "-t", "roles.uwe", "-k", "1", "--skip-invalid",
        text=text,
    )  # fmt: skip
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["baker", "data"]
    assert done.stderr.startswith("uwe: skipped 2 invalid entries, first line 2: expected a JSON")


def test_a_cut_text_is_told_once(shell: Shell) -> None:
    text = "\n".join(["data " * 80] * 100)
    done = shell("rank", "-i", "-", "-t", "roles.uwe", "-k", "1", text=text)
    assert len(done.stdout.splitlines()) == 100
    (line,) = done.stderr.splitlines()
    assert line.startswith("uwe: warning: text 0")
    assert "--input" in line
    assert "uwe." not in line


def test_nothing_in_nothing_out(shell: Shell) -> None:
    assert shell("rank", "-i", "-", "-t", "roles.uwe", text="").output == ""


@pytest.mark.parametrize("command", ["rank", "extract"])
def test_a_table_of_abbreviations_is_not_written_over(shell: Shell, command: str) -> None:
    (shell.folder / "queries.txt").write_text("chef\n")
    table = shell.folder / "table.tsv"
    table.write_text("QA\tquality assurance\n")
    said = shell.error(
        command, "--input", "queries.txt", "--abbreviations", "table.tsv", "-o", "table.tsv"
    )
    assert "another file" in said
    assert table.read_text() == "QA\tquality assurance\n"


def test_a_file_without_queries_is_told(shell: Shell) -> None:
    Path("none.txt").touch()
    done = shell("rank", "-i", "none.txt", "-t", "roles.uwe")
    assert (done.stdout, done.stderr[:17]) == ("", "uwe: no text came")


def test_explain_many_pairs(shell: Shell) -> None:
    rows: list[dict[str, Any]] = [
        {"query": "data spark", "target": "data engineer", "id": "a"},
        {"query": "data", "target": 1},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    cache = uwe.TargetCache.open("roles.uwe")
    wanted = [uwe.explain(row["query"], cache, row["target"]) for row in rows]
    first, second = shell.lines("explain", "-i", "-", "-t", "roles.uwe", text=text)
    assert first == {"line": 1, "id": "a", **wanted[0].to_dict()}
    assert second == {"line": 2, **wanted[1].to_dict()}
    Path("pairs.csv").write_text("query,target\ndata spark,data engineer\ndata,baker\n")
    shown = shell("explain", "--input", "pairs.csv", "-t", "roles.uwe").stdout
    assert shown == f"{wanted[0]}\n\n{wanted[1]}\n\n"


def test_an_invalid_pair_stops_with_its_line_or_is_passed_over(shell: Shell) -> None:
    good, *bad = (
        '{"query": "data", "target": "baker"}', '{"query": "data", "target": "nobody"}',
        '{"query": "data", "target": 99}', '{"query": "data", "target": true}',
        '{"query": "data"}', '{"target": "baker"}', "data",
    )  # fmt: skip
    for entry in bad:
        text = f"{good}\n{entry}\n{good}\n"
        done = shell("explain", "-i", "-", "-t", "roles.uwe", "--json", text=text, code=1)
        assert len(done.stdout.splitlines()) == 1
        assert done.stderr.startswith("uwe: error: line 2: ")
        Path("pairs.jsonl").write_text(text)
        done = shell("explain", "-i", "pairs.jsonl", "-t", "roles.uwe", "--json", code=1)
        assert done.stderr.startswith("uwe: error: pairs.jsonl:2: ")
        done = shell("explain", "-i", "-", "-t", "roles.uwe", "--skip-invalid", "--json", text=text)
        assert len(done.stdout.splitlines()) == 2
        assert done.stderr.startswith("uwe: skipped 1 invalid entry, first line 2: ")
