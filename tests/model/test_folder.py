"""Model folders: where they are found, what is honoured, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from uwe.errors import ModelError
from uwe.model.folder import base_folder, read_source_folder


def folder_with(root: Path, modules: Any, files: dict[str, Any]) -> Path:
    (root / "config.json").write_text("{}")
    (root / "modules.json").write_text(json.dumps(modules))
    for name, content in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(json.dumps(content))
    return root


def steps(*kinds: str) -> list[dict[str, str]]:
    return [{"type": f"a.b.{kind}", "path": f"{i}" if i else ""} for i, kind in enumerate(kinds)]


def test_a_transformers_folder_says_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    found = read_source_folder(tmp_path)
    assert found.transformer == tmp_path
    assert (found.max_tokens, found.lower_case, found.mean_pooled) == (None, False, None)


@pytest.mark.parametrize(
    ("pooling", "mean"),
    [
        ({"pooling_mode": "mean"}, True),
        ({"pooling_mode": ["mean"]}, True),
        ({"pooling_mode": "cls"}, False),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, True),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, False),
        ({"pooling_mode_cls_token": True}, False),
    ],
)
def test_pooling_is_read_in_both_spellings(
    tmp_path: Path, pooling: dict[str, Any], mean: bool
) -> None:
    folder = folder_with(
        tmp_path,
        steps("Transformer", "Pooling", "Normalize"),
        {"1/config.json": pooling, "sentence_bert_config.json": {"max_seq_length": 64}},
    )
    found = read_source_folder(folder)
    assert (found.mean_pooled, found.max_tokens) == (mean, 64)


def test_an_old_folder_has_its_transformer_in_a_folder(tmp_path: Path) -> None:
    modules = [{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"}]
    folder = folder_with(tmp_path, modules, {"0_Transformer/config.json": {}})
    assert read_source_folder(folder).transformer == tmp_path / "0_Transformer"


def test_a_plain_mask_of_a_multi_vector_encoder_is_fine(tmp_path: Path) -> None:
    kinds = steps("Transformer", "MultiVectorMask")
    read_source_folder(folder_with(tmp_path, kinds, {}))
    read_source_folder(folder_with(tmp_path, kinds, {"1/config.json": {"skiplist_words": []}}))


@pytest.mark.parametrize("mask", [{"skiplist_words": ["."]}, {"keep_only_token_ids": [3]}])
def test_a_mask_that_leaves_tokens_out_is_refused(tmp_path: Path, mask: dict[str, Any]) -> None:
    folder = folder_with(tmp_path, steps("Transformer", "MultiVectorMask"), {"1/config.json": mask})
    with pytest.raises(ModelError, match=next(iter(mask))):
        read_source_folder(folder)


@pytest.mark.parametrize(
    "kinds",
    [
        ("Transformer", "Dense"),
        ("Transformer", "Normalize"),
        ("Transformer", "Pooling", "Dense"),
        ("Transformer", "TokenPooling"),
        ("Transformer", "Router"),
    ],
)
def test_modules_that_an_export_would_lose_are_refused(
    tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    folder = folder_with(
        tmp_path, steps(*kinds), {"1/config.json": {"pooling_mode_mean_tokens": True}}
    )
    with pytest.raises(ModelError, match=f"its module {kinds[-1]}"):
        read_source_folder(folder)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([], "got none"),
        (steps("StaticEmbedding"), "StaticEmbedding"),
        ({}, "got none"),
        ([{"path": ""}], "list of modules"),
        (["Transformer"], "list of modules"),
        (3, "list of modules"),
        (steps("Transformer", "Pooling"), "expected this file, found none"),
    ],
)
def test_strange_modules_are_refused(tmp_path: Path, modules: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_source_folder(folder_with(tmp_path, modules, {}))


@pytest.mark.parametrize("name", ["1/config.json", "sentence_bert_config.json"])
@pytest.mark.parametrize("content", [[], [1], None, "mean"])
def test_settings_that_are_no_object_are_refused(tmp_path: Path, name: str, content: Any) -> None:
    files = {"1/config.json": {"pooling_mode": "mean"}, name: content}
    folder = folder_with(tmp_path, steps("Transformer", "Pooling"), files)
    with pytest.raises(ModelError, match=name):
        read_source_folder(folder)


def test_settings_of_endless_depth_are_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, steps("Transformer", "Pooling"), {"1/config.json": {}})
    (folder / "1" / "config.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="expected JSON"):
        read_source_folder(folder)


def test_missing_folders_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found none"):
        read_source_folder(tmp_path / "absent")
    with pytest.raises(ModelError, match=r"has no config\.json"):
        read_source_folder(tmp_path)
    (tmp_path / "modules.json").write_text("{")
    with pytest.raises(ModelError, match="expected JSON"):
        read_source_folder(tmp_path)


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
        ("./nowhere", "found none"),
        ("nowhere", "found none"),
        ("runs/typo", "found none"),
        ("some/where", "no route"),
    ],
)
def test_what_is_not_there_is_said_so(
    base: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
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
