"""Writes a small ONNX model of the given name: models.py NAME FILE."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(" ") if inputs else [], outputs.split(), name=outputs.split()[0], **attributes)


def model(nodes, inputs, outputs, constants=None, opset=17, functions=()):
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(name, element, shape) for name, (element, shape) in inputs.items()],
        [helper.make_empty_tensor_value_info(name) for name in outputs.split()],
        [numpy_helper.from_array(np.array(value), name) for name, value in (constants or {}).items()])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=list(functions))


def branch(name, value):
    return helper.make_graph([node("Constant", "", name, value_float=value)], name, [], [helper.make_empty_tensor_value_info(name)])


def conv():
    weights = np.ones((4, 3, 3, 3), np.float32)
    return model([node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[2, 2])], {"x": (FLOAT, ["N", 3, 8, 8])}, "y", {"w": weights})


def shape_arithmetic():
    nodes = [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Unsqueeze", "n axis", "n1"),
             node("Concat", "n1 rest", "target", axis=0), node("Reshape", "x target", "y")]
    return model(nodes, {"x": (FLOAT, ["batch", 6, 2])}, "y", {"zero": np.int64(0), "axis": [0], "rest": [-1]})


def static_if():
    nodes = [node("Shape", "x", "s"), node("Size", "s", "rank"), node("Equal", "rank two", "is_matrix"),
             node("If", "is_matrix", "c", then_branch=branch("t", 1.0), else_branch=branch("e", 2.0)), node("Add", "x c", "y")]
    return model(nodes, {"x": (FLOAT, ["N", 3])}, "y", {"two": np.int64(2)})


def dynamic_if():
    use = helper.make_graph([node("Neg", "x", "t")], "then", [], [helper.make_empty_tensor_value_info("t")])
    other = helper.make_graph([node("Add", "x w", "e")], "else", [], [helper.make_empty_tensor_value_info("e")])
    return model([node("If", "c", "y", then_branch=use, else_branch=other)], {"x": (FLOAT, [3]), "c": (BOOL, [])}, "y",
                 {"w": np.ones(3, np.float32)})


def function():
    body = helper.make_function("local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)])
    return model([helper.make_node("Twice", ["x"], ["y"], domain="local")], {"x": (FLOAT, [3])}, "y", functions=[body])


def refused():
    decoder = helper.make_node("ImageDecoder", ["x"], ["y"], name="y")
    return model([decoder], {"x": (TensorProto.UINT8, [9])}, "y", opset=20)


def no_segments():
    inputs = {"i": (TensorProto.INT32, [2, 3]), "s": (TensorProto.INT32, [2, 3]), "w": (FLOAT, [9, 4]), "p": (FLOAT, [3, 4]), "g": (FLOAT, [4]), "b": (FLOAT, [4])}
    embed = helper.make_node("EmbedLayerNormalization", ["i", "s", "w", "p", "", "g", "b"], ["y", "m"], name="y", domain="com.microsoft")
    return model([embed], inputs, "y")


def unsupported():
    return model([node("Foreign", "b s", "a"), node("Strange", "x", "c"), node("Strange", "c", "d"), node("Relu", "d", "y")],
                 {"x": (FLOAT, [3]), "b": (FLOAT, [1, 4, 4]), "s": (FLOAT, [1, 1, 4])}, "y a")


def undefined():
    return model([node("Relu", "nowhere", "y")], {"x": (FLOAT, [3])}, "y")


def twice():
    return model([node("Relu", "x", "y"), node("Neg", "x", "y")], {"x": (FLOAT, [3])}, "y")


def data_shape():
    return model([node("Expand", "x s", "y")], {"x": (FLOAT, [6]), "s": (INT64, ["K"])}, "y")


def open_rank():
    return model([node("Reshape", "x s", "y")], {"x": (FLOAT, [6]), "s": (INT64, ["K"])}, "y")


def open_axes():
    return model([node("ReduceSum", "x s", "y")], {"x": (FLOAT, [6]), "s": (INT64, [2])}, "y")


def open_pads():
    return model([node("Pad", "x s  a", "y")], {"x": (FLOAT, [6]), "s": (INT64, [2]), "a": (INT64, [2])}, "y", opset=18)


def open_scales():
    return model([node("Resize", "x  s", "y")], {"x": (FLOAT, [6, 2]), "s": (FLOAT, [3])}, "y")


def squeeze_symbol():
    return model([node("Squeeze", "x", "y"), node("Relu", "y", "z")], {"x": (FLOAT, ["N", 1, 4])}, "z")


def bad_axis():
    return model([node("Softmax", "x", "y", axis=5), node("Transpose", "x", "z", perm=[0, 0])], {"x": (FLOAT, [2, 3])}, "y z")


def zero_stride():
    return model([node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[0, 1])], {"x": (FLOAT, [1, 1, 4, 4])}, "y")


def too_many_inputs():
    return model([node("Relu", "x x", "y")], {"x": (FLOAT, [3])}, "y")


def too_many_outputs():
    return model([node("Relu", "x", "y z")], {"x": (FLOAT, [3])}, "y")


def unknown_attribute():
    return model([node("Relu", "x", "y", colour=3, __note="a tool's own")], {"x": (FLOAT, [3])}, "y")


def attribute_part():
    return model([node("Gather", "x i", "y", axi=0)], {"x": (FLOAT, [3]), "i": (INT64, [2])}, "y")


def declared_otherwise():
    result = model([node("Relu", "x", "a"), node("Relu", "a", "y")], {"x": (FLOAT, [3])}, "y")
    result.graph.value_info.append(helper.make_tensor_value_info("a", INT64, [3]))
    return result


def shadowed():
    then = helper.make_graph([node("Relu", "x", "t")], "then", [], [helper.make_empty_tensor_value_info("t")])
    return model([node("Abs", "x", "t"), node("If", "c", "y", then_branch=then, else_branch=branch("e", 1.0))],
                 {"x": (FLOAT, []), "c": (BOOL, [])}, "y")


def block_count():
    nodes = [node("QuantizeLinear", "x s", "y", axis=1, block_size=5), node("DequantizeLinear", "q r", "z", axis=1, block_size=2)]
    return model(nodes, {"x": (FLOAT, [2, 3]), "q": (TensorProto.UINT8, [2, 4])}, "y z",
                 {"s": np.ones((2, 2), np.float32), "r": np.ones((3, 2), np.float32)}, opset=21)


def resize_ratio():
    scales = np.array([1, 1, 17 / 9, 23 / 11], np.float32)
    return model([node("Resize", "x  s", "y", mode="nearest"), node("Resize", "z  s", "w", mode="nearest")],
                 {"x": (FLOAT, [1, 3, 9, 11]), "z": (FLOAT, [1, 3, "H", "W"])}, "y w", {"s": scales})


def empty_dim():
    return model([node("Relu", "x", "y")], {"x": (FLOAT, [0, 3])}, "y")


def frames():
    return model([node("STFT", "x step", "y"), node("STFT", "z step", "w"), node("STFT", "v step  frame", "u")],
                 {"x": (FLOAT, [1, "T", 1]), "z": (FLOAT, [1, 9, 3]), "v": (FLOAT, [1, 9, 1])}, "y w u", {"step": np.array(4), "frame": np.array(10)})


onnx.save(globals()[sys.argv[1]](), sys.argv[2])
