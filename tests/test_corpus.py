"""Readers of texts, targets and judgements: streaming, strict, errors with their line."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from uwe.corpus import Record, read_queries, read_targets, read_task
from uwe.errors import DataError, InputError
from uwe.files import records
from uwe.files.records import Format


def texts(records: Iterator[Record]) -> list[tuple[int, str]]:
    return [(record.line, record.text) for record in records]


def test_plain_lines() -> None:
    lines = ["\ufeffdata engineer\r\n".encode(), "crème brûlée chef\n".encode(), b" welder"]
    assert texts(read_queries(lines)) == [
        (1, "data engineer"), (2, "crème brûlée chef"), (3, " welder"),
    ]  # fmt: skip


def test_json_lines() -> None:
    lines = [b'{"id": 7, "text": "chef"}\n', b'{"text": "welder", "city": "Ulm"}\n']
    first, second = read_queries(lines, format="jsonl")
    assert first == Record(1, "chef", {"id": 7, "text": "chef"})
    assert second.fields == {"text": "welder", "city": "Ulm"}


def test_a_csv_with_quotes_commas_and_line_breaks() -> None:
    lines = [b"id,title\n", b'1,"chef, ', b'""head"""\n', b"2,welder\n"]
    found = list(read_queries(lines, format="csv", field="title"))
    assert [(r.line, r.text) for r in found] == [(2, 'chef, "head"'), (4, "welder")]
    assert found[1].fields == {"id": "2", "title": "welder"}


@pytest.mark.parametrize(
    "broken",
    [b'x,"never closed\n', b'"x,y\n', b'x,"a"b\n', b'x,y,"z\n'],
    ids=["at the end", "at the start", "closed in the row", "too wide"],
)
@pytest.mark.parametrize("after", [b'q,"quoted, text"\n', b'q,"two\n', b"q,plain\n"])
def test_an_open_quote_costs_its_own_line_alone(broken: bytes, after: bytes) -> None:
    closing = [b'lines"\n'] if after.endswith(b"two\n") else []
    rows = [b"%d,welder\n" % i for i in range(3000)]
    lines = [b"id,text\n", *rows[:10], broken, *rows[10:], after, *closing, b"z,baker\n"]
    errors: list[DataError] = []
    kept = list(read_queries(lines, format="csv", on_invalid=errors.append))
    lost = {error.line for error in errors}
    assert 12 in lost
    # What spans two lines itself may be read as two entries while the quote is open, no more.
    assert len(lost) <= 1 + 2 * len(closing)
    found = {record.line: record.text for record in kept}
    assert [found[line] for line in (*range(2, 12), *range(13, 3003))] == ["welder"] * 3000
    assert found[len(lines)] == "baker"


