"""Smaller forms of an exported encoder: rewrites of its ONNX graph.

`float16` and `int8` store weights narrow, and widen them before use. `int8-rows` multiplies bytes,
and no scale knows of more than one token: what a LayerNormalization gives has about the same size
for every token, so its scale is fixed when the model is exported; whatever else is multiplied has
one scale for each token (row), that of its own largest component. So in no form do the vectors of a
text depend on the texts beside it, and in `int8-rows` the sums are of whole numbers: the same in
any order and on any processor, as none overflows (`_stored` sees to that).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from uwe.encoder.config import WeightForm
from uwe.encoder.session import open_session

# Smaller tensors (biases, norms, constants of the graph) stay float32: they weigh nothing.
_LEAST_STORED = 4096
# Columns of a normalised input differ in size, and one fixed scale would leave small ones a few
# steps. This is how much of the difference moves into the weights (alpha of SmoothQuant, Xiao et
# al., 2023). The ranges get a margin, as what exceeds them is cut.
_MOVED, _MARGIN = 0.75, 1.15
# Gelu never gives less than this, so nearly all of its bytes stand for numbers above zero.
_GELU_LEAST = -0.17
# Where float32 is still exact enough to divide by.
_SMALLEST = 1e-30


def quantize(
    model: onnx.ModelProto,
    form: WeightForm,
    ranges: Mapping[str, NDArray[np.float32]] | None = None,
) -> None:
    """Store the weights of an encoder in float32 in another form, in place.

    The weights are inside `model`. `float32` leaves it as it is. `float16` casts them up when the
    session starts. `int8` stores symmetric int8 with one scale per output channel of a matrix and
    per row of an embedding, the rest as `float16`; matrices are widened when the session starts,
    embedding rows when they are looked up. `int8-rows` multiplies bytes, with one scale for each
    row of activations and each output channel, embeddings as `int8`; its `ranges` are what
    `column_ranges` gives.
    """
    if form == "float32":
        return
    graph = model.graph
    if form == "int8-rows":
        _multiply_by_rows(model, ranges or {})
    users = _users(graph)
    widening: list[onnx.NodeProto] = []
    instead: dict[str, list[onnx.NodeProto]] = {}
    for tensor in [t for t in graph.initializer if _is_large(t)]:
        graph.initializer.remove(tensor)
        name, array = tensor.name, numpy_helper.to_array(tensor)
        roles = {_role(node, name) for node in users.get(name, [])} if array.ndim == 2 else set()
        if roles == {"matrix"} and form == "int8":
            widening += _int8_matrix(graph, name, array)
        elif roles == {"embedding"} and form != "float16":
            instead |= _int8_embedding(graph, name, array, users[name])
        else:
            widening.append(_float16(graph, name, array))
    _replace(graph, instead)
    nodes = [*widening, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _is_large(tensor: TensorProto) -> bool:
    return tensor.data_type == TensorProto.FLOAT and int(np.prod(tensor.dims)) >= _LEAST_STORED


def _role(node: onnx.NodeProto, weight: str) -> str:
    """What a node takes a weight for: a matrix on the right, an embedding, or something else."""
    if node.op_type == "MatMul" and node.input[1] == weight:
        return "matrix"
    axis = next((int(a.i) for a in node.attribute if a.name == "axis"), 0)
    return "embedding" if node.op_type == "Gather" and axis == 0 else ""


def _users(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that take each tensor."""
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    return users


def _replace(graph: onnx.GraphProto, instead: Mapping[str, list[onnx.NodeProto]]) -> None:
    """Put others in the place of nodes, which are named by their first outputs."""
    nodes = [new for node in graph.node for new in instead.get(node.output[0], [node])]
    del graph.node[:]
    graph.node.extend(nodes)


def _float16(graph: onnx.GraphProto, name: str, array: NDArray[np.float32]) -> onnx.NodeProto:
    # Beyond float16's range a weight would become infinite.
    largest = float(np.finfo(np.float16).max)
    half = _add(graph, f"{name}_float16", np.clip(array, -largest, largest).astype(np.float16))
    return helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT)


def _int8_matrix(
    graph: onnx.GraphProto, name: str, array: NDArray[np.float32]
) -> list[onnx.NodeProto]:
    # Cast and Mul, because onnxruntime folds these at load; it would keep a DequantizeLinear and
    # run it on every call.
    narrow, scale = _int8(graph, name, array, axis=0)
    return [
        helper.make_node("Cast", [narrow], [f"{name}_wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}_wide", scale], [name]),
    ]


