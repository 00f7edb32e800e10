"""Training of the skill head: what it learns, what it reads, and the file that it writes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from tiny_head import WordEncoder, marked_lines
from tiny_written import write_texts
from uwe.bench.skill_head import evaluate_head
from uwe.data.marked_lines import (
    MarkedLines,
    encode_marked_lines,
    read_marked_lines,
    read_written_lines,
)
from uwe.errors import DataError
from uwe.extraction.skill_head import SkillHead
from uwe.training.skill_head import HeadRecipe, train_head

RECIPE = HeadRecipe(hidden=12, line=8, epochs=40, learning_rate=2e-2, run=5, runs=2, written=6)
SHORT = HeadRecipe(hidden=4, line=4, epochs=2, run=5, runs=2, written=6)


def encoded(lines: list[dict[str, Any]]) -> MarkedLines:
    return encode_marked_lines(lines, WordEncoder())  # type: ignore[arg-type]


def written() -> MarkedLines:
    """Lines of which only is known whether they ask: as `marked_lines` has them, every second."""
    lines = marked_lines(20, seed=2)
    known: list[list[Any] | None] = [None if line["skills"] else [] for line in lines]
    return encoded(
        [
            line | {"skills": some, "knowledge": some}
            for line, some in zip(lines, known, strict=True)
        ]
    )


@pytest.mark.parametrize("also", [False, True], ids=["marked lines", "written lines also"])
def test_a_head_learns_what_a_skill_is(tmp_path: Path, also: bool) -> None:
    path = tmp_path / "head.npz"
    train_head(encoded(marked_lines(30)), RECIPE, path, written=written() if also else None)
    head = SkillHead(path, dim=WordEncoder.dim)
    found = evaluate_head(head, encoded(marked_lines(40, seed=1)))
    assert found.token_f1 > 0.95
    assert found.strict_f1 > 0.95
    assert found.alone is not None
    assert found.alone > 0.95
    assert found.in_context is not None
    assert found.in_context > 0.95


def test_a_seed_decides_every_byte(tmp_path: Path) -> None:
    data, also = encoded(marked_lines(30)), written()
    files = []
    for seed in (3, 3, 4):
        train_head(data, HeadRecipe(**vars(SHORT) | {"seed": seed}), tmp_path / "a", written=also)
        files.append((tmp_path / "a").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


@pytest.mark.parametrize("steps", [1, 8, 9, 10, 11])
def test_few_steps_are_enough(tmp_path: Path, steps: int) -> None:
    recipe = HeadRecipe(hidden=4, line=4, epochs=steps, run=2, runs=5)
    taken: list[tuple[int, int]] = []
    train_head(
        encoded(marked_lines(10)), recipe, tmp_path / "a", progress=lambda *now: taken.append(now)
    )
    assert taken[-1] == (steps, steps)
    SkillHead(tmp_path / "a", dim=WordEncoder.dim)


def test_the_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, path = encoded(marked_lines(30)), tmp_path / "head.npz"

    def stopped(step: int, steps: int) -> None:
        raise KeyboardInterrupt

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    for before in (None, b"old"):
        if before is not None:
            path.write_bytes(before)
        with pytest.raises(KeyboardInterrupt):
            train_head(data, SHORT, path, progress=stopped)
        with monkeypatch.context() as patch:
            patch.setattr(np, "savez", full)
            with pytest.raises(OSError, match="No space"):
                train_head(data, SHORT, path)
        assert [file.read_bytes() for file in tmp_path.iterdir()] == [before] * (before is not None)


def test_marks_become_tags() -> None:
    text = "use SQL and Git"
    data = encoded(
        [
            {"doc": "b", "text": text, "skills": [[0, 7]], "knowledge": [[4, 7], [12, 15]]},
            {"doc": "b", "text": text, "skills": [], "knowledge": []},
            {"doc": "a", "text": text, "skills": None, "knowledge": None},
            {"doc": "a", "text": text, "skills": [[3, 4]], "knowledge": []},
        ]
    )
    assert data.tags[:6].T.tolist() == [[-1, 1, 2, 0, 0, -1], [-1, 0, 1, 0, 1, -1]]
    assert data.tags[6:12].T.tolist() == [[-1, 0, 0, 0, 0, -1]] * 2
    assert (data.tags[12:18] == -1).all()
    assert data.asks.tolist() == [1, 0, 1, 1]
    assert data.documents.tolist() == [0, 0, 1, 1]
    assert data.spans == (frozenset({(0, 1, 3)}), frozenset({(0, 2, 3), (0, 4, 5)}))


GOOD = {"doc": "1", "text": "use SQL", "skills": [[0, 7]], "knowledge": [[4, 7]]}


def marked_file(path: Path, *lines: object) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_bytes(gzip.compress("".join(f"{text}\n" for text in texts).encode()))
    return path


def test_marked_lines_are_read(tmp_path: Path) -> None:
    blank = {"doc": "1", "text": " ", "skills": [], "knowledge": []}
    more: dict[str, Any] = {"doc": "2", "text": "Git", "skills": [], "knowledge": [], "more": None}
    path = marked_file(tmp_path / "a.jsonl.gz", GOOD, blank, blank | {"text": "\x1a"}, "", more)
    assert read_marked_lines(path) == [GOOD, more]


WRONG_TEXTS: tuple[Any, ...] = (None, 7, ["a"], {})


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        *({name: GOOD[name] for name in GOOD if name != left_out} for left_out in GOOD),
        *(GOOD | {"text": wrong, "skills": [], "knowledge": []} for wrong in WRONG_TEXTS),
        *(
            GOOD | {"skills": skills}
            for skills in (
                None, "", {}, {"01": 1}, 1, [1], [None], ["01"], [[0]], [[0, 1, 2]], [["0", "1"]],
                [[0.0, 1.0]], [[0.5, 1]], [[0, None]], [[-1, 2]], [[2, 2]], [[3, 2]], [[0, 8]],
            )
        ),
        json.dumps(GOOD).replace("[4, 7]", "[4, 1e999]"),
        json.dumps(GOOD).replace("[4, 7]", "[NaN, 7]"),
        GOOD | {"text": "use \ud800SQL"},
    ],
)  # fmt: skip
def test_a_malformed_line_is_named(tmp_path: Path, line: object) -> None:
    path = marked_file(tmp_path / "a.jsonl.gz", GOOD, line, GOOD)
    with pytest.raises(DataError) as raised:
        read_marked_lines(path)
    assert (raised.value.path, raised.value.line) == (path, 2)


def test_a_file_without_lines_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl\.gz"):
        read_marked_lines(marked_file(tmp_path / "a.jsonl.gz"))


def written_folder(folder: Path, silent: bytes, name: str = "", *lines: str) -> Path:
    write_texts(folder, name, *lines)
    (folder / "written" / "no_skill_lines.txt.gz").write_bytes(gzip.compress(silent))
    return folder / "written"


def test_written_lines_are_read(tmp_path: Path) -> None:
    folder = written_folder(tmp_path, "Salary: £28,500\n\n  25 days' holiday \n".encode())
    lines = read_written_lines(folder)
    assert [line["text"] for line in lines if line["skills"] is None] == [
        "We seek a baker.", "Kneads at dawn.", "SQL wanted.", "Reads tables.", "Sells.", "Sold.",
        "Goes.", "Went.", "Bakes and reads.", "Bakes and sells.",
    ]  # fmt: skip
    assert [line["text"] for line in lines if line["skills"] == []] == [
        "Salary: £28,500",
        "25 days' holiday",
    ]
    data = encoded(lines)
    assert data.asks.tolist() == [1] * 10 + [0] * 2
    assert len(set(data.documents.tolist())) == 1


@pytest.mark.parametrize("most", [1, 3, 4, 9, 10, 11])
def test_written_lines_are_taken_evenly(tmp_path: Path, most: int) -> None:
    folder = written_folder(tmp_path, b"Salary\n")
    everything = [line["text"] for line in read_written_lines(folder)]
    taken = [everything.index(line["text"]) for line in read_written_lines(folder, most=most)]
    assert taken[-1] == 10  # lines that ask for nothing are all kept
    assert len(taken) - 1 <= most
    assert len(set(np.diff(taken[:-1]).tolist())) <= 1
    assert taken[0] == 0


def test_malformed_written_lines_are_refused(tmp_path: Path) -> None:
    for number, silent in enumerate((b"", b"\n \n", b"Salary\n\xff\n")):
        folder = written_folder(tmp_path / str(number), silent)
        with pytest.raises(DataError, match="written"):
            read_written_lines(folder)
    header = "sentence\tids\tlabels"
    folder = written_folder(
        tmp_path / "short", b"Salary\n", "written/sentences_several.tsv.gz", header, "Bakes."
    )
    with pytest.raises(DataError, match="sentences_several") as raised:
        read_written_lines(folder)
    assert raised.value.line == 2
