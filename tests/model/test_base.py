"""Bases: folders, packages, and hub ids with weights in either form."""

from __future__ import annotations

from pathlib import Path

import pytest

from uwe.errors import ModelError
from uwe.model.base import base_folder


def test_a_folder_wins_and_a_package_has_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some/model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert base_folder("some/model") == Path("some/model")
    assert base_folder("package:uwe/assets") == Path(base_folder("package:uwe")) / "assets"


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("package:uwe_nowhere/model", "pip install uwe-nowhere"),
        ("./nowhere", "folder"),
        ("nowhere", "folder"),
        ("some/where", "no route"),
    ],
)
def test_what_is_not_there_is_said_so(
    base: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(ModelError, match=message):
        base_folder(base)


@pytest.mark.parametrize(
    ("form", "downloads"), [("model.safetensors", 1), ("pytorch_model.bin", 2)]
)
def test_weights_of_the_older_form_come_only_where_there_are_no_others(
    form: str, downloads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def give(base: str, *, ignore_patterns: list[str]) -> str:
        asked.append(base)
        if not any(form.endswith(pattern[1:]) for pattern in ignore_patterns):
            (tmp_path / form).touch()
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    assert (base_folder("some/model") / form).exists()
    assert asked == ["some/model"] * downloads
