"""Products of bytes: what is stored cannot overflow, and a twin computes the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings, strategies
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import uwe
from uwe.encoder.loading import SHIPPED_MODEL, load
from uwe.encoder.text_encoder import ONNX_FILE
from uwe.model.quantize import _stored, column_ranges, quantize

SHIPPED = Path(uwe.__file__).parent / "assets" / SHIPPED_MODEL / ONNX_FILE
GENERATOR = np.random.default_rng(8)
TABLE = GENERATOR.standard_normal((50, 40)).astype(np.float32)
TABLE[0] = 0  # a token of zeros
TABLE[:, 3] *= 20  # a column much larger than the others
GAIN = (1 + GENERATOR.random(40)).astype(np.float32)
GAIN[5] = 15
SHIFT = GENERATOR.standard_normal(40).astype(np.float32)
FIRST, SECOND, THIRD = (
    GENERATOR.standard_normal(shape).astype(np.float32) / 6
    for shape in ((40, 60), (40, 60), (60, 40))
)
BIAS = GENERATOR.standard_normal(60).astype(np.float32)


def graph() -> onnx.ModelProto:
    """`gelu(norm(e) A + b) C + e B[:, :40]`: every kind of input a matrix can have."""
    nodes = [
        helper.make_node("Gather", ["E", "input_ids"], ["e"]),
        helper.make_node("LayerNormalization", ["e", "g", "s"], ["n"], axis=-1, epsilon=1e-12),
        helper.make_node("MatMul", ["n", "A"], ["h0"]),
        helper.make_node("Add", ["h0", "b"], ["h1"]),
        helper.make_node("MatMul", ["n", "B"], ["k"]),
        helper.make_node("Gelu", ["h1"], ["h"]),
        helper.make_node("MatMul", ["h", "C"], ["o"]),
        helper.make_node("MatMul", ["e", "B"], ["raw"]),
        helper.make_node("Concat", ["o", "k", "raw"], ["out"], axis=-1),
    ]
    weights = {
        "E": TABLE, "g": GAIN, "s": SHIFT, "A": FIRST, "B": SECOND, "C": THIRD, "b": BIAS,
    }  # fmt: skip
    proto = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", "length", 160])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(proto, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    out: NDArray[np.float32] = session.run(None, {"input_ids": ids})[0]
    return out


@pytest.fixture(scope="module")
def ranges(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray[np.float32]]:
    path = tmp_path_factory.mktemp("ranges") / "model.onnx"
    onnx.save(graph(), path)
    return column_ranges(path, [np.arange(30)[None], np.arange(50).reshape(5, 10)])


@pytest.fixture(scope="module")
def rewritten(ranges: dict[str, NDArray[np.float32]]) -> onnx.ModelProto:
    model = graph()
    quantize(model, "int8-rows", ranges)
    onnx.checker.check_model(model)
    return model


def stored(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def largest_sums(values: NDArray[np.int8]) -> tuple[int, int]:
    """The largest and the smallest sum of two neighbours' products with any two bytes."""
    even = values[: len(values) // 2 * 2].reshape(-1, 2, values.shape[1]).astype(int)
    last = values[len(values) // 2 * 2 :].astype(int)
    ups = [np.maximum(even, 0).sum(axis=1), np.maximum(last, 0)]
    downs = [np.minimum(even, 0).sum(axis=1), np.minimum(last, 0)]
    return 255 * np.concatenate(ups).max(initial=0), 255 * np.concatenate(downs).min(initial=0)


@settings(deadline=None, max_examples=200)
@given(
    arrays(
        np.float32,
        strategies.tuples(strategies.integers(1, 9), strategies.integers(1, 4)),
        elements=strategies.floats(-1000, 1000, width=32),
    )
)
def test_no_two_neighbours_overflow_sixteen_bits(weight: NDArray[np.float32]) -> None:
    values, scales = _stored(weight)
    assert values.dtype == np.int8
    up, down = largest_sums(values)
    assert up <= np.iinfo(np.int16).max
    assert down >= np.iinfo(np.int16).min
    np.testing.assert_allclose(values * scales, weight, atol=float(scales.max()) * 0.51)


def test_neighbours_of_one_sign_share_what_others_have_alone() -> None:
    weight = np.array([[1, 1, 0], [1, -1, 0]], dtype=np.float32)
    values, scales = _stored(weight)
    assert np.abs(values).tolist() == [[64, 127, 0], [64, 127, 0]]
    np.testing.assert_allclose(scales, [2 / 127, 1 / 127, 1])


def test_the_shipped_model_can_not_overflow() -> None:
    model = onnx.load(SHIPPED)
    matrices = stored(model)
    products = [n for n in model.graph.node if n.op_type == "MatMulIntegerToFloat"]
    assert len(products) == 36
    for node in products:
        up, down = largest_sums(matrices[node.input[1]])
        assert up <= np.iinfo(np.int16).max
        assert down >= np.iinfo(np.int16).min
    assert not [n for n in model.graph.node if n.op_type == "DynamicQuantizeLinear"]


def test_ranges_are_those_of_normalised_columns(ranges: dict[str, NDArray[np.float32]]) -> None:
    assert list(ranges) == ["n"]
    centred = TABLE - TABLE.mean(axis=1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
    np.testing.assert_allclose(ranges["n"], np.abs(unit * GAIN + SHIFT).max(axis=0), rtol=1e-4)


def test_the_bytes_are_those_of_a_twin(rewritten: onnx.ModelProto) -> None:
    ids = np.array([[1, 2, 3, 49]])
    out = run(rewritten, ids)[0]
    tensors = stored(rewritten)
    # By row: the scale is the token's largest size, bytes lie 127 around 128.
    e = TABLE[ids[0]].astype(np.float64)
    scale = np.abs(e).max(axis=1, keepdims=True)
    whole = np.round(e / scale * 127) @ tensors["raw_int8"].astype(np.int64)
    np.testing.assert_allclose(out[:, 100:], whole * scale * tensors["raw_steps"], atol=1e-4)
    # Fixed: every column has its own share of the range, and what exceeds it is cut.
    centred = e - e.mean(axis=1, keepdims=True)
    n = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True)) * GAIN + SHIFT
    units = np.round(np.clip(n * tensors["n_inverse"], -128 / 127, 1) * 127)
    assert np.abs(units).max() < 127  # the margin
    k = units @ tensors["k_int8"].astype(np.int64) * tensors["k_steps"]
    np.testing.assert_allclose(out[:, 40:100], k, atol=1e-4)


def test_close_to_float32(rewritten: onnx.ModelProto) -> None:
    ids = np.arange(1, 49)[None]
    want, got = run(graph(), ids)[0], run(rewritten, ids)[0]
    for part in (slice(0, 40), slice(40, 100), slice(100, 160)):
        a, b = want[:, part], got[:, part]
        cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert cosines.min() > 0.999


def test_a_row_of_zeros_gives_zeros(rewritten: onnx.ModelProto) -> None:
    assert (run(rewritten, np.array([[0, 1]]))[0, 0, 100:] == 0).all()


def test_an_input_is_made_bytes_once_for_all_its_matrices(rewritten: onnx.ModelProto) -> None:
    kinds = [node.op_type for node in rewritten.graph.node]
    assert kinds.count("MatMulIntegerToFloat") == 4
    assert kinds.count("QuantizeLinear") == 3  # n for two matrices, e, h
    assert kinds.count("ReduceMax") == 2  # none for n, whose scale is fixed
    assert kinds.count("Add") == 0  # a bias goes in with the sums where their scale is fixed


def test_without_ranges_a_normalised_input_has_scales_by_row() -> None:
    model = graph()
    quantize(model, "int8-rows")
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("ReduceMax") == 3
    assert kinds.count("Add") == 1
    ids = np.arange(1, 40)[None]
    want, got = run(graph(), ids), run(model, ids)
    assert (want * got).sum() / np.linalg.norm(want) / np.linalg.norm(got) > 0.999


def test_the_shipped_models_vectors_depend_on_their_text_alone() -> None:
    texts = ["data engineer", "pastry chef", "C++", "nurse in intensive care", "x", "baker"] * 5
    together = load(threads=2).encode(texts, batch_size=8)
    alone = load(threads=1)
    for text, vectors in zip(texts[:6], together, strict=False):
        np.testing.assert_array_equal(alone.encode([text]).values, vectors)
