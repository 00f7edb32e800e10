"""Smaller forms of an exported encoder: the weights are stored narrow, the arithmetic stays wide.

Each form rewrites the ONNX graph so that stored weights are widened before use. No form scales
activations per batch, so a text's vectors do not depend on the texts beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from uwe.encoder.config import WEIGHT_FORMS, WeightForm
from uwe.errors import InputError
from uwe.model.rows import multiply_by_rows

__all__ = ["quantize"]

# Smaller tensors (biases, norms, constants of the graph) stay float32: they weigh nothing.
_SMALLEST = 4096


def quantize(
    model: onnx.ModelProto,
    form: WeightForm,
    ranges: Mapping[str, NDArray[np.float32]] | None = None,
) -> None:
    """Store the weights of `model` in another form, in place.

    `float16` casts them up when the session starts. `int8` stores symmetric int8 with one scale
    per output channel of a matrix and per row of an embedding, the rest as `float16`; matrices
    are widened when the session starts, embedding rows when they are looked up. `int8-rows`
    multiplies bytes, with one scale for each row of activations and each output channel, embeddings
    as `int8`.

    Args:
        model: An encoder in float32 with its weights inside.
        form: One of `WEIGHT_FORMS`; `float32` leaves it as it is.
        ranges: For `int8-rows`: what `uwe.model.rows.column_ranges` gives.

    Raises:
        InputError: If there is no such form.
    """
    if form not in WEIGHT_FORMS:
        raise InputError(
            f"expected weights out of {', '.join(WEIGHT_FORMS)}, got {form!r}: correct it"
        )
    if form == "float32":
        return
    graph = model.graph
    if form == "int8-rows":
        multiply_by_rows(model, ranges or {})
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    rewrites: dict[str, Callable[[_Weight], _Rewrite]] = {
        "MatMul": _int8_matrix if form == "int8" else _float16,
        "Gather": _float16 if form == "float16" else _int8_rows,
    }
    widening: list[onnx.NodeProto] = []
    instead: dict[str, list[onnx.NodeProto]] = {}
    for tensor in [t for t in graph.initializer if _is_weight(t)]:
        weight = _Weight(tensor, users.get(tensor.name, []))
        rewrite = rewrites.get(weight.role, _float16)(weight)
        graph.initializer.remove(tensor)
        graph.initializer.extend(rewrite.stored)
        widening += rewrite.widening
        instead.update(rewrite.instead)
    nodes = [new for node in graph.node for new in instead.get(node.output[0], [node])]
    del graph.node[:]
    graph.node.extend(widening + nodes)


@dataclass(frozen=True)
class _Rewrite:
    """Stored tensors, with nodes that restore the weight, or nodes instead of each user of it.

    `instead` is keyed by the first output of the user, which is unique in a graph.
    """

    stored: list[TensorProto]
    widening: list[onnx.NodeProto] = field(default_factory=list)
    instead: dict[str, list[onnx.NodeProto]] = field(default_factory=dict)


class _Weight:
    """A weight, the nodes that use it, and the one role that all of them give it."""

    def __init__(self, tensor: TensorProto, users: list[onnx.NodeProto]) -> None:
        self.name = tensor.name
        self.array: NDArray[np.float32] = numpy_helper.to_array(tensor)
        self.users = users

    @property
    def role(self) -> str:
        """`MatMul` for a matrix on the right, `Gather` for an embedding, else empty."""
        if self.array.ndim != 2:
            return ""
        if all(u.op_type == "MatMul" and u.input[1] == self.name for u in self.users):
            return "MatMul"
        if all(u.op_type == "Gather" and _axis(u) == 0 for u in self.users):
            return "Gather"
        return ""


def _float16(weight: _Weight) -> _Rewrite:
    half = f"{weight.name}_float16"
    # Beyond float16's range a weight would become infinite.
    largest = float(np.finfo(np.float16).max)
    array = np.clip(weight.array, -largest, largest).astype(np.float16)
    return _Rewrite(
        [numpy_helper.from_array(array, half)],
        [helper.make_node("Cast", [half], [weight.name], to=TensorProto.FLOAT)],
    )


def _int8_matrix(weight: _Weight) -> _Rewrite:
    # Cast and Mul, because onnxruntime folds these at load; it would keep a DequantizeLinear and
    # run it on every call.
    narrow, scale, wide = (f"{weight.name}_{part}" for part in ("int8", "scale", "wide"))
    values, scales = _symmetric(weight.array, axis=0)
    return _Rewrite(
        [numpy_helper.from_array(values, narrow), numpy_helper.from_array(scales, scale)],
        [
            helper.make_node("Cast", [narrow], [wide], to=TensorProto.FLOAT),
            helper.make_node("Mul", [wide, scale], [weight.name]),
        ],
    )


def _int8_rows(weight: _Weight) -> _Rewrite:
    # Widened after the look-up: the whole embedding never exists in float32.
    narrow, scale = f"{weight.name}_int8", f"{weight.name}_scale"
    values, scales = _symmetric(weight.array, axis=1)
    instead = {}
    for user in weight.users:
        rows, row_scales, wide = (f"{user.output[0]}_{part}" for part in ("int8", "scale", "wide"))
        instead[user.output[0]] = [
            helper.make_node("Gather", [narrow, user.input[1]], [rows], axis=0),
            helper.make_node("Gather", [scale, user.input[1]], [row_scales], axis=0),
            helper.make_node("Cast", [rows], [wide], to=TensorProto.FLOAT),
            helper.make_node("Mul", [wide, row_scales], [user.output[0]]),
        ]
    return _Rewrite(
        [numpy_helper.from_array(values, narrow), numpy_helper.from_array(scales, scale)],
        instead=instead,
    )


def _symmetric(
    array: NDArray[np.float32], *, axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 values and float32 scales (`axis` kept, length 1): values * scales is near `array`."""
    scales = np.abs(array).max(axis=axis, keepdims=True) / 127
    # A channel of zeros has any scale; 1 avoids a division by zero.
    scales = np.where(scales == 0, 1, scales).astype(np.float32)
    return np.round(array / scales).clip(-127, 127).astype(np.int8), scales


def _is_weight(tensor: TensorProto) -> bool:
    return tensor.data_type == TensorProto.FLOAT and int(np.prod(tensor.dims)) >= _SMALLEST


def _axis(gather: onnx.NodeProto) -> int:
    return next((int(a.i) for a in gather.attribute if a.name == "axis"), 0)
