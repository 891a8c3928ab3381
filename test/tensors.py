"""ONNX values on disk, and how far two of them may be apart. Shared by the test runners."""
import pathlib

import numpy as np
import onnx
from onnx import numpy_helper

MESSAGES = {
    "sequence_type": (onnx.SequenceProto, numpy_helper.to_list, numpy_helper.from_list),
    "optional_type": (onnx.OptionalProto, numpy_helper.to_optional, numpy_helper.from_optional),
    "map_type": (onnx.MapProto, numpy_helper.to_dict, numpy_helper.from_dict),
}
TENSOR = (onnx.TensorProto, numpy_helper.to_array, lambda value, name: numpy_helper.from_array(np.asarray(value), name))


def message_of(value_info):
    return MESSAGES.get(value_info.type.WhichOneof("value"), TENSOR)


def write_value(path, value, value_info):
    """Writes what a backend case holds: an array, list, dict or None, or an already made TensorProto."""
    if not isinstance(value, onnx.TensorProto):
        value = message_of(value_info)[2](value, value_info.name)
    pathlib.Path(path).write_bytes(value.SerializeToString())


def read_value(path, value_info):
    message, to_value, _ = message_of(value_info)
    return to_value(message.FromString(pathlib.Path(path).read_bytes()))


def to_numpy(value):
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def numeric(array):
    """Types that numpy's own arithmetic lacks (bfloat16, float8, int4, ...) as float32, which holds them all."""
    return array if array.dtype.kind in "biufc" and not array.dtype.metadata else array.astype(np.float32)


def mismatch(actual, expected, closeness):
    """None, or why `actual` is not `expected`. closeness(actual, expected) gives for two float arrays a text or None."""
    if isinstance(expected, (list, tuple)):
        if not isinstance(actual, (list, tuple)) or len(actual) != len(expected):
            return f"a sequence of {len(expected)} elements is expected"
        for index, (a, e) in enumerate(zip(actual, expected)):
            reason = mismatch(a, e, closeness)
            if reason:
                return f"element {index}: {reason}"
        return None
    if expected is None or isinstance(expected, dict):
        return None if actual == expected else f"{actual!r} instead of {expected!r}"
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        return f"shape {list(actual.shape)} instead of {list(expected.shape)}"
    if expected.dtype.kind in "OSU":
        same = [text(a) for a in actual.ravel()] == [text(e) for e in expected.ravel()]
        return None if same else "strings differ"
    if actual.dtype != expected.dtype:
        return f"type {actual.dtype} instead of {expected.dtype}"
    a, e = numeric(actual), numeric(expected)
    if e.dtype.kind in "fc":
        return closeness(a, e)
    wrong = int(np.count_nonzero(a != e))
    return f"{wrong} of {e.size} values differ" if wrong else None


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def close_elementwise(rtol, atol):
    """|actual - expected| <= atol + rtol * |expected| for each element; NaN equals NaN."""
    def closeness(actual, expected):
        with np.errstate(all="ignore"):
            wrong = ~np.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=True)
        if not wrong.any():
            return None
        first = tuple(np.argwhere(wrong)[0]) if wrong.ndim else ()
        return (f"{int(wrong.sum())} of {wrong.size} values differ, at {[int(i) for i in first]} "
                f"{actual[first]} instead of {expected[first]}")
    return closeness


def close_to_largest(tolerance):
    """The worst difference is at most `tolerance` times the largest expected magnitude."""
    def closeness(actual, expected):
        if not np.array_equal(np.isfinite(actual), np.isfinite(expected)):
            return "NaN or infinity in different places"
        finite = np.isfinite(expected)
        if not finite.any():
            return None
        worst = float(np.max(np.abs(actual[finite].astype(np.float64) - expected[finite].astype(np.float64))))
        largest = float(np.max(np.abs(expected[finite])))
        limit = tolerance * largest if largest > 0 else tolerance
        return f"worst error {worst:.3g}, allowed {limit:.3g}" if worst > limit else None
    return closeness
