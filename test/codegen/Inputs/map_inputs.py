"""map_inputs.py make FOLDER: models whose input is a map, and maps for them in files.
map_inputs.py check TENON FOLDER: what `tenon run`, the shared objects and ONNX Runtime make of them."""
import pathlib
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples" / "python"))
import tenon

WORDS, NUMBERS = ["a", "Größe", "", "zz"], [7, -2, 9]
F32, F64, I64, TEXT = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING
# name: operator, keys, values, result, attributes
MODELS = {
    "words": ("DictVectorizer", TEXT, F32, F32, {"string_vocabulary": WORDS}),
    "counts": ("DictVectorizer", TEXT, I64, I64, {"string_vocabulary": WORDS}),
    "names": ("DictVectorizer", I64, TEXT, TEXT, {"int64_vocabulary": NUMBERS}),
    "doubles": ("DictVectorizer", I64, F64, F64, {"int64_vocabulary": NUMBERS}),
    "dense": ("CastMap", I64, F32, F32, {}),
    "dense_integers": ("CastMap", I64, F32, I64, {"cast_to": "TO_INT64"}),
    "dense_text": ("CastMap", I64, TEXT, TEXT, {"cast_to": "TO_STRING", "map_form": "DENSE"}),
    "dense_parsed": ("CastMap", I64, TEXT, F32, {"cast_to": "TO_FLOAT"}),
    "sparse": ("CastMap", I64, F32, F32, {"map_form": "SPARSE", "max_map": 5}),
    "sparse_integers": ("CastMap", I64, TEXT, I64, {"cast_to": "TO_INT64", "map_form": "SPARSE", "max_map": 5}),
    "sparse_text": ("CastMap", I64, F32, TEXT, {"cast_to": "TO_STRING", "map_form": "SPARSE", "max_map": 3}),
}
KEYS = {TEXT: ["zz", "other", "", "a"], I64: [9, 1, 70, 3, -2, 0]}
VALUES = {F32: [1.5, -2.25, float("nan"), 3, 1e20, -0.0], F64: [1e-300, 2, 3.5, -1, 0.1, 7], I64: [2**40, -3, 0, 9, 1, 1], TEXT: ["12", "-7", "", "3", "x\0y", "8"]}
DTYPES = {F32: "f4", F64: "f8", I64: "i8", TEXT: object}


