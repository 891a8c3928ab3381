"""gradient.py TENON: derivatives that Gradient makes, compiled and interpreted, against differences of the model's own output."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

random = np.random.default_rng(3)
node = helper.make_node


def constant(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


# name: nodes that end in y, shapes of the inputs, what to differentiate by, constants
CASES = {
    "product": ([node("MatMul", ["a", "b"], ["p"]), node("Add", ["p", "c"], ["s"]), node("Tanh", ["s"], ["y"])],
                {"a": (2, 3), "b": (3, 4), "c": (4,)}, ["a", "b", "c"], []),
    "gemm": ([node("Gemm", ["a", "b", "c"], ["y"])], {"a": (2, 3), "b": (3, 4), "c": (4,)}, ["a", "b", "c"], []),
    "unary": ([node("Abs", ["a"], ["v1"]), node("Log", ["v1"], ["v2"]), node("Exp", ["a"], ["v3"]), node("Sqrt", ["v3"], ["v4"]),
               node("Sin", ["v4"], ["v5"]), node("Cos", ["v2"], ["v6"]), node("Sigmoid", ["v5"], ["v7"]), node("Reciprocal", ["v4"], ["v8"]),
               node("Neg", ["v8"], ["v9"]), node("Relu", ["a"], ["v10"]), node("Sum", ["v6", "v7", "v9", "v10"], ["y"])],
              {"a": (2, 5)}, ["a"], []),
    "broadcast": ([node("Sub", ["a", "b"], ["v1"]), node("Mul", ["v1", "v1"], ["v2"]), node("Add", ["v2", "c"], ["v3"]), node("Div", ["b", "v3"], ["v4"]),
                   node("Pow", ["v3", "three"], ["v5"]), node("Mul", ["v4", "v5"], ["y"])],
                  {"a": (2, 1, 3), "b": (4, 1), "c": ()}, ["a", "b", "c"], [numpy_helper.from_array(np.array(1.5), "three")]),
    "moves": ([node("Transpose", ["a"], ["t"], perm=[2, 0, 1]), node("Reshape", ["t", "shape"], ["r"]), node("Expand", ["b", "wide"], ["e"]),
               node("Mul", ["r", "e"], ["m"]), node("ReduceMean", ["m", "axis"], ["n"], keepdims=0), node("Mul", ["n", "n"], ["q"]),
               node("ReduceSum", ["q"], ["z"], keepdims=0), node("Identity", ["z"], ["y"])],
              {"a": (2, 3, 4), "b": (1, 6)}, ["a", "b"], [constant("shape", 4, 6), constant("wide", 4, 6), constant("axis", 0)]),
    "inner": ([node("Exp", ["a"], ["h"]), node("Mul", ["h", "a"], ["y"]), node("Neg", ["b"], ["other"])], {"a": (3,), "b": (2,)}, ["h", "a", "b"], []),
}


def model(nodes, shapes, by, constants, inputs=None):
    slopes = [f"slope_{name}" for name in by]
    nodes = [*nodes, node("Gradient", inputs or by, slopes, name="slopes", domain="ai.onnx.preview.training", xs=by, y="y")]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape) for name, shape in shapes.items()],
                              [helper.make_empty_tensor_value_info(name) for name in slopes], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.preview.training", 1)], ir_version=9)


def differences(nodes, by, constants, arrays):
    """Of the sum of y by each element; tensors that the nodes compute are taken as given, what follows from them moves."""
    kept = [n for n in nodes if n.output[0] not in by]
    infos = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in arrays]
    graph = helper.make_graph(kept, "g", infos, [helper.make_empty_tensor_value_info("y")], constants)
    run = ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9))
    found = []
    for name in by:
        slope = np.zeros(np.shape(arrays[name]))
        for index in np.ndindex(slope.shape):
            step = np.zeros(slope.shape)
            step[index] = 1e-6
            high, low = (run.run(None, {**arrays, name: arrays[name] + s})[0].sum() for s in (step, -step))
            slope[index] = (high - low) / 2e-6
        found.append(slope)
    return found


def run_tenon(command, made, arrays, folder, *options):
    onnx.save(made, f"{folder}/m.onnx")
    names = [i.name for i in made.graph.input]
    for name in names:
        np.save(f"{folder}/{name}.npy", arrays[name])
    arguments = [f"{name}={folder}/{name}.npy" for name in names]
    return subprocess.run([command, "run", f"{folder}/m.onnx", *arguments, "-o", folder, *options], capture_output=True, text=True)


def main():
    command = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        for name, (nodes, shapes, by, constants) in CASES.items():
            arrays = {key: random.uniform(0.3, 2, shape) * random.choice([-1, 1], shape) for key, shape in shapes.items()}
            if name == "broadcast":
                arrays["c"] = np.array(1.0)  # a power of what is positive
            given = dict(arrays, h=np.exp(arrays["a"])) if "h" in by else arrays
            for options in ([], ["--interpret"]):
                done = run_tenon(command, model(nodes, shapes, by, constants), arrays, folder, *options)
                if done.returncode:
                    sys.exit(f"{name}: {done.stderr}")
                for index, wanted in enumerate(differences(nodes, by, constants, given)):
                    found = numpy_helper.to_array(onnx.TensorProto.FromString(pathlib.Path(f"{folder}/output_{index}.pb").read_bytes()))
                    if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=1e-6, atol=1e-6):
                        sys.exit(f"{name} {options}: by {by[index]}: {found} instead of {wanted}")
        a = {"a": np.ones((2, 3)), "b": np.ones((2, 3))}
        for text, made in (("node 'y' (softmax) stands between", model([node("Softmax", ["a"], ["y"])], {"a": (2, 3)}, ["a"], [])),
                           ("input 0 is not the tensor 'a' itself", model([node("Neg", ["a"], ["y"])], {"a": (2, 3), "b": (2, 3)}, ["a"], [], ["b"])),
                           ("there is no 'y'", model([node("Neg", ["a"], ["x"])], {"a": (2, 3)}, ["a"], []))):
            done = run_tenon(command, made, a, folder)
            if done.returncode != 1 or "node 'slopes' (Gradient)" not in done.stderr or text not in done.stderr:
                sys.exit(f"{text}: {done.stderr}")


main()
