"""Task folders: written whole or not at all, read back equal, refused with path and line."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from uwe.corpus import RankingTask
from uwe.data import layout
from uwe.data.layout import (
    data_folder,
    read_split,
    splits_of,
    write_task,
)
from uwe.errors import DataError, InputError
from uwe.files.hashing import file_sha256

TASK = RankingTask(["t1", "t2"], ["Spark", "bäcka\u2028 \"bröd\""], ["q1", "q2"], ["big data", "x"],
                   [[1], []])  # fmt: skip


def pack(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode()))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_task_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "mine"
    write_task(folder, {"val": TASK, "test": TASK}, aliases=[["PySpark", "spark 3"], []])
    assert splits_of(folder) == ["test", "val"]
    found = read_split(folder, "val")
    assert (found.task, found.aliases, found.notes) == (TASK, [["PySpark", "spark 3"], []], ())
    assert names(tmp_path / "new") == ["mine"]


def test_seals_are_those_of_the_files_and_blind_to_aliases(tmp_path: Path) -> None:
    write_task(tmp_path / "a", {"test": TASK})
    write_task(tmp_path / "b", {"test": TASK}, aliases=[["PySpark"], []])
    seals = read_split(tmp_path / "a", "test").seals()
    assert seals == {
        name: file_sha256(tmp_path / "a" / name, unpacked=True) for name in names(tmp_path / "a")
    }
    assert seals == read_split(tmp_path / "b", "test").seals()
    other = RankingTask(TASK.target_ids, TASK.targets, TASK.query_ids, TASK.queries, [[0], []])
    write_task(tmp_path / "c", {"test": other})
    changed = read_split(tmp_path / "c", "test").seals()
    assert {name for name in seals if seals[name] != changed[name]} == {"test.qrels.tsv.gz"}


def test_the_same_task_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_task(tmp_path / name, {"test": TASK})
    for file in names(tmp_path / "a"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_task_takes_the_place_of_the_one_that_is_there(tmp_path: Path) -> None:
    write_task(tmp_path / "mine", {"val": TASK, "test": TASK})
    (tmp_path / "link").symlink_to("mine")
    write_task(tmp_path / "link", {"test": TASK})
    assert splits_of(tmp_path / "mine") == ["test"]
    assert names(tmp_path) == ["link", "mine"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_nothing_half_written_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    write_task(tmp_path / "mine", {"val": TASK})

    def stop(task: RankingTask) -> Iterator[str]:
        raise error

    monkeypatch.setattr(layout, "_judgements", stop)
    with pytest.raises(error):
        write_task(tmp_path / "mine", {"test": TASK})
    monkeypatch.undo()
    assert names(tmp_path) == ["mine"]
    assert read_split(tmp_path / "mine", "val").task == TASK


def test_a_file_where_the_folder_should_be_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InputError, match="got a file"):
        write_task(tmp_path / "mine", {"test": TASK})
    assert (tmp_path / "mine").read_text() == "mine"


def test_what_else_is_in_the_folder_is_kept(tmp_path: Path) -> None:
    write_task(tmp_path / "mine", {"test": TASK})
    (tmp_path / "mine/notes.md").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.md"):
        write_task(tmp_path / "mine", {"val": TASK})
    assert splits_of(tmp_path / "mine") == ["test"]
    assert (tmp_path / "mine/notes.md").read_text() == "mine"


def test_what_can_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    other = RankingTask(["t1", "t3"], TASK.targets, TASK.query_ids, TASK.queries, TASK.relevant)
    with pytest.raises(InputError, match="same targets"):
        write_task(tmp_path / "mine", {"val": TASK, "test": other})
    for bad in ("a\tb", "a\nb", ""):
        other = RankingTask(TASK.target_ids, TASK.targets, ["q1", bad], TASK.queries, TASK.relevant)
        with pytest.raises(InputError):
            write_task(tmp_path / "mine", {"test": other})
    with pytest.raises(InputError):
        write_task(tmp_path / "mine", {})
    assert names(tmp_path) == []


def test_equal_texts_are_noted(tmp_path: Path) -> None:
    twins = RankingTask(["t1", "t2"], ["a", "a"], ["q1", "q2"], ["q", "q"], [[0], [1]])
    write_task(tmp_path / "mine", {"test": twins})
    notes = read_split(tmp_path / "mine", "test").notes
    assert [note.split(" ", 2)[:2] for note in notes] == [["1", "targets"], ["1", "queries"]]


def test_malformed_tasks_are_refused_with_path_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_task(folder, {"test": TASK})
    with pytest.raises(DataError, match="'val', found test"):
        read_split(folder, "val")
    qrels, queries = folder / "test.qrels.tsv.gz", folder / "test.queries.jsonl.gz"
    pack(qrels, "q1\t0\tt9\t1\n")
    with pytest.raises(DataError, match=r"test\.qrels\.tsv\.gz:1: .*'t9'"):
        read_split(folder, "test")
    pack(qrels, "q1\t0\tt1\t0\n")
    with pytest.raises(DataError, match="grade"):
        read_split(folder, "test")
    pack(qrels, "")
    pack(queries, '{"id": "q1", "text": " "}\n')
    with pytest.raises(DataError, match=r"test\.queries\.jsonl\.gz:1"):
        read_split(folder, "test")
    pack(queries, "")
    with pytest.raises(DataError, match=r"test\.queries\.jsonl\.gz"):
        read_split(folder, "test")
    queries.write_bytes(queries.read_bytes()[:-4])
    with pytest.raises(DataError, match="damaged archive"):
        read_split(folder, "test")
    queries.unlink()
    with pytest.raises(DataError, match=r"test\.queries\.jsonl\.gz"):
        read_split(folder, "test")
    (folder / "targets.jsonl.gz").unlink()
    with pytest.raises(DataError):
        read_split(folder, "test")


@pytest.mark.parametrize("aliases", ['"Spark"', '[" "]', "[1]", '{"a": 1}'])
def test_aliases_that_are_no_list_of_texts_are_refused(tmp_path: Path, aliases: str) -> None:
    write_task(tmp_path / "mine", {"test": TASK})
    pack(
        tmp_path / "mine" / "targets.jsonl.gz",
        f'{{"id": "t1", "text": "a"}}\n{{"id": "t2", "text": "b", "aliases": {aliases}}}\n',
    )
    with pytest.raises(DataError, match=r"targets\.jsonl\.gz:2"):
        read_split(tmp_path / "mine", "test")


def test_the_data_folder_is_the_given_one_or_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UWE_DATA", raising=False)
    with pytest.raises(InputError, match="UWE_DATA"):
        data_folder()
    monkeypatch.setenv("UWE_DATA", str(tmp_path / "none"))
    with pytest.raises(InputError, match="UWE_DATA"):
        data_folder()
    assert data_folder(tmp_path) == tmp_path
    monkeypatch.setenv("UWE_DATA", str(tmp_path))
    assert data_folder() == tmp_path


def test_real_tasks_are_sealed_as_their_files_are(data_folder: Path) -> None:
    folder = data_folder / "workbench" / "skillnorm"
    found = read_split(folder, "val")
    seals = found.seals()
    assert seals == {name: file_sha256(folder / name, unpacked=True) for name in seals}