def _int8_embedding(
    graph: onnx.GraphProto, name: str, array: NDArray[np.float32], users: list[onnx.NodeProto]
) -> dict[str, list[onnx.NodeProto]]:
    # Widened after the look-up: the whole embedding never exists in float32.
    narrow, scale = _int8(graph, name, array, axis=1)
    instead = {}
    for user in users:
        out, ids = user.output[0], user.input[1]
        instead[out] = [
            helper.make_node("Gather", [narrow, ids], [f"{out}_int8"], axis=0),
            helper.make_node("Gather", [scale, ids], [f"{out}_scale"], axis=0),
            helper.make_node("Cast", [f"{out}_int8"], [f"{out}_wide"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{out}_wide", f"{out}_scale"], [out]),
        ]
    return instead


def _int8(
    graph: onnx.GraphProto, name: str, array: NDArray[np.float32], *, axis: int
) -> tuple[str, str]:
    """The names of int8 values and of float32 scales (`axis` has length 1), which are stored."""
    scales = np.abs(array).max(axis=axis, keepdims=True) / 127
    # A channel of zeros has any scale; 1 avoids a division by zero.
    scales = np.where(scales == 0, 1, scales).astype(np.float32)
    values = np.round(array / scales).clip(-127, 127).astype(np.int8)
    return _add(graph, f"{name}_int8", values), _add(graph, f"{name}_scale", scales)


@dataclass(frozen=True)
class _Bytes:
    """What unsigned bytes stand for: `zero` for 0, `zero + steps` for the scale."""

    zero: int
    steps: int


_SYMMETRIC, _GELU = _Bytes(zero=128, steps=127), _Bytes(zero=64, steps=191)


@dataclass(frozen=True)
class _Input:
    """Nodes that make bytes of what is multiplied; `scale` names one number for each row.

    Without a `scale` it is 1. Weights are multiplied by `even`, as columns were divided by it.
    """

    name: str
    kind: _Bytes
    nodes: list[onnx.NodeProto]
    scale: str = ""
    even: NDArray[np.float32] = field(default_factory=lambda: np.ones(1, dtype=np.float32))


def column_ranges(
    path: Path, probes: Sequence[NDArray[np.int64]]
) -> dict[str, NDArray[np.float32]]:
    """The largest size of each column of the normalised inputs of matrices, over some texts.

    The encoder at `path` is in float32. Each of the probes, at least one, is (batch, length): token
    ids. What `quantize` takes is returned: (columns,) by the name of the input.
    """
    model = onnx.load(path)
    normed = {n.output[0] for n in model.graph.node if n.op_type == "LayerNormalization"}
    names = [name for name in _products(model.graph) if name in normed]
    if not names:
        return {}
    model.graph.output.extend(map(helper.make_empty_tensor_value_info, names))
    session = open_session(model.SerializeToString(), 1, path)
    wanted = {node.name for node in session.get_inputs()}
    found: list[list[NDArray[np.float32]]] = []
    for ids in probes:
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        values = session.run(names, {k: v for k, v in inputs.items() if k in wanted})
        found.append([np.abs(v).reshape(-1, v.shape[-1]).max(axis=0) for v in values])
    return {name: np.max(sizes, axis=0) for name, *sizes in zip(names, *found, strict=True)}


def _multiply_by_rows(model: onnx.ModelProto, ranges: Mapping[str, NDArray[np.float32]]) -> None:
    """Make each product with a stored matrix one of bytes, in place.

    `model` is an encoder in float32 with its weights inside. A normalised input that `ranges`, from
    `column_ranges`, lacks gets scales by row.
    """
    graph = model.graph
    matrices = _matrices(graph)
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    biases = _biases(graph)
    instead: dict[str, list[onnx.NodeProto]] = {}
    for name, users in _products(graph).items():
        weights = [numpy_helper.to_array(matrices[user.input[1]]) for user in users]
        if name in ranges:
            given = _fixed(graph, name, _evened(ranges[name], weights))
        else:
            given = _by_row(graph, name, _GELU if made_by.get(name) == "Gelu" else _SYMMETRIC)
        before = given.nodes
        for user, weight in zip(users, weights, strict=True):
            # Where nothing is left to multiply after the sums, the bias can be added with them.
            add = None if given.scale else biases.get(user.output[0])
            instead[user.output[0]] = before + _product(graph, given, user, weight, add)
            if add is not None:
                instead[add.output[0]] = []
            before = []
    _replace(graph, instead)
    used = {name for node in graph.node for name in node.input}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def _matrices(graph: onnx.GraphProto) -> dict[str, TensorProto]:
    floats = (t for t in graph.initializer if t.data_type == TensorProto.FLOAT)
    return {t.name: t for t in floats if len(t.dims) == 2}


def _products(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that multiply by a stored matrix, by the name of what they multiply."""
    stored = _matrices(graph)
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in stored and node.input[0] not in stored:
            found.setdefault(node.input[0], []).append(node)
    return found


def _biases(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """The node that adds a stored vector, by the name of what it is added to, if for it alone."""
    floats = (t for t in graph.initializer if t.data_type == TensorProto.FLOAT)
    vectors = {t.name for t in floats if len(t.dims) == 1}
    outputs = {output.name for output in graph.output}
    return {
        name: nodes[0]
        for name, nodes in _users(graph).items()
        if len(nodes) == 1
        and nodes[0].op_type == "Add"
        and vectors & (set(nodes[0].input) - {name})
        and name not in outputs
    }


def _evened(ranges: NDArray[np.float32], weights: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """What each column is divided by to lie within -1 and 1, the smaller ones with room."""
    sizes = np.maximum(ranges, 1e-3 * max(ranges.max(), _SMALLEST)) * _MARGIN
    rows = np.max([np.abs(w).max(axis=1) for w in weights], axis=0)
    rows = np.maximum(rows, 1e-3 * max(rows.max(), _SMALLEST))
    even = sizes**_MOVED / rows ** (1 - _MOVED)
    evened: NDArray[np.float32] = (even * (sizes / even).max()).astype(np.float32)
    return evened


def _fixed(graph: onnx.GraphProto, name: str, even: NDArray[np.float32]) -> _Input:
    inverse = _add(graph, f"{name}_inverse", 1 / even)
    nodes = [
        helper.make_node("Mul", [name, inverse], [f"{name}_unit"]),
        _rounding(graph, name, _SYMMETRIC),
    ]
    return _Input(name, _SYMMETRIC, nodes, even=even)


def _by_row(graph: onnx.GraphProto, name: str, kind: _Bytes) -> _Input:
    scale, largest = f"{name}_scale", f"{name}_largest"
    axis = _add(graph, "rows_axis", np.array([-1]))
    if kind is _GELU:
        # Large enough for the least value of Gelu to be a byte, too.
        least = _add(graph, "rows_gelu", np.float32(-_GELU_LEAST * kind.steps / kind.zero))
        nodes = [
            helper.make_node("ReduceMax", [name, axis], [largest], keepdims=1),
            helper.make_node("Max", [largest, least], [scale]),
        ]
    else:
        # A row of zeros gets any bytes, and 0 from its scale in the end.
        nodes = [
            helper.make_node("Abs", [name], [f"{name}_sizes"]),
            helper.make_node("ReduceMax", [f"{name}_sizes", axis], [scale], keepdims=1),
        ]
    nodes += [
        # Timed: a product with the inverse takes less than a quotient.
        helper.make_node("Reciprocal", [scale], [f"{name}_inverse"]),
        helper.make_node("Mul", [name, f"{name}_inverse"], [f"{name}_unit"]),
        _rounding(graph, name, kind),
    ]
    return _Input(name, kind, nodes, scale=scale)


def _rounding(graph: onnx.GraphProto, name: str, kind: _Bytes) -> onnx.NodeProto:
    step = _add(graph, f"rows_step_{kind.zero}", np.float32(1 / kind.steps))
    zero = _add(graph, f"rows_zero_{kind.zero}", np.uint8(kind.zero))
    return helper.make_node("QuantizeLinear", [f"{name}_unit", step, zero], [f"{name}_bytes"])


def _product(
    graph: onnx.GraphProto,
    given: _Input,
    user: onnx.NodeProto,
    weight: NDArray[np.float32],
    add: onnx.NodeProto | None,
) -> list[onnx.NodeProto]:
    out = user.output[0] if add is None else add.output[0]
    values, scales = _stored(weight * given.even.reshape(-1, 1))
    inputs = [
        f"{given.name}_bytes",
        _add(graph, f"{out}_int8", values),
        _add(graph, "rows_one", np.float32(1)),
        _add(graph, f"{out}_steps", scales / np.float32(given.kind.steps)),
        f"rows_zero_{given.kind.zero}",
    ]
    if add is not None:
        inputs += ["", next(name for name in add.input if name != user.output[0])]
    sums = f"{out}_sums" if given.scale else out
    nodes = [helper.make_node("MatMulIntegerToFloat", inputs, [sums], domain="com.microsoft")]
    if given.scale:
        nodes.append(helper.make_node("Mul", [sums, given.scale], [out]))
    return nodes


def _stored(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 values (in, out) and scales (out,): values * scales is near `weight`.

    Processors with AVX2 but without VNNI add the products of two neighbours, rows 2i and 2i + 1, in
    16 bits that saturate. So neighbours of the same sign are kept to 128 together: 255 * 128 fits.
    The scales get a quarter larger by it, in the mean.
    """
    rows, columns = weight.shape
    pairs = np.zeros((-(-rows // 2) * 2, columns), dtype=np.float32)
    pairs[:rows] = weight
    pairs = pairs.reshape(-1, 2, columns)
    signs = [np.maximum(sign * pairs, 0).sum(axis=1).max(axis=0) for sign in (1, -1)]
    # Both neighbours may round up, so 127 before that. A channel of (nearly) zeros has any scale.
    scales = (np.maximum(*signs) / 127).astype(np.float32)
    scales[scales < _SMALLEST] = 1
    return np.round(weight / scales).clip(-127, 127).astype(np.int8), scales


def _add(graph: onnx.GraphProto, name: str, array: Any) -> str:
    """The name of a stored tensor, which is added unless it is there."""
    if all(t.name != name for t in graph.initializer):
        graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    return name
