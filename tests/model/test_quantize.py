"""The forms of the weights, on a graph small enough to compute by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from uwe.errors import InputError
from uwe.model.quantize import quantize

GENERATOR = np.random.default_rng(3)
EMBEDDING = GENERATOR.standard_normal((90, 48)).astype(np.float32)
MATRIX = GENERATOR.standard_normal((48, 100)).astype(np.float32)
MATRIX[:, 7] = 0  # a channel without any weight
SHARED = GENERATOR.standard_normal((100, 100)).astype(np.float32)
BIAS = GENERATOR.standard_normal(100).astype(np.float32)
IDS = np.array([[3, 89, 0]], dtype=np.int64)


def graph() -> onnx.ModelProto:
    """`(e @ M) @ S + S[ids] + b` with e = E[ids] + E[ids]: each way in which a weight is used."""
    nodes = [
        helper.make_node("Gather", ["E", "ids"], ["e1"]),
        helper.make_node("Gather", ["E", "ids"], ["e11"], axis=0),
        helper.make_node("Add", ["e1", "e11"], ["e"]),
        helper.make_node("MatMul", ["e", "M"], ["h"]),
        helper.make_node("MatMul", ["h", "S"], ["s"]),
        helper.make_node("Gather", ["S", "ids"], ["rows"]),
        helper.make_node("Add", ["s", "rows"], ["t"]),
        helper.make_node("Add", ["t", "b"], ["out"]),
    ]
    weights = {"E": EMBEDDING, "M": MATRIX, "S": SHARED, "b": BIAS}
    proto = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 3])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, 100])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(proto, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    out: NDArray[np.float32] = session.run(None, {"ids": IDS})[0]
    return out


def stored(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def expected(e: Any, m: Any, s: Any) -> NDArray[np.float64]:
    ids = IDS.clip(0, 89)
    h = (2 * e.astype(np.float64)[ids]) @ m.astype(np.float64)
    out: NDArray[np.float64] = h @ s.astype(np.float64) + s[ids] + BIAS
    return out


def rounded(array: NDArray[np.float32], axis: int) -> NDArray[Any]:
    scale = np.abs(array).max(axis=axis, keepdims=True) / 127
    scale[scale == 0] = 1
    nearest: NDArray[Any] = np.round(array / scale) * scale
    return nearest


def test_float32_is_left_alone() -> None:
    model = graph()
    before = model.SerializeToString()
    quantize(model, "float32")
    assert model.SerializeToString() == before


def test_float16_stores_halves_and_computes_on_them() -> None:
    model = graph()
    quantize(model, "float16")
    onnx.checker.check_model(model, full_check=True)
    halves = [a.astype(np.float16) for a in (EMBEDDING, MATRIX, SHARED)]
    kinds = {name: array.dtype.name for name, array in stored(model).items()}
    assert kinds == {
        "E_float16": "float16",
        "M_float16": "float16",
        "S_float16": "float16",
        "b": "float32",
    }
    np.testing.assert_allclose(run(model), expected(*halves), rtol=1e-4, atol=1e-3)


def test_float16_never_overflows() -> None:
    model = graph()
    huge = np.full((90, 48), 1e30, dtype=np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(huge, "E"))
    quantize(model, "float16")
    assert stored(model)["E_float16"].max() == np.finfo(np.float16).max


def test_int8_scales_rows_of_embeddings_and_columns_of_matrices() -> None:
    model = graph()
    quantize(model, "int8")
    onnx.checker.check_model(model, full_check=True)
    kinds = {name: (array.dtype.name, array.shape) for name, array in stored(model).items()}
    assert kinds == {
        "E_int8": ("int8", (90, 48)),
        "E_scale": ("float32", (90, 1)),
        "M_int8": ("int8", (48, 100)),
        "M_scale": ("float32", (1, 100)),
        "S_float16": ("float16", (100, 100)),  # used in two ways, so that no axis fits both
        "b": ("float32", (100,)),
    }
    wanted = expected(rounded(EMBEDDING, 1), rounded(MATRIX, 0), SHARED.astype(np.float16))
    np.testing.assert_allclose(run(model), wanted, rtol=1e-4, atol=2e-3)


def test_rewritten_graphs_are_saved_and_loaded(tmp_path: Path) -> None:
    model = graph()
    quantize(model, "int8")
    onnx.save(model, tmp_path / "model.onnx")
    np.testing.assert_array_equal(run(onnx.load(tmp_path / "model.onnx")), run(model))


def test_an_unknown_form_is_refused() -> None:
    form: Any = "int2"
    with pytest.raises(InputError, match="weights"):
        quantize(graph(), form)
