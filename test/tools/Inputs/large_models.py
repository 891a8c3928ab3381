"""Writes a large but simple ONNX model: large_models.py KIND COUNT FILE."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def value(name, shape=(3, 3)):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def chain(count):
    """Products and sums, each of the one before."""
    weights = [numpy_helper.from_array(np.roll(np.eye(3, dtype=np.float32), 1, 0), "w")]
    weights += [numpy_helper.from_array(np.full(3, i % 3 - 1, np.float32), f"b{i}") for i in range(100)]
    names = ["x"] + [f"t{i}" for i in range(count - 1)] + ["y"]
    nodes = [helper.make_node("MatMul" if i % 2 else "Add", [names[i], "w" if i % 2 else f"b{i % 100}"], [names[i + 1]]) for i in range(count)]
    return nodes, [value("x")], [value("y")], weights


def indexed(count):
    """Many small ops of unknown length, then rows by indices that only the run knows."""
    nodes, inputs, outputs, weights = chain(count)
    nodes.append(helper.make_node("Gather", ["y", "index"], ["rows"]))
    index = helper.make_tensor_value_info("index", TensorProto.INT64, [2])
    return nodes, [value("x", ("N", 3)), index], [value("rows", (2, 3))], weights


def wide(count):
    """One input, many readers, summed."""
    operators = ("Relu", "Neg", "Sigmoid", "Abs", "Sin", "Tanh")
    nodes = [helper.make_node(operators[i % 6], ["x"], [f"t{i}"]) for i in range(count)]
    return nodes + [helper.make_node("Sum", [f"t{i}" for i in range(count)], ["y"])], [value("x")], [value("y")], []


def edges(count):
    """Many inputs, many outputs."""
    return ([helper.make_node("Relu", [f"x{i}"], [f"y{i}"]) for i in range(count)], [value(f"x{i}") for i in range(count)],
            [value(f"y{i}") for i in range(count)], [])


def concat(count):
    """One node that reads many values."""
    nodes = [helper.make_node("Neg", ["x"], ["z"]), helper.make_node("Concat", ["x", "z"] * (count // 2), ["y"], axis=1)]
    return nodes, [value("x")], [value("y", (3, 3 * count))], []


def name(count):
    """Names of that many letters."""
    x, y = "x" * count, "y" * count
    return [helper.make_node("Relu", [x], [y])], [value(x)], [value(y)], []


nodes, inputs, outputs, weights = globals()[sys.argv[1]](int(sys.argv[2]))
graph = helper.make_graph(nodes, "large", inputs, outputs, weights)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), sys.argv[3])
