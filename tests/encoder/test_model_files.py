"""The files of a model are those of its fingerprint: whole, and not replaced in between."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tiny_model import TABLE, table_encoder, word_tokenizer, write_model
from uwe.cache.target_cache import TargetCache
from uwe.encoder.config import ModelConfig
from uwe.encoder.session import OnnxSession, open_session
from uwe.encoder.text_encoder import TextEncoder
from uwe.errors import ModelError
from uwe.ranking.rank import rank
from uwe.scorer import Scorer


def external(tensor: TensorProto) -> TensorProto:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    return tensor


def table() -> TensorProto:
    return numpy_helper.from_array(TABLE, "table")


def test_weights_in_another_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path)
    onnx.save(
        table_encoder(), folder / "model.onnx", save_as_external_data=True, location="w.bin",
        size_threshold=0,
    )  # fmt: skip
    for place in (folder, tmp_path.parent):
        # onnxruntime looks for such files beside the model, or in the current folder.
        monkeypatch.chdir(place)
        with pytest.raises(ModelError):
            TextEncoder(folder).encode(["data"])
    onnx.save(onnx.load(folder / "model.onnx"), folder / "model.onnx")
    assert len(TextEncoder(folder).encode(["data"])) == 1


def test_weights_of_a_constant_in_another_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path)
    model = table_encoder()
    del model.graph.initializer[:]
    node = helper.make_node("Constant", [], ["table"], value=external(table()))
    model.graph.node.insert(0, node)
    onnx.save(model, folder / "model.onnx")
    (folder / "w.bin").write_bytes(TABLE.tobytes())
    monkeypatch.chdir(folder)
    with pytest.raises(ModelError):
        TextEncoder(folder).encode(["data"])


def in_a_constant() -> onnx.ModelProto:
    model = table_encoder()
    node = helper.make_node("Constant", [], ["other"], value=external(table()))
    model.graph.node.append(node)
    return model


def in_a_branch() -> onnx.ModelProto:
    model = table_encoder()
    branch = helper.make_graph([], "branch", [], [], [external(table())])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch))
    return model


def in_a_function() -> onnx.ModelProto:
    model = table_encoder()
    node = helper.make_node("Constant", [], ["other"], value=external(table()))
    function = helper.make_function("own", "f", [], ["other"], [node], [])
    model.functions.append(function)
    return model


def in_a_sparse_tensor() -> onnx.ModelProto:
    model = table_encoder()
    model.graph.sparse_initializer.add().values.CopyFrom(external(table()))
    return model


@pytest.mark.parametrize("where", [in_a_constant, in_a_branch, in_a_function, in_a_sparse_tensor])
def test_they_are_found_wherever_they_are_named(where: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="external data"):
        open_session(where().SerializeToString(), 1, tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"j\x11\n\x08location\x12\x05w.bin", b"j\x11\x12\x05w.bin\n\x08location"),
        (b"\n\x08location\x12\x05w.bin", b"\n\x88\x80\x00location\x12\x03w.b"),
        (b"\n\x08location\x12\x05w.bin", b"\x8a\x00\x08location\x12\x04w.bi"),
    ],
)
def test_other_bytes_for_the_same_are_found_too(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    model = table_encoder()
    external(model.graph.initializer[0])
    content = model.SerializeToString()
    assert content.count(before) == 1
    assert len(before) == len(after)
    content = content.replace(before, after)
    assert "location" in str(onnx.load_from_string(content))
    with pytest.raises(ModelError, match="external data"):
        open_session(content, 1, tmp_path)


def test_metadata_may_have_any_key(tmp_path: Path) -> None:
    model = table_encoder()
    helper.set_model_props(model, {"location": "Ghent", "other": "x" * 200})
    open_session(model.SerializeToString(), 1, tmp_path)


def test_what_is_no_onnx_file_is_an_error_of_ours(tmp_path: Path) -> None:
    whole = table_encoder().SerializeToString()
    for content in (b"", b"\0" * 100, whole[: len(whole) // 2], b"\xff" + whole):
        with pytest.raises(ModelError):
            open_session(content, 1, tmp_path)


OTHER = {"scorer": Scorer("pooled"), "special_tokens": "keep", "max_tokens": 8, "dim": 3}


def replace_model(folder: Path, what: str) -> None:
    """Put another model, or a part of one, in the place of that of a folder."""
    if what == "model.onnx":
        model = table_encoder()
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(-TABLE[::-1].copy(), "table"))
        onnx.save(model, folder / what)
    elif what == "tokenizer.json":
        tokenizer = word_tokenizer()
        tokenizer.normalizer = None
        tokenizer.save(str(folder / what))
    else:
        config = ModelConfig(name="other", weights="float32", **(OTHER | {"max_tokens": 3}))
        (folder / what).write_text(config.to_json())


@pytest.mark.parametrize("what", ["model.onnx", "tokenizer.json"])
def test_a_model_that_is_replaced_after_load_ranks_nothing(tmp_path: Path, what: str) -> None:
    folder = write_model(tmp_path / "model")
    TargetCache.build(
        TextEncoder(folder), ["data", "baker", "spark"], path=tmp_path / "c", scorer=Scorer("max")
    )
    model = TextEncoder(folder)
    cache = TargetCache.open(tmp_path / "c", model=model)
    replace_model(folder, what)
    with pytest.raises(ModelError, match="replaced"):
        rank("data", cache)
    (folder / what).unlink()
    with pytest.raises(ModelError, match="gone"):
        rank("data", cache)


def test_sessions_of_another_number_of_threads_are_of_the_same_file(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    session = OnnxSession(folder / "model.onnx", dim=3, threads=2, quick=True)
    few, many = np.ones((1, 2), dtype=np.int64), np.ones((4000, 8), dtype=np.int64)
    session.run(few)
    replace_model(folder, "model.onnx")
    session.run(few)
    with pytest.raises(ModelError, match="was replaced"):
        session.run(many)


@pytest.mark.parametrize("what", ["model.onnx", "tokenizer.json", "uwe.json"])
def test_a_pickle_is_of_the_same_files(tmp_path: Path, what: str) -> None:
    folder = write_model(tmp_path)
    model = TextEncoder(folder)
    assert model.fingerprint
    model.encode(["data"])
    pickled = pickle.dumps(model)
    assert pickle.loads(pickled).fingerprint == model.fingerprint
    replace_model(folder, what)
    with pytest.raises(ModelError, match="was replaced"):
        pickle.loads(pickled).encode(["data"])


FORKING = """
import os, sys
from pathlib import Path
from test_model_files import replace_model
from uwe.errors import ModelError
from uwe.encoder.text_encoder import TextEncoder

folder = Path(sys.argv[1])
model = TextEncoder(folder, threads=1)
model.encode(["data"])
replace_model(folder, "model.onnx")
child = os.fork()
if child == 0:
    try:
        model.encode(["data"])
    except ModelError as error:
        os._exit(7 if "was replaced" in str(error) else 1)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_of_a_fork_has_the_same_file(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING, str(folder)]
    paths = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONPATH": paths}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert (ran.stderr, ran.stdout) == ("", "7\n")
