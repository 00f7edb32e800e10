"""A file written in parts: whole at every moment, and the same after any interruption."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from uwe.errors import InputError
from uwe.files.parts import Lines, Rows, parts_of

JOB: dict[str, Any] = {"input": "abc", "k": 10}


class Killed(BaseException):
    """Ends a run where it is, as a signal does."""


def run(
    out: Path,
    *,
    kill_at: int | None = None,
    job: dict[str, Any] | None = JOB,
    resume: bool = False,
    form: Lines | Rows | None = None,
) -> list[int]:
    """Write five parts of two items; the numbers of those that were written."""
    form = form or Lines("n")
    written = []
    with parts_of(out, form.join, job, resume=resume) as parts:
        for number in range(len(parts.whole), 5):
            with parts.new() as path:
                items: list[Any] = [f"{number}a", f"{number}b"]
                if isinstance(form, Rows):
                    items = [[item, number] for item in items]
                form.write(path, items[:1] if number == kill_at else items)
                if number == kill_at:
                    raise Killed
            written.append(number)
    return written


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
@pytest.mark.parametrize("kill_at", range(5))
def test_resumed_is_as_uninterrupted(tmp_path: Path, name: str, kill_at: int) -> None:
    form: Lines | Rows = Lines("n")
    if name == "a.parquet":
        pytest.importorskip("pyarrow")
        form = Rows({"n": "string", "part": "int64"})
    run(tmp_path / name, form=form)
    wanted = (tmp_path / name).read_bytes()
    out = tmp_path / "again" / name
    out.parent.mkdir()
    with pytest.raises(Killed):
        run(out, kill_at=kill_at, form=form)
    assert not out.exists()
    assert run(out, resume=True, form=form) == list(range(kill_at, 5))
    assert out.read_bytes() == wanted
    assert [path.name for path in out.parent.iterdir()] == [name]


def test_the_file_has_the_items_in_their_order(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    run(tmp_path / "a.csv.gz")
    texts = [f"{number}{letter}" for number in range(5) for letter in "ab"]
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).decode().split() == ["n", *texts]
    run(tmp_path / "a.parquet", form=Rows({"n": "string", "part": "int64"}))
    assert pq.read_table(tmp_path / "a.parquet")["n"].to_pylist() == texts


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"resume": False}, "--resume"),
        ({"resume": True, "job": {**JOB, "k": 5}}, "k was 10, not 5"),
        ({"resume": True, "job": {**JOB, "input": "x"}}, "'abc'"),
        ({"resume": True, "job": {**JOB, "more": 1}}, "something else"),
        ({"resume": False, "job": None}, "--resume"),
    ],
)
def test_parts_of_another_call_are_kept_and_told(
    tmp_path: Path, settings: dict[str, Any], word: str
) -> None:
    out = tmp_path / "a.csv"
    out.write_text("old")
    with pytest.raises(Killed):
        run(out, kill_at=3)
    with pytest.raises(InputError, match=word):
        run(out, **settings)
    assert out.read_text() == "old"
    assert run(out, resume=True) == [3, 4]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    for name in ("mine.txt", "000000x", "000000"):
        (other := tmp_path / "a.csv.parts").mkdir(exist_ok=True)
        (other / name).write_text("mine")
        for resume in (True, False):
            with pytest.raises(InputError, match=name):
                run(tmp_path / "a.csv", resume=resume)
        assert [(path.name, path.read_text()) for path in other.iterdir()] == [(name, "mine")]
        (other / name).unlink()


def test_without_a_whole_part_the_next_call_begins(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    for job in (JOB, None):
        with pytest.raises(Killed):
            run(out, kill_at=0 if job else 3, job=job)
        assert not list(tmp_path.iterdir())
        assert run(out) == [0, 1, 2, 3, 4]
        out.unlink()


def test_a_kill_while_parts_are_removed_leaves_nothing_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.csv"

    def killed(folder: Path) -> None:
        if (folder / "000000").exists():
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("uwe.files.parts._remove_parts", killed)
        with pytest.raises(Killed):
            run(out)
    assert (tmp_path / "a.csv.parts").exists()
    assert run(out) == [0, 1, 2, 3, 4]


def test_a_kill_before_the_parts_are_joined_costs_no_part(tmp_path: Path) -> None:
    class Failing(Lines):
        def join(self, out: Path, parts: Sequence[Path]) -> None:
            raise Killed

    out = tmp_path / "a.csv"
    with pytest.raises(Killed):
        run(out, form=Failing("n"))
    assert run(out, resume=True) == []
    assert len(out.read_text().split()) == 11


def test_two_do_not_write_one_file(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    with parts_of(out, Lines().join, JOB, resume=False) as parts, parts.new() as path:
        with pytest.raises(InputError, match="another process"):
            run(out, resume=True)
        Lines().write(path, ["a"])
    assert out.read_text() == "a\n"


def test_another_call_waits_until_the_parts_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, refused = tmp_path / "a.csv", []
    unlink = Path.unlink

    def slow(self: Path, missing_ok: bool = False) -> None:
        if self.name == "000001":
            with pytest.raises(InputError, match="another process"):
                run(out, resume=True)
            refused.append(self)
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", slow)
    run(out)
    assert refused
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_what_a_kill_left_of_a_join_goes_with_the_next_call(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    left, other = tmp_path / ".out.csv-0123abcd", tmp_path / ".out.csv-mine"
    left.touch()
    other.touch()
    run(out)
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, out.name]
