"""measured_bodies.py TENON: loops and branches whose bodies make shapes out of data, compiled once and run with several sizes,
against the reference evaluator of the onnx package."""
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

F, I, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def info(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def ints(**values):
    return [helper.make_tensor(name, I, np.shape(value), np.ravel(value)) for name, value in values.items()]


def shrinking():
    """Takes the first of the numbers until none is left, with all that are near to it: the list begins with the length of the
    input and is shorter in each turn."""
    body = helper.make_graph(
        [node("Gather", "left zero", "first"), node("Sub", "left first", "distance"), node("Abs", "distance", "size"),
         node("Greater", "size near", "far"), node("Compress", "left far", "next", axis=0),
         node("Unsqueeze", "first axis", "one"), node("Concat", "kept one", "more", axis=0),
         node("Size", "next", "count"), node("Greater", "count zero", "go_on")], "body",
        [info("turn", I, []), info("go", B, []), info("left", F, [None]), info("kept", F, [None])],
        [info("go_on", B, []), info("next", F, [None]), info("more", F, [None])],
        [*ints(zero=0, axis=[0]), helper.make_tensor("near", F, [], [1.5])])
    none = helper.make_tensor("none", F, [0], [])
    nodes = [node("Loop", " yes x none", "rest y", body=body)]
    nodes[0].input[:] = ["", "yes", "x", "none"]
    yes = helper.make_tensor("yes", B, [], [True])
    runs = [{"x": np.arange(count) % 7 * 0.75} for count in (5, 1, 12)]
    return nodes, [info("x", F, ["n"])], [info("y", F, None)], [none, yes], runs


def bags():
    """Sums of slices between offsets: each turn takes another number of rows; there are as many turns as offsets."""
    body = helper.make_graph(
        [node("Gather", "starts turn", "start"), node("Gather", "ends turn", "end"), node("Unsqueeze", "start axis", "from"),
         node("Unsqueeze", "end axis", "to"), node("Slice", "x from to axis", "rows"), node("ReduceSum", "rows axis", "sum", keepdims=0),
         node("Identity", "go", "go_on")], "body",
        [info("turn", I, []), info("go", B, [])], [info("go_on", B, []), info("sum", F, [3])], ints(axis=[0]))
    nodes = [node("Shape", "starts", "shape"), node("Gather", "shape zero", "turns"), node("Loop", "turns yes", "y", body=body)]
    x = np.arange(24.0).reshape(8, 3)
    runs = [{"x": x, "starts": [0, 3], "ends": [3, 8]}, {"x": x[:5], "starts": [1, 2, 2], "ends": [5, 2, 3]}]
    return (nodes, [info("x", F, ["n", 3]), info("starts", I, ["bags"]), info("ends", I, ["bags"])], [info("y", F, None)],
            [*ints(zero=0), helper.make_tensor("yes", B, [], [True])], runs)


def listed_bags():
    """The same with one list of offsets, of which slices are the bounds: what is between i and i + 1 is one number, so that no axes need
    be named."""
    branch = lambda name, inner, constants: helper.make_graph(inner, name, [], [info(name, F, None)], constants)
    none = branch("none", [node("Identity", "zeros", "none")], [helper.make_tensor("zeros", F, [1, 3], [0.0] * 3)])
    some = branch("some", [node("Slice", "x start end", "rows"), node("ReduceSum", "rows axis", "some")], ints(axis=[0]))
    body = helper.make_graph(
        [node("Reshape", "turn minus", "i"), node("Add", "i one", "j"), node("Add", "two i", "k"), node("Slice", "offsets i j", "start"),
         node("Slice", "offsets j k", "end"), node("Equal", "start end", "same"),
         node("If", "same", "sum", then_branch=none, else_branch=some), node("SequenceInsert", "list sum", "longer"), node("Identity", "go", "go_on")],
        "body", [info("turn", I, []), info("go", B, []), helper.make_tensor_sequence_value_info("list", F, None)],
        [info("go_on", B, []), helper.make_tensor_sequence_value_info("longer", F, None)], ints(minus=[-1], one=1, two=2))
    nodes = [node("Size", "offsets", "size"), node("Sub", "size last", "turns"), node("SequenceEmpty", "", "empty"),
             node("Loop", "turns yes empty", "list_y", body=body), node("ConcatFromSequence", "list_y", "y", axis=0)]
    nodes[2].input[:] = []
    x = np.arange(24.0).reshape(8, 3)
    runs = [{"x": x, "offsets": [0, 3, 8]}, {"x": x[:5], "offsets": [1, 2, 2, 5]}]
    return (nodes, [info("x", F, ["n", 3]), info("offsets", I, ["bags"])], [info("y", F, None)],
            [*ints(last=1), helper.make_tensor("yes", B, [], [True])], runs)


def resized():
    """Each turn makes a ramp of a length that the data tells, and adds its sum to what is carried."""
    body = helper.make_graph(
        [node("Gather", "sizes turn", "size"), node("Range", "zero size step", "ramp"), node("Cast", "ramp", "real", to=F),
         node("ReduceSum", "real axis", "sum", keepdims=0), node("Add", "carried sum", "next"), node("Identity", "go", "go_on")], "body",
        [info("turn", I, []), info("go", B, []), info("carried", F, [])], [info("go_on", B, []), info("next", F, [])],
        ints(zero=0, step=1, axis=[0]))
    nodes = [node("Loop", "turns yes start", "y", body=body)]
    return (nodes, [info("sizes", I, [3]), info("start", F, [])], [info("y", F, None)],
            [*ints(turns=3), helper.make_tensor("yes", B, [], [True])],
            [{"sizes": [3, 0, 5], "start": 0.5}, {"sizes": [1, 9, 2], "start": 0}])


def branches():
    """The branches take slices of different lengths, both from data."""
    def branch(name, end):
        return helper.make_graph([node("Slice", f"x zero {end}", name + "_y"), node("Neg", name + "_y", name)], name, [],
                                 [info(name, F, [None])])

    nodes = [node("If", "c", "t", then_branch=branch("a", "short"), else_branch=branch("b", "long")), node("Mul", "t t", "y")]
    x = np.arange(9.0)
    runs = [{"x": x, "c": True, "short": [2], "long": [7]}, {"x": x[:6], "c": False, "short": [2], "long": [5]}]
    return (nodes, [info("x", F, ["n"]), info("c", B, []), info("short", I, [1]), info("long", I, [1])], [info("y", F, None)],
            ints(zero=[0]), runs)


def single_condition():
    """The condition has the rank of what is compared."""
    branch = lambda name, operator: helper.make_graph([node(operator, "x", name)], name, [], [info(name, F, None)])
    nodes = [node("ReduceMax", "x", "most"), node("Greater", "most limit", "c"),
             node("If", "c", "y", then_branch=branch("a", "Neg"), else_branch=branch("b", "Abs"))]
    x = np.arange(6.0).reshape(2, 3) - 3
    return (nodes, [info("x", F, ["n", 3])], [info("y", F, None)], [helper.make_tensor("limit", F, [], [1.5])], [{"x": x}, {"x": x[:1]}])


def check(command, folder, name, nodes, inputs, outputs, constants, runs):
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, f"{folder}/{name}.onnx")
    subprocess.run([command, "compile", f"{folder}/{name}.onnx", "-o", f"{folder}/{name}.so", "-w"], check=True, stdout=subprocess.DEVNULL)
    compiled, reference = tenon.Model(f"{folder}/{name}.so"), ReferenceEvaluator(model)
    types = {F: "f4", I: "i8", B: "?"}
    for values in runs:
        arrays = {x.name: np.array(values[x.name], types[x.type.tensor_type.elem_type]) for x in inputs}
        wanted, = reference.run(None, arrays)
        found, = compiled(arrays)
        if found.shape != wanted.shape or not np.allclose(found, wanted):
            sys.exit(f"{name} {values}: {found} wanted {wanted}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        for case in (shrinking, bags, listed_bags, resized, branches, single_condition):
            check(sys.argv[1], folder, case.__name__, *case())


main()
