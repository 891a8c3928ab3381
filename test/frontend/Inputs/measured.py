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

DEEP = np.arange(2 * 3 * 2 * 2 * 3, dtype="f4").reshape(2, 3, 2, 2, 3) % 7
# The same of axes, bounds and scales. The model's dims are symbols where "x" is given by the runs.
CASES |= {
    f"{kind}_{keep}": (one(kind, "xa", keepdims=keep), {"x": (F, ["A", "B", 6]), "a": (I, [2])},
                       [{"x": X.reshape(2, 2, 6), "a": [0, 2]}, {"x": X.reshape(2, 2, 6), "a": [-1, 1]}, {"x": X.reshape(4, 1, 6), "a": [1, 0]}])
    for kind in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp") for keep in (0, 1)
} | {
    "deep_squares": (one("ReduceSumSquare", "xa", keepdims=0), {"x": (F, ["A", 3, 2, 2, 3]), "a": (I, [3])}, [{"x": DEEP, "a": [4, 0, 2]}, {"x": DEEP, "a": [1, -2, 0]}]),
    "deep_product": (one("ReduceProd", "xa"), {"x": (F, [2, 3, 2, 2, "A"]), "a": (I, [1])}, [{"x": DEEP, "a": [4]}, {"x": DEEP, "a": [-5]}]),
    "squeeze_axes": (one("Squeeze", "xa"), {"x": (F, ["A", "B", "C"]), "a": (I, [1])}, [{"x": X.reshape(1, 4, 6), "a": [0]}, {"x": X.reshape(4, 6, 1), "a": [-1]}]),
    "unsqueeze": (one("Unsqueeze", "xa"), {"x": (F, ["A", 6]), "a": (I, [2])}, [{"x": X, "a": [0, 1]}, {"x": X, "a": [3, 1]}, {"x": X, "a": [-1, -4]}]),
    "cum_sum": (one("CumSum", "xa", reverse=1), {"x": (F, ["A", "B", 3]), "a": (I, [])},
                [{"x": X.reshape(2, 4, 3), "a": axis} for axis in (0, 1, 2, -3)]),
    "slice": ([helper.make_node("Slice", ["x", "a", "b", "c", "d"], ["y"]), helper.make_node("Neg", ["y"], ["z"])],
              {"x": (F, ["A", 6]), "a": (I, [2]), "b": (I, [2]), "c": (I, [2]), "d": (I, [2])},
              [{"x": X, "a": [1, 0], "b": [4, 6], "c": [0, 1], "d": [2, 3]}, {"x": X, "a": [-1, -2], "b": [-99, 0], "c": [1, 0], "d": [-2, -1]},
               {"x": X, "a": [5, 3], "b": [2, 3], "c": [-1, 0], "d": [1, -1]}, {"x": X, "a": [2**63 - 1, 0], "b": [-2**63, 2**63 - 1], "c": [1, 0], "d": [-1, 1]}]),
    "slice_one_axis": ([helper.make_node("Slice", ["x", "a", "b", "c"], ["y"]), helper.make_node("Neg", ["y"], ["z"])],
                       {"x": (F, [4, 6]), "a": (I, [1]), "b": (I, [1]), "c": (I, [1])}, [{"a": [-3], "b": [9], "c": [1]}, {"a": [1], "b": [-1], "c": [-2]}]),
    "slice_from_the_end": (one("Slice", "xab"), {"x": (F, ["A", "B"]), "a": (I, [2]), "b": (I, [2])},
                           [{"x": X, "a": [-3, 1], "b": [-1, -2]}, {"x": X, "a": [0, -99], "b": [99, 3]}, {"x": X, "a": [3, 3], "b": [1, -5]}]),
    "slice_partly_known": ([helper.make_node("Constant", [], ["zero"], value_ints=[0]), helper.make_node("Constant", [], ["far"], value_ints=[2**63 - 1]),
                            helper.make_node("Concat", ["zero", "a"], ["starts"], axis=0), helper.make_node("Concat", ["far", "b"], ["ends"], axis=0),
                            helper.make_node("Slice", ["x", "starts", "ends"], ["y"]), helper.make_node("Neg", ["y"], ["z"])],
                           {"x": (F, ["A", "B"]), "a": (I, [1]), "b": (I, [1])}, [{"x": X, "a": [-3], "b": [5]}, {"x": X, "a": [1], "b": [-1]}]),
    "reshape_special": (one("Reshape", "xs"), {"x": (F, ["A", 6]), "s": (I, [3])}, [{"x": X, "s": [0, -1, 2]}, {"x": X, "s": [-1, 2, 3]}, {"x": X, "s": [2, 0, 2]}]),
    "reshape_zero": (one("Reshape", "xs", allowzero=1), {"x": (F, ["A", 6]), "s": (I, [2])}, [{"x": X[:0], "s": [3, 0]}, {"x": X, "s": [8, 3]}]),
    "trilu": (one("Trilu", "xk", upper=0), {"x": (F, ["A", "B"]), "k": (I, [])}, [{"x": X, "k": k} for k in (-2, 0, 1, 9)]),
    "pad": (one("Pad", "xp", mode="edge"), {"x": (F, ["A", 6]), "p": (I, [4])}, [{"x": X, "p": [1, 0, 2, 3]}, {"x": X, "p": [0, 0, 0, 0]}]),
    "pad_axes": ([helper.make_node("Pad", ["x", "p", "", "a"], ["y"]), helper.make_node("Neg", ["y"], ["z"])],
                 {"x": (F, ["A", 6]), "p": (I, [2]), "a": (I, [1])}, [{"x": X, "p": [1, 2], "a": [0]}, {"x": X, "p": [0, 2], "a": [-1]}]),
    "one_hot": ([helper.make_node("Constant", [], ["v"], value_floats=[0.5, 2]), *one("OneHot", "xdv")], {"x": (F, ["A"]), "d": (F, [])},
                [{"x": [0, 3, -1], "d": 4}, {"x": [1, 5], "d": 6}]),
    "window": (one("HannWindow", "n"), {"n": (I, [])}, [{"n": 8}, {"n": 1}, {"n": 13}]),
    "window_symmetric": (one("BlackmanWindow", "n", periodic=0), {"n": (I, [])}, [{"n": 8}, {"n": 13}]),
    "affine_grid": ([helper.make_node("AffineGrid", ["x", "s"], ["y"]), helper.make_node("Neg", ["y"], ["z"])], {"x": (F, ["N", 2, 3]), "s": (I, [4])},
                    [{"x": X[:2, :6].reshape(2, 2, 3), "s": [2, 3, 4, 5]}, {"x": X[:1].reshape(1, 2, 3), "s": [1, 1, 1, 7]}]),
    "affine_corners": ([helper.make_node("AffineGrid", ["x", "s"], ["y"], align_corners=1), helper.make_node("Neg", ["y"], ["z"])], {"x": (F, ["N", 3, 4]), "s": (I, [5])},
                       [{"x": np.float32(np.arange(24)).reshape(2, 3, 4), "s": [2, 1, 3, 2, 4]}]),
}