def model(operator, key, value, result, attributes):
    kind = helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, []))
    node = helper.make_node(operator, ["in"], ["row"], name="vector", domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph([node], "map", [helper.make_value_info("in", kind)], [helper.make_tensor_value_info("row", result, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)], ir_version=8)


def maps(name):
    """Several maps for a model: one with keys, one with a single key, one without."""
    _, key, value, _, attributes = MODELS[name]
    values = VALUES[value]
    if value == TEXT and attributes.get("cast_to", "TO_STRING") != "TO_STRING":
        values = ["12", "-7", "0", "3", "45", "8"]
    if attributes.get("cast_to") == "TO_INT64" and value == F32:
        values = [1.5, -2.75, 0, 3, 100, 9]
    whole = dict(zip(KEYS[key], values))
    return [whole, dict(list(whole.items())[:1]), {}]


def cast(value, result):
    return {F32: np.float32, F64: np.float64, I64: lambda x: np.int64(float(x)), TEXT: lambda x: x if isinstance(x, str) else np.format_float_positional(np.float32(x), trim="0")}[result](value)


def expected(name, given):
    operator, _, _, result, attributes = MODELS[name]
    missing = "" if result == TEXT else 0
    if operator == "DictVectorizer":
        row = [given.get(key, missing) for key in attributes.get("string_vocabulary") or attributes["int64_vocabulary"]]
    elif attributes.get("map_form") == "SPARSE":
        row = [cast(given[key], result) if key in given else missing for key in range(attributes["max_map"])]
    else:
        row = [cast(given[key], result) for key in sorted(given)]
    return np.array([row], DTYPES[result])


def map_proto(name, given):
    _, key, value, _, _ = MODELS[name]
    proto = onnx.MapProto(name="in", key_type=key)
    (proto.string_keys if key == TEXT else proto.keys).extend([item.encode() for item in given] if key == TEXT else given)
    proto.values.elem_type = onnx.SequenceProto.TENSOR
    for item in given.values():
        proto.values.tensor_values.append(helper.make_tensor("", value, [], [item.encode() if value == TEXT else item]))
    return proto


def arrays(name, given):
    _, key, value, _, _ = MODELS[name]
    kinds = [np.dtype("U8") if kind == TEXT else np.dtype(DTYPES[kind]) for kind in (key, value)]
    return {"in.keys": np.array(list(given), kinds[0]), "in.values": np.array(list(given.values()), kinds[1])}


def make(folder):
    for name, row in MODELS.items():
        onnx.save(model(*row), f"{folder}/{name}.onnx")
        for index, given in enumerate(maps(name)):
            data = pathlib.Path(folder) / f"{name}_{index}"
            data.mkdir()
            sequence = onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP, map_values=[map_proto(name, given)])
            (data / "input_0.pb").write_bytes((sequence if index == 1 else map_proto(name, given)).SerializeToString())
            wanted = expected(name, given)
            (data / "output_0.pb").write_bytes(numpy_helper.from_array(wanted, "row").SerializeToString())
            np.savez(data / "input.npz", **arrays(name, given))
    wrong = onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP, map_values=[map_proto("words", {"a": 1.0})] * 2)
    pathlib.Path(f"{folder}/two.pb").write_bytes(wrong.SerializeToString())
    pair = map_proto("words", {"a": 1.0})
    pair.values.tensor_values[0].CopyFrom(numpy_helper.from_array(np.float32([1, 2])))
    pathlib.Path(f"{folder}/vector.pb").write_bytes(pair.SerializeToString())
    np.savez(f"{folder}/keys_only.npz", **{"in.keys": np.array(["a"])})
    for name, change in {"no_vocabulary": {"string_vocabulary": []}, "other_keys": {"string_vocabulary": [], "int64_vocabulary": [1]}}.items():
        row = MODELS["words"]
        onnx.save(model(*row[:4], {key: value for key, value in {**row[4], **change}.items() if value}), f"{folder}/{name}.onnx")
    neg = model(*MODELS["dense"])
    neg.graph.node[0].CopyFrom(helper.make_node("Neg", ["in"], ["row"], name="neg"))
    onnx.save(neg, f"{folder}/neg.onnx")


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def with_onnxruntime(name, given):
    """None: it refuses empty maps and those with negative keys, and takes other values than floats from no dict."""
    import onnxruntime
    operator, key, value, result, attributes = MODELS[name]
    if value != F32 or result == TEXT or not given:
        return None
    if operator == "CastMap" and attributes.get("map_form") == "SPARSE":
        given = {key: value for key, value in given.items() if key >= 0}
    return onnxruntime.InferenceSession(model(*MODELS[name]).SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"in": given})[0]


def same(name, found, wanted):
    if found.shape != wanted.shape or not (found == wanted).all() and not np.array_equal(found, wanted, equal_nan=True):
        sys.exit(f"{name}: {found} instead of {wanted}")


def check(command, folder):
    for name in MODELS:
        run(command, "compile", f"{folder}/{name}.onnx", "-o", f"{folder}/{name}.so", "-w")
        loaded = tenon.Model(f"{folder}/{name}.so")
        for index, given in enumerate(maps(name)):
            data, wanted = f"{folder}/{name}_{index}", expected(name, given)
            for options in ([f"{name}.onnx", data + "/input_0.pb"], [f"{name}.onnx", data + "/input.npz"], [f"{name}.onnx", "in=" + data + "/input_0.pb", "--interpret"],
                            [f"{name}.so", data], [f"{name}.so", data + "/input.npz"]):
                run(command, "run", f"{folder}/{options[0]}", *options[1:], "--expect", data + "/output_0.pb")
            same(name, loaded({"in": given})[0], wanted)
            theirs = with_onnxruntime(name, given)
            if theirs is not None:
                same(name + " of ONNX Runtime", theirs, wanted)


make(sys.argv[2]) if sys.argv[1] == "make" else check(*sys.argv[2:])
