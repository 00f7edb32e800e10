"""The form of an ONNX file, as far as one has to know it before it is run.

An ONNX file is nested messages of Protocol Buffers (https://protobuf.dev/programming-guides/encoding,
field numbers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3). onnxruntime reads weights
from beside the file where a tensor says so; the package `onnx`, which could tell, is not needed to
rank.
"""

from __future__ import annotations

# For each kind of message the fields that may lead to a tensor, and what kind they are.
_LEADS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_DATA_LOCATION, _EXTERNAL = 14, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def has_external_data(content: bytes) -> bool:
    """Whether a tensor of an ONNX file, wherever it stands in it, is kept in another file.

    Raises:
        ValueError: If the bytes are no such messages.
    """
    waiting = [("model", 0, len(content))]
    while waiting:
        kind, place, end = waiting.pop()
        while place < end:
            key, place = _varint(content, place, end)
            field, wire = key >> 3, key & 7
            if wire == _VARINT:
                value, place = _varint(content, place, end)
                if kind == "tensor" and field == _DATA_LOCATION and value & 0xFFFFFFFF == _EXTERNAL:
                    return True
                continue
            if wire == _BYTES:
                size, place = _varint(content, place, end)
                if field in _LEADS[kind]:
                    waiting.append((_LEADS[kind][field], place, min(place + size, end)))
            elif wire in (_FIXED64, _FIXED32):
                size = 8 if wire == _FIXED64 else 4
            else:
                raise ValueError(f"byte {place} begins no field")
            place += size
        if place > end:
            raise ValueError("it is cut off")
    return False


def _varint(content: bytes, place: int, end: int) -> tuple[int, int]:
    """A number at a place, and the place behind it."""
    value = shift = 0
    while place < end and shift < 70:
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise ValueError(f"byte {place} ends no number")
