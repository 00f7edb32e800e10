"""The result file: read back as it was written, refused where damaged, joined where it may be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import uwe
from bench.sample_task import some_folder, some_task
from conftest import HashEncoder
from uwe.bench.results import Results, read_results
from uwe.data.layout import write_task
from uwe.errors import DataError, InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return some_folder(tmp_path)


def test_results_survive_their_file(folder: Path, encoder: HashEncoder, tmp_path: Path) -> None:
    found = uwe.evaluate(encoder, tasks=str(folder), scorer=["pooled", "soft:0.5"])
    found.save(tmp_path / "r.json")
    assert read_results(tmp_path / "r.json") == found
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_results_show_as_a_short_table(folder: Path, encoder: HashEncoder) -> None:
    found = uwe.evaluate(encoder, tasks=str(folder), scorer=["pooled", "soft:0.5"])
    assert str(found) == repr(found)
    assert len(str(found)) < 1500
    assert "ranks=" not in repr(found.entries[0])
    for entry in found.entries:
        (line,) = (
            line
            for line in str(found).splitlines()
            if line.split()[:1] == [entry.task] and f" {entry.scorer} " in line
        )
        assert f"{100 * entry.metrics['MAP'].mean:.1f} (" in line
    named = replace(
        found, entries=tuple(replace(entry, model="<b>") for entry in found.entries)
    )._repr_html_()
    assert named.count("<tr>") == 1 + len(found.entries)
    assert "&lt;b&gt;" in named
    assert "<b>" not in named


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("seed"),
        lambda d: d.update(version=2),
        lambda d: d.update(format="other"),
        lambda d: d.update(entries=[{"model": "x"}]),
        lambda d: d["tasks"].clear(),
        lambda d: d["entries"][0].update(metrics={"MAP": {"mean": 1}}),
    ],
)
def test_a_damaged_result_names_its_file(
    folder: Path, encoder: HashEncoder, tmp_path: Path, damage: Any
) -> None:
    document = json.loads(uwe.evaluate(encoder, tasks=str(folder), scorer="max").to_json())
    damage(document)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError) as error:
        read_results(path)
    assert error.value.path == path


def test_what_is_no_json_is_no_result(tmp_path: Path) -> None:
    for content in (b"", b"{", b"[]", b"\xff\xfe"):
        (tmp_path / "r.json").write_bytes(content)
        with pytest.raises(DataError):
            read_results(tmp_path / "r.json")


def joinable(folder: Path, scorer: str, encoder: HashEncoder, **options: Any) -> Results:
    return uwe.evaluate(encoder, tasks=str(folder), splits="test", scorer=scorer, **options)


def test_results_join_only_on_the_same_data(
    folder: Path, encoder: HashEncoder, tmp_path: Path
) -> None:
    first, second = joinable(folder, "max", encoder), joinable(folder, "pooled", encoder)
    both = first.joined(second)
    assert [entry.scorer for entry in both.entries] == ["max", "pooled"]
    with pytest.raises(InputError, match="in two results"):
        both.joined(second)
    with pytest.raises(InputError, match="same queries"):
        first.joined(joinable(folder, "pooled", encoder, limit=5))
    # Whatever was joined before: each figure has its own sample.
    alone = joinable(folder, "max", encoder, limit=5, seed=1)
    other = replace(first, limit=5, seed=0, tasks={}, entries=())
    with pytest.raises(InputError, match="same queries"):
        other.joined(alone).joined(joinable(folder, "pooled", encoder, limit=5, seed=0))
    kept = replace(other, limit=7).joined(alone)
    assert kept.joined(joinable(folder, "pooled", encoder, limit=5, seed=1)).entries
    task = some_task()
    write_task(folder, {"test": replace(task, targets=[*task.targets[:-1], "another"])})
    with pytest.raises(InputError, match="two versions"):
        first.joined(joinable(folder, "pooled", encoder))