def test_an_open_quote_takes_no_endless_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value is short, so the limit of a value does not end it."""
    monkeypatch.setattr(records, "_LONGEST_ENTRY", 100)
    rest = iter([b"text,b\n", *[b'a",",c\n'] * 1000])
    with pytest.raises(DataError, match="quotes"):
        next(iter(read_queries(rest, format="csv")))
    assert len(list(rest)) > 950


def test_a_long_text_is_one_value() -> None:
    text = "skills, " * 50_000
    rows = f'id,text\n1,"{text}"\n2,chef\n'.encode().splitlines(keepends=True)
    assert texts(read_queries(rows, format="csv")) == [(2, text), (3, "chef")]
    assert read_targets(rows, format="csv", label_field="text").labels == [text, "chef"]


def test_a_value_without_end_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_LONGEST_FIELD", 0)
    before = csv.field_size_limit(100)
    try:
        with pytest.raises(DataError, match="quotes"):
            list(read_queries([b"text\n", b'"' + b"a" * 200 + b'"\n'], format="csv"))
    finally:
        csv.field_size_limit(before)


def test_a_row_of_several_lines_and_a_wrong_width_loses_its_first_line() -> None:
    lines = [b"id,text\n", b'1,"two\n', b'lines",more\n', b"2,welder\n"]
    errors: list[DataError] = []
    kept = list(read_queries(lines, format="csv", on_invalid=errors.append))
    assert errors[0].line == 2
    assert str(errors[0]).startswith("line 2: expected 2 values as in the header, got 3: ")
    assert (kept[-1].line, kept[-1].text) == (4, "welder")


@pytest.mark.parametrize("name", ["q.jsonl", "q.jsonl.gz", "q.NDJSON"])
def test_files_packed_or_not(name: str, tmp_path: Path) -> None:
    data = b'{"text": "chef"}\n' * 3
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert texts(read_queries(path)) == [(1, "chef"), (2, "chef"), (3, "chef")]
    assert texts(read_queries(str(path))) == texts(read_queries(path))


BROKEN = [
    ("lines", b"caf\xe9\n", "UTF-8"),
    ("jsonl", b"{\n", "JSON object"),
    ("jsonl", b'{"text": chef}\n', r"object, got none \(Expecting value, column 10\): mend"),
    ("jsonl", b"[1]\n", "object"),
    ("jsonl", b'{"a": "chef", "b": 1}\n', "got 'a'"),
    ("jsonl", b"{}\n", "got none"),
    ("jsonl", b'{"txt": "chef"}\n', "got 'txt'"),
    ("jsonl", b'{"text": 7}\n', "got 7"),
    ("jsonl", b'{"text": null}\n', "got None"),
    ("jsonl", b'{"text": " "}\n', "blank"),
    ("jsonl", b'{"text": "\\ud800"}\n', "lone surrogate"),
    ("jsonl", b"[" * 100_000 + b"\n", "JSON object"),
    ("csv", b"a,b,c\n", "got 3"),
    ("csv", b'x,"a"b\n', "CSV row"),
    ("csv", b"x, \n", "blank"),
    ("csv", b"x,\xff\n", "UTF-8"),
]


@pytest.mark.parametrize(("format_", "line", "message"), BROKEN)
def test_an_invalid_entry_stops_with_its_line_or_is_passed_over(
    format_: str, line: bytes, message: str
) -> None:
    good = {"lines": b"chef\n", "jsonl": b'{"text": "chef"}\n', "csv": b"1,chef\n"}[format_]
    head = [b"id,text\n"] if format_ == "csv" else []
    lines = [*head, good, line, good]
    stream = read_queries(lines, format=format_)  # type: ignore[arg-type]
    assert next(stream).text == "chef"
    with pytest.raises(DataError, match=message) as caught:
        next(stream)
    assert caught.value.line == len(head) + 2
    assert str(caught.value).startswith(f"line {len(head) + 2}: ")
    errors: list[DataError] = []
    kept = list(read_queries(lines, format=format_, on_invalid=errors.append))  # type: ignore[arg-type]
    assert [record.line for record in kept] == [len(head) + 1, len(head) + 3]
    assert [error.line for error in errors] == [len(head) + 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"\x1f\x8b\x08\x00\r\n", "gzip"), (b"PK\x03\x04\r\n", r"\.xlsx")],
)
@pytest.mark.parametrize("format_", ["lines", "jsonl", "csv"])
def test_packed_data_are_no_text(data: bytes, message: str, format_: Format) -> None:
    with pytest.raises(DataError, match=message):
        list(read_queries(io.BytesIO(data), format=format_))


@pytest.mark.parametrize("end", [b"\n", b"\r\n \t\n", b"\n" * 5 + b" "])
@pytest.mark.parametrize(
    ("format_", "line"),
    [("lines", b"chef\n"), ("jsonl", b'{"text": "chef"}\n'), ("csv", b"chef\n")],
)
def test_blank_lines_mean_nothing(format_: Format, line: bytes, end: bytes) -> None:
    header = [b"\n", b"text\n"] if format_ == "csv" else []
    blank = end.splitlines(keepends=True)
    lines = [*header, *blank, line, *blank, line, *blank]
    first = len(header) + len(blank) + 1
    wanted = [(first, "chef"), (first + len(blank) + 1, "chef")]
    assert texts(read_queries(lines, format=format_)) == wanted
    found = read_targets(lines, format=format_, label_field="text" if header else None)
    assert found.labels == ["chef", "chef"]


def test_a_blank_line_within_quotes_is_of_the_text() -> None:
    rows = [b"id,text\n", b'1,"a\n', b"\n", b'b"\n', b"\n", b'2,""\n']
    errors: list[DataError] = []
    stream = read_queries(rows, format="csv", on_invalid=errors.append)
    assert texts(stream) == [(2, "a\n\nb")]
    assert [error.line for error in errors] == [6]


@pytest.mark.parametrize("format_", ["lines", "jsonl", "csv"])
def test_nothing_but_blank_lines_is_an_error(format_: Format) -> None:
    with pytest.raises(DataError, match="line 1: "):
        list(read_queries([b"\n", b" \n"], format=format_))


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "q.txt"
    path.write_bytes(b"chef\n\xff\nbaker\n")
    with pytest.raises(DataError, match=r"q\.txt:2: expected UTF-8") as caught:
        list(read_queries(path))
    assert caught.value.path == path


@pytest.mark.parametrize("header", [b"a,a\n", b",\n", b'"a"b\n'])
def test_a_header_must_name_each_column_once(header: bytes) -> None:
    with pytest.raises(DataError, match="line 1: expected"):
        list(read_queries([header, b"1,2\n"], format="csv", on_invalid=lambda _: None))


@pytest.mark.parametrize(
    "table", [b",text,id\n0,chef,a\n1,baker,b\n", b"text;id;\nchef;a;\nbaker;b;see above\n"]
)
def test_columns_without_a_name_are_passed_over(table: bytes) -> None:
    lines = table.splitlines(keepends=True)
    fields = [{"text": "chef", "id": "a"}, {"text": "baker", "id": "b"}]
    assert [record.fields for record in read_queries(lines, format="csv")] == fields
    found = read_targets(lines, format="csv")
    assert (found.labels, found.ids, found.metadata) == (["chef", "baker"], ["a", "b"], {})


def test_an_id_that_comes_twice_is_told_with_its_lines() -> None:
    lines = [b"id,label\n", b"a,chef\n", b",baker\n", b",cook\n", b"a,chef\n", b"b,waiter\n"]
    with pytest.raises(DataError, match=r"line 5: .*'a' occurs twice, first in line 2"):
        read_targets(lines, format="csv")
    errors: list[DataError] = []
    found = read_targets(lines, format="csv", on_invalid=errors.append)
    assert found.ids == ["a", None, None, "b"]
    assert [error.line for error in errors] == [5]


@pytest.mark.parametrize("header", ["title", "titel", "label text"])
def test_the_only_column_has_its_name_too(header: str) -> None:
    lines = [header.encode() + b"\n", b"chef\n"]
    with pytest.raises(DataError, match=f"line 1: expected a header .*'text', got '{header}'"):
        list(read_queries(lines, format="csv"))
    with pytest.raises(DataError, match=f"line 1: expected a header .*'label', .*got '{header}'"):
        read_targets(lines, format="csv")
    assert texts(read_queries(lines, format="csv", field=header)) == [(2, "chef")]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (b"label;text;id\n", b"chef, head;chef, head;1\n"),
        (b'"text, long";"label";text;"id"\r\n', b'"x";"chef, head";"chef, head";1\r\n'),
        (b"\nid\ttext\tlabel\n", b"1\tchef, head\tchef, head\n"),
    ],
)
def test_tabs_and_semicolons_are_told_by_the_header(header: bytes, row: bytes) -> None:
    lines = (header + row).splitlines(keepends=True)
    (record,) = read_queries(lines, format="csv")
    assert (record.text, record.fields["id"]) == ("chef, head", "1")
    table = read_targets(lines, format="csv")
    assert (table.labels, table.ids) == (["chef, head"], ["1"])


@pytest.mark.parametrize("name", ["q.tsv", "q.TSV.gz"])
def test_tabs_separate_the_columns_of_a_tsv(name: str, tmp_path: Path) -> None:
    text = b"text\ta,b\nchef\t1\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    assert next(read_queries(tmp_path / name)).fields == {"text": "chef", "a,b": "1"}


def test_a_delimiter_is_named_where_the_header_does_not_tell(tmp_path: Path) -> None:
    lines = [b"text;a,b;label\n", b"x;1,2;y\n"]
    with pytest.raises(DataError, match=r"^line 1: .*delimiter"):
        list(read_queries([b"a;b,c\n", b"x;1,2\n"], format="csv", on_invalid=lambda _: None))
    with pytest.raises(DataError, match=r"^line 1: .*delimiter"):
        read_targets(lines, format="csv")
    assert next(read_queries(lines, delimiter=";")).fields == {
        "text": "x",
        "a,b": "1,2",
        "label": "y",
    }
    assert read_targets(lines, delimiter=";").labels == ["y"]
    (tmp_path / "q.txt").write_bytes(b"text|n\nchef|1\n")
    assert texts(read_queries(tmp_path / "q.txt", delimiter="|")) == [(2, "chef")]
    for given in ({"format": "jsonl"}, {"format": "lines"}):
        with pytest.raises(InputError, match="no delimiter"):
            list(read_queries(lines, delimiter=";", **given))  # type: ignore[arg-type]
    for wrong in ("", ";;", '"', "\n", 5):
        with pytest.raises(InputError, match="one character"):
            list(read_queries(lines, delimiter=wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["txt", "csv", "jsonl"])
def test_lines_that_end_in_cr_alone_are_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"text\rbaker\rcook\r")
    with pytest.raises(DataError, match="CR alone"):
        list(read_queries(path))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("format_", ["lines", "jsonl", "csv"])
def test_utf_16_is_named(format_: Format, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "q"
    path.write_bytes("\ufefflabel\ttext\nx\ty\n".encode(encoding))
    with pytest.raises(DataError, match=r"q:1: expected UTF-8, got UTF-16"):
        list(read_queries(path, format=format_, on_invalid=lambda _: None))
    with pytest.raises(DataError, match="got UTF-16"):
        read_targets(path, format=format_, on_invalid=lambda _: None)


@pytest.mark.parametrize("header", [b"label,id\n", b'"label";"id"\n', b"label\tid\n"])
def test_a_byte_order_mark_is_no_part_of_the_first_header(header: bytes) -> None:
    row = b"chef,1\n" if b"," in header else b"chef;1\n" if b";" in header else b"chef\t1\n"
    table = read_targets([b"\xef\xbb\xbf" + header, row], format="csv")
    assert (table.labels, table.ids, table.metadata) == (["chef"], ["1"], {})


def test_a_name_may_have_a_semicolon() -> None:
    lines = [b"label,a;b\n", b"x,1\n"]
    assert read_targets(lines, format="csv").metadata == {"a;b": ["1"]}


def test_the_format_is_told_or_asked_for(tmp_path: Path) -> None:
    (tmp_path / "q.data").write_bytes(b"chef\n")
    with pytest.raises(InputError, match="give the format"):
        list(read_queries(tmp_path / "q.data"))
    assert texts(read_queries(tmp_path / "q.data", format="lines")) == [(1, "chef")]
    with pytest.raises(InputError, match="format"):
        list(read_queries([b"chef\n"], format="xml"))  # type: ignore[arg-type]


def test_a_damaged_archive_is_a_data_error(tmp_path: Path) -> None:
    packed = gzip.compress(b"chef\n" * 10_000)
    path = tmp_path / "q.txt.gz"
    for data in (packed[:-10], packed[:40] + b"\x00" * 30 + packed[70:]):
        path.write_bytes(data)
        with pytest.raises(DataError, match="damaged archive"):
            list(read_queries(path))
    path.write_bytes(b"chef\n")
    with pytest.raises(DataError, match="pack"):
        list(read_queries(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.txt"):
        list(read_queries(tmp_path / "no.txt"))


def test_entries_are_read_when_they_are_asked_for() -> None:
    def lines() -> Iterator[bytes]:
        yield b"chef\n"
        pytest.fail("read ahead")

    assert next(read_queries(lines())).text == "chef"


# Tasks.


def write_task(folder: Path, qrels: str) -> Path:
    for name, rows in (
        ("targets", [("t1", "Spark"), ("t2", "baking"), ("t3", "law")]),
        ("val.queries", [("q1", "data engineer"), ("q2", "lawyer")]),
    ):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps({"id": i, "text": t}) + "\n" for i, t in rows)
    with gzip.open(folder / "val.qrels.tsv.gz", "wt", encoding="utf-8") as file:
        file.write(qrels)
    return folder


def test_a_task(tmp_path: Path) -> None:
    folder = write_task(tmp_path, "q1\t0\tt3\t1\nq1\t0\tt1\t2\nq1\t0\tt1\t1\nq2\t0\tt2\t0\n")
    task = read_task(folder, "val")
    assert task.target_ids == ["t1", "t2", "t3"]
    assert task.targets == ["Spark", "baking", "law"]
    assert task.query_ids == ["q1", "q2"]
    assert task.queries == ["data engineer", "lawyer"]
    assert task.relevant == [[0, 2], []]


def test_judgements_may_be_separated_by_blanks(tmp_path: Path) -> None:
    folder = write_task(tmp_path, "q1 0 t3 1\n\nq1  0 t1 2\nq2\t0\tt2\t1\n \n")
    assert read_task(folder, "val").relevant == [[0, 2], [1]]


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ("q1\t0\tt1\t1\nq1\t0\tt9\t1\n", "'t9'"),
        ("q1\t0\tt1\t1\nq9\t0\tt1\t1\n", "'q9'"),
        ("q1\t0\tt1\t1\nq1 0 t1\n", "separated by tabs"),
        ("q1\t0\tt1\t1\nq1 0\tt1 1\n", "separated by tabs"),
        ("q1\t0\tt1\t1\nq1\t0\tt1\tx\n", "separated by tabs"),
        ("q1\t0\tt1\t1\nq1\t0\tt2\t-1\n", "whole number"),
        ("q1\t0\tt1\t1\nq1\t0\tt1\t0\n", "relevant"),
    ],
)
def test_a_malformed_judgement_stops_with_its_line(
    qrels: str, message: str, tmp_path: Path
) -> None:
    folder = write_task(tmp_path, qrels)
    with pytest.raises(DataError, match=message) as caught:
        read_task(folder, "val")
    assert caught.value.line == 2
    assert caught.value.path == tmp_path / "val.qrels.tsv.gz"


def test_an_id_occurs_once(tmp_path: Path) -> None:
    folder = write_task(tmp_path, "")
    with gzip.open(folder / "targets.jsonl.gz", "at", encoding="utf-8") as file:
        file.write('{"id": "t1", "text": "Spark"}\n')
    with pytest.raises(DataError, match="got 't1'") as caught:
        read_task(folder, "val")
    assert caught.value.line == 4
