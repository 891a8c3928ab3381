"""measured.py TENON: models whose shapes follow from values of inputs, compiled once and run with several values, against the
reference evaluator of the onnx package."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples" / "python"))
import tenon

F, I = TensorProto.FLOAT, TensorProto.INT64
X = np.arange(24, dtype="f4").reshape(4, 6)


def one(kind, inputs, **attributes):
    return [helper.make_node(kind, list(inputs), ["y"], **attributes), helper.make_node("Neg", ["y"], ["z"])]


# name: nodes, inputs with types and shapes, the values of several runs
CASES = {
    "reshape": (one("Reshape", "xs"), {"x": (F, [4, 6]), "s": (I, [2])}, [{"s": [6, 4]}, {"s": [1, 24]}]),
    "expand": (one("Expand", "xs"), {"x": (F, [1, 6]), "s": (I, [2])}, [{"s": [6, 6]}, {"s": [1, 1]}, {"s": [0, 6]}]),
    "tile": (one("Tile", "xs"), {"x": (F, [4, 6]), "s": (I, [2])}, [{"s": [2, 1]}, {"s": [0, 3]}]),
    "starts": ([helper.make_node("Constant", [], ["c"], value_ints=[1]), *one("Slice", "xabc")],
               {"x": (F, [4, 6]), "a": (I, [1]), "b": (I, [1])}, [{"a": [1], "b": [4]}, {"a": [4], "b": [2]}, {"a": [2], "b": [99]}]),
    "top_k": ([helper.make_node("TopK", ["x", "k"], ["y", "i"]), helper.make_node("Neg", ["y"], ["z"])],
              {"x": (F, [4, 6]), "k": (I, [1])}, [{"k": [3]}, {"k": [6]}, {"k": [0]}]),
    "fill": ([helper.make_node("ConstantOfShape", ["s"], ["y"]), helper.make_node("Neg", ["y"], ["z"])],
             {"s": (I, [2])}, [{"s": [2, 3]}, {"s": [0, 7]}]),
    "range": (one("Range", "abd"), {"a": (F, []), "b": (F, []), "d": (F, [])},
              [{"a": 0.5, "b": 4, "d": 0.75}, {"a": 3, "b": -2, "d": -0.5}, {"a": 3, "b": 2, "d": 1}]),
    "whole_range": (one("Range", "abd"), {"a": (I, []), "b": (I, []), "d": (I, [])},
                    [{"a": -3, "b": 9, "d": 4}, {"a": 9, "b": -3, "d": -4}, {"a": 5, "b": 5, "d": 1}]),
}


def build(nodes, inputs, path):
    def info(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    kinds = {"z": I if any(kind == I and not shape for kind, shape in inputs.values()) else F}
    graph = helper.make_graph(nodes, "measured", [info(name, *what) for name, what in inputs.items()], [info("z", kinds["z"], None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return ReferenceEvaluator(model)


def squeeze_model():
    """Squeezes axis 1 where it has size 1, as exporters write it; what follows needs the lower rank."""
    def branch(name, kind):
        inputs = ["x", "axes"] if kind == "Squeeze" else ["x"]
        return helper.make_graph([helper.make_node(kind, inputs, [name])], name, [], [helper.make_tensor_value_info(name, F, None)])

    nodes = [helper.make_node("Shape", ["x"], ["shape"], start=1, end=2), helper.make_node("Equal", ["shape", "axes"], ["is_one"]),
             helper.make_node("If", ["is_one"], ["s"], then_branch=branch("a", "Squeeze"), else_branch=branch("b", "Identity")),
             helper.make_node("Transpose", ["s"], ["z"], perm=[1, 0])]
    axes = helper.make_tensor("axes", I, [1], [1])
    graph = helper.make_graph(nodes, "squeeze", [helper.make_tensor_value_info("x", F, ["N", "C", 3])],
                              [helper.make_tensor_value_info("z", F, None)], [axes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def check_squeeze(command, folder):
    onnx.save(squeeze_model(), f"{folder}/squeeze.onnx")
    subprocess.run([command, "compile", f"{folder}/squeeze.onnx", "-o", f"{folder}/squeeze.so", "-w"], check=True, stdout=subprocess.DEVNULL)
    model = tenon.Model(f"{folder}/squeeze.so")
    x = np.arange(12, dtype="f4").reshape(4, 1, 3)
    if not np.array_equal(model({"x": x})[0], x[:, 0].T):
        sys.exit("squeeze: differs")
    try:
        model({"x": x.reshape(2, 2, 3)})
    except tenon.ModelError as error:
        if error.code == 6:  # TENON_E_DIM
            return
    sys.exit("squeeze: an axis of size 2 was squeezed")


def main():
    command = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        check_squeeze(command, folder)
        for name, (nodes, inputs, runs) in CASES.items():
            path = f"{folder}/{name}.onnx"
            reference = build(nodes, inputs, path)
            subprocess.run([command, "compile", path, "-o", f"{folder}/{name}.so", "-w"], check=True, stdout=subprocess.DEVNULL)
            model = tenon.Model(f"{folder}/{name}.so")
            for values in runs:
                arrays = {key: np.array(value, "i8" if inputs[key][0] == I else "f4") for key, value in values.items()}
                if "x" in inputs:
                    arrays["x"] = X[:inputs["x"][1][0]]
                wanted, = reference.run(None, arrays)
                found, = model(arrays)
                if found.shape != wanted.shape or not np.allclose(found, wanted):
                    sys.exit(f"{name} {values}: {found} wanted {wanted}")


main()