def resized(name, **attributes):
    return [helper.make_node("Resize", ["x", *name], ["y"], **attributes), helper.make_node("Neg", ["y"], ["z"])]


IMAGE = (np.arange(2 * 5 * 7, dtype="f4").reshape(1, 2, 5, 7) * 37 % 11)
SCALES = [{"x": IMAGE, "s": [1, 1, 2, 3]}, {"x": IMAGE, "s": [1, 1, 0.6, 0.7]}, {"x": IMAGE[..., :3], "s": [1, 1, 1.5, 1]}]
SIZES = [{"x": IMAGE, "t": [1, 2, 8, 4]}, {"x": IMAGE[..., :4], "t": [1, 2, 3, 9]}]
ROI = [{"x": IMAGE, "r": [0, 0, 0.2, 0.1, 1, 1, 0.9, 0.7]}, {"x": IMAGE, "r": [0, 0, -0.3, 0.4, 1, 1, 1.2, 0.6]}]
WITH = {"x": (F, ["N", 2, "H", "W"])}
CASES |= {
    f"scales_{mode}_{coordinates}": (resized(["", "s"], mode=mode, coordinate_transformation_mode=coordinates), {**WITH, "s": (F, [4])}, SCALES)
    for mode in ("nearest", "linear", "cubic") for coordinates in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric")
} | {
    f"rounded_{rounding}": (resized(["", "s"], nearest_mode=rounding, coordinate_transformation_mode="asymmetric"), {**WITH, "s": (F, [4])}, SCALES)
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
} | {
    "antialias": (resized(["", "s"], mode="linear", antialias=1), {**WITH, "s": (F, [4])}, SCALES),
    "antialias_cubic": (resized(["", "", "t"], mode="cubic", antialias=1, exclude_outside=1), {**WITH, "t": (I, [4])}, SIZES),
    "excluded": (resized(["", "s"], mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5), {**WITH, "s": (F, [4])}, SCALES),
    "sizes": (resized(["", "", "t"], mode="linear"), {**WITH, "t": (I, [4])}, SIZES),
    "not_larger": (resized(["", "", "t"], keep_aspect_ratio_policy="not_larger", axes=[2, 3]), {**WITH, "t": (I, [2])}, [{"x": IMAGE, "t": [10, 9]}, {"x": IMAGE[..., :4], "t": [3, 9]}]),
    "not_smaller": (resized(["", "", "t"], mode="linear", keep_aspect_ratio_policy="not_smaller", axes=[3, 2]), {**WITH, "t": (I, [2])}, [{"x": IMAGE, "t": [10, 9]}, {"x": IMAGE, "t": [3, 2]}]),
    "crop": ([helper.make_node("Constant", [], ["t"], value_ints=[1, 2, 3, 4]), *resized(["r", "", "t"], mode="linear", coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=10.0)],
             {"x": (F, [1, 2, 5, 7]), "r": (F, [8])}, ROI),
    "crop_axes": (resized(["r", "", "t"], coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=-1.0, axes=[2, 3]),
                  {**WITH, "r": (F, [4]), "t": (I, [2])}, [{"x": IMAGE, "r": [0.2, 0.1, 0.9, 0.7], "t": [3, 4]}, {"x": IMAGE[..., 1:], "r": [-0.2, 0.5, 0.5, 1.5], "t": [1, 6]}]),
}
# What the reference evaluator cannot do: pads that crop.
BY_HAND = {"pad": [({"x": X, "p": [-1, 2, 1, -3]}, np.pad(X[1:, :3], ((0, 1), (2, 0)), "edge"))], "pad_axes": [({"x": X, "p": [-1, 2], "a": [-1]}, np.pad(X[:, 1:], ((0, 0), (0, 2))))]}
# What a run refuses: error 6 is a dim, 7 an index out of range.
REFUSED = {"ReduceSum_1": ({"x": X.reshape(2, 2, 6), "a": [0, 3]}, 7), "ReduceSum_0": ({"x": X.reshape(2, 2, 6), "a": [1, 1]}, 6),
           "squeeze_axes": ({"x": X.reshape(2, 2, 6), "a": [0]}, 6), "unsqueeze": ({"x": X, "a": [0, 4]}, 7), "cum_sum": ({"x": X.reshape(2, 4, 3), "a": 3}, 7),
           "reshape_special": ({"x": X, "s": [5, -1, 2]}, 6), "pad": ({"x": X, "p": [-3, 0, -2, 0]}, None), "scales_linear_half_pixel": ({"x": IMAGE, "s": [1, 1, -1, 1]}, 7)}


