"""Operators whose pads and positions follow from sizes that the compiled code learns when it runs. Compare with --object."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from operator_cases import Case, case, floats

SYMBOLIC = {0: ["B", 3, "H", "W"]}


def windows():
    for height, width in ((7, 12), (8, 9), (1, 2)):
        x = floats(2, 3, height, width)
        for mode in ("SAME_UPPER", "SAME_LOWER"):
            name = f"{mode}_{height}_{width}"
            yield case("conv_" + name, "Conv", [x, floats(4, 3, 3, 2)], constants=(1,), dims=SYMBOLIC, auto_pad=mode, strides=[2, 3])
            yield case("conv_sparse_" + name, "Conv", [x, floats(4, 3, 1, 2)], constants=(1,), dims=SYMBOLIC, auto_pad=mode, strides=[2, 3])
            yield case("max_pool_" + name, "MaxPool", [x - 5], dims=SYMBOLIC, auto_pad=mode, kernel_shape=[3, 2], strides=[2, 2])
            yield case("average_" + name, "AveragePool", [x], dims=SYMBOLIC, auto_pad=mode, kernel_shape=[3, 3], strides=[2, 2])
            yield case("average_counted_" + name, "AveragePool", [x], dims=SYMBOLIC, auto_pad=mode, kernel_shape=[3, 3], strides=[2, 2], count_include_pad=1)
            yield case("transposed_" + name, "ConvTranspose", [x, floats(3, 4, 3, 3)], constants=(1,), dims=SYMBOLIC, auto_pad=mode, strides=[2, 2])


# An image padded to a multiple of 8: the pads are computed from its shape.
def padded(name, mode, height, width):
    constants = {"two": np.array([2]), "four": np.array([4]), "eight": np.array([8]), "zeros": np.zeros(2, np.int64)}
    nodes = [("Shape", "x", "shape"), ("Slice", "shape two four", "size"), ("Neg", "size", "negative"), ("Mod", "negative eight", "more"),
             ("Div", "more two", "begin"), ("Sub", "more begin", "end"), ("Concat", "zeros begin zeros end", "pads"), ("Pad", "x pads", "y")]
    graph = helper.make_graph(
        [helper.make_node(op, inputs.split(), [output], **({"mode": mode} if op == "Pad" else {"axis": 0} if op == "Concat" else {})) for op, inputs, output in nodes],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 3, "H", "W"])], [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(value, key) for key, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return Case(name, model, {"x": floats(1, 3, height, width)}, 1e-6, 0, None)


def pads():
    for mode in ("constant", "edge", "reflect"):
        for height, width in ((13, 21), (16, 9), (24, 32)):
            yield padded(f"pad_{mode}_{height}_{width}", mode, height, width)
    for height, width in ((13, 4), (5, 21), (3, 8)):
        x = floats(1, 3, height, width)
        yield case(f"center_{height}_{width}", "CenterCropPad", [x, np.array([6, 9])], constants=(1,), opset=18, dims=SYMBOLIC, axes=[2, 3],
                   expected=[centred(centred(x, 6, 2), 9, 3)])


def centred(x, size, axis):
    more = size - x.shape[axis]
    if more < 0:
        return np.take(x, range(-more // 2, -more // 2 + size), axis)
    return np.pad(x, [(more // 2, more - more // 2) if i == axis else (0, 0) for i in range(x.ndim)])


# Points inside and outside of images: each padding with each interpolation.
def samples():
    for mode in ("nearest", "linear", "cubic"):
        for padding in ("zeros", "border", "reflection"):
            for corners in (0, 1):
                yield case(f"sample_{mode}_{padding}_{corners}", "GridSample", [floats(2, 3, 5, 7), floats(2, 4, 3, 2, low=-1.8, high=1.8)], opset=20,
                           dims={0: ["B", 3, "H", "W"], 1: ["B", "P", "Q", 2]}, mode=mode, padding_mode=padding, align_corners=corners)


# Frames of signals of any length.
def spectra():
    for length, frame, step in ((60, 16, 4), (61, 16, 5), (16, 16, 7), (33, 12, 12)):
        for onesided in (0, 1):
            name = f"{length}_{frame}_{step}_{onesided}"
            inputs, dims = [floats(2, length, 1), np.array(step), floats(frame), np.array(frame)], {0: ["B", "T", 1]}
            yield case("stft_" + name, "STFT", inputs, constants=(1, 2, 3), dims=dims, onesided=onesided)
            yield case("stft_flat_" + name, "STFT", [inputs[0][..., 0], *inputs[1:]], constants=(1, 2, 3), dims={0: ["B", "T"]}, onesided=onesided)
            yield case("stft_window_" + name, "STFT", inputs[:3], constants=(1, 2), dims=dims, onesided=onesided)


def cases():
    for family in (windows, pads, samples, spectra):
        yield from family()
