"""shared_dims.py TENON FOLDER: each layer's length is an expression that mentions the one before three times. The code that
computes the lengths must grow with the number of layers, not threefold with each."""
import pathlib
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples" / "python"))
import tenon

LAYERS = 6
MOST_LINES = 8000  # of the IR of all functions; 4,091 when this was written


def layer(index):
    """y = the first third of x, then its second half."""
    x, y, p = f"x{index}", f"x{index + 1}", f"l{index}_"
    return [helper.make_node("Shape", [x], [p + "n"]), helper.make_node("Div", [p + "n", "three"], [p + "third"]),
            helper.make_node("Div", [p + "n", "two"], [p + "half"]), helper.make_node("Slice", [x, "zero", p + "third"], [p + "a"]),
            helper.make_node("Slice", [x, p + "half", p + "n"], [p + "b"]), helper.make_node("Concat", [p + "a", p + "b"], [p + "c"], axis=0),
            helper.make_node("Neg", [p + "c"], [y])]


def main():
    command, folder = sys.argv[1:]
    constants = [helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in (("zero", 0), ("two", 2), ("three", 3))]
    nodes = [node for index in range(LAYERS) for node in layer(index)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["n"])],
                              [helper.make_tensor_value_info(f"x{LAYERS}", TensorProto.FLOAT, None)], constants)
    path = f"{folder}/shared.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    subprocess.run([command, "compile", path, "-w", "-O0", "--emit=llvm", "-o", f"{folder}/shared.ll"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([command, "compile", path, "-w", "-o", f"{folder}/shared.so"], check=True, stdout=subprocess.DEVNULL)
    lines = sum(1 for _ in open(f"{folder}/shared.ll"))
    if lines > MOST_LINES:
        sys.exit(f"{lines} lines of IR for {LAYERS} layers")
    model = tenon.Model(f"{folder}/shared.so")
    for count in (1, 100, 1000):
        x = wanted = np.arange(count, dtype="f4")
        for _ in range(LAYERS):
            wanted = -np.concatenate([wanted[:len(wanted) // 3], wanted[len(wanted) // 2:]])
        found, = model({"x0": x})
        if not np.array_equal(found, wanted):
            sys.exit(f"{count} elements: {found} wanted {wanted}")


main()