def build(nodes, inputs, path):
    def info(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    kinds = {"z": F if "x" in inputs or nodes[0].op_type.endswith("Window") else I if any(kind == I and not shape for kind, shape in inputs.values()) else F}
    graph = helper.make_graph(nodes, "measured", [info(name, *what) for name, what in inputs.items()], [info("z", kinds["z"], None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
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


def check_ranks(command, folder):
    """Branches of different ranks, inside of another branch: that of the value which is handed on counts, and the other one ends the run."""
    def branch(name, nodes):
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(name, F, None)])

    inner = helper.make_node("If", ["c"], ["r"], name="ranks", then_branch=branch("a", [helper.make_node("Unsqueeze", ["x", "axes"], ["a"])]),
                             else_branch=branch("b", [helper.make_node("Neg", ["x"], ["unused"]), helper.make_node("Identity", ["x"], ["b"])]))
    outer = helper.make_node("If", ["d"], ["s"], then_branch=branch("e", [inner, helper.make_node("Neg", ["r"], ["e"])]),
                             else_branch=branch("f", [helper.make_node("Abs", ["x"], ["f"])]))
    inputs = [helper.make_tensor_value_info("x", F, ["N", 3]), *(helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in "cd")]
    graph = helper.make_graph([outer, helper.make_node("Transpose", ["s"], ["z"], perm=[1, 0])], "ranks", inputs,
                              [helper.make_tensor_value_info("z", F, None)], [helper.make_tensor("axes", I, [1], [0])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), f"{folder}/ranks.onnx")
    done = subprocess.run([command, "compile", f"{folder}/ranks.onnx", "-o", f"{folder}/ranks.so"], check=True, capture_output=True, text=True)
    if "node 'ranks' (If): a run that takes the then branch ends with an error: output 0 has rank 3 there, and 2 in the other one" not in done.stderr:
        sys.exit(f"ranks: no warning: {done.stderr}")
    model = tenon.Model(f"{folder}/ranks.so")
    x = np.arange(6, dtype="f4").reshape(2, 3) - 2
    for c, d, wanted in ((False, True, -x.T), (True, False, abs(x).T), (False, False, abs(x).T)):
        if not np.array_equal(model({"x": x, "c": np.array(c), "d": np.array(d)})[0], wanted):
            sys.exit(f"ranks {c} {d}: differs")
    try:
        model({"x": x, "c": np.array(True), "d": np.array(True)})
    except tenon.ModelError as error:
        if error.code == 7:  # TENON_E_INDEX
            return
    sys.exit("ranks: the other rank was taken")


def check_refused(name, model, inputs, values, code):
    try:
        found, = model({key: np.array(value, "i8" if inputs[key][0] == I else "f4") for key, value in values.items()})
    except tenon.ModelError as error:
        if code in (None, error.code):
            return
        sys.exit(f"{name} {values}: {error}, wanted error {code}")
    sys.exit(f"{name} {values}: {found}, wanted error {code}")


def main():
    command = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        check_squeeze(command, folder)
        check_ranks(command, folder)
        for name, (nodes, inputs, runs) in CASES.items():
            path = f"{folder}/{name}.onnx"
            reference = build(nodes, inputs, path)
            subprocess.run([command, "compile", path, "-o", f"{folder}/{name}.so", "-w"], check=True, stdout=subprocess.DEVNULL)
            model = tenon.Model(f"{folder}/{name}.so")
            for values, by_hand in [*((values, None) for values in runs), *BY_HAND.get(name, [])]:
                arrays = {key: np.array(value, "i8" if inputs[key][0] == I else "f4") for key, value in values.items()}
                if "x" in inputs and "x" not in values:
                    arrays["x"] = X[:inputs["x"][1][0]]
                wanted = reference.run(None, arrays)[0] if by_hand is None else -by_hand
                found, = model(arrays)
                if found.shape != wanted.shape or not np.allclose(found, wanted, 1e-4, 1e-5):
                    sys.exit(f"{name} {values}: {found} wanted {wanted}")
            if name in REFUSED:
                check_refused(name, model, inputs, *REFUSED[name])


main()
