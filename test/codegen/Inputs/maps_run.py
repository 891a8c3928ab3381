"""maps_run.py make FOLDER: models that end in ZipMap, and files for them.
maps_run.py check TENON FOLDER: `tenon run` and the shared objects give these maps."""
import pathlib
import subprocess
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples" / "python"))
import tenon

KEYS = {"text": ["a", "Größe", ""], "number": [7, -2, 9]}
WEIGHTS = np.array([[0, 0], [1, 2], [2, -1]], "f4")
X = np.array([[1, 0], [0.5, -1]], "f4")


def model(keys):
    attribute = {} if not keys else {"classlabels_strings": keys} if isinstance(keys[0], str) else {"classlabels_int64s": keys}
    names = KEYS["text"] if keys and isinstance(keys[0], str) else KEYS["number"]
    classes = {"classlabels_strings": names} if isinstance(names[0], str) else {"classlabels_ints": names}
    key, value = (onnx.TensorProto.STRING if isinstance(names[0], str) else onnx.TensorProto.INT64), onnx.TensorProto.FLOAT
    nodes = [helper.make_node("LinearClassifier", ["x"], ["label", "table"], domain="ai.onnx.ml", post_transform="SOFTMAX", multi_class=1,
                              coefficients=WEIGHTS.ravel().tolist(), **classes),
             helper.make_node("ZipMap", ["table"], ["scores"], name="zip", domain="ai.onnx.ml", **attribute)]
    maps = helper.make_sequence_type_proto(helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, [])))
    graph = helper.make_graph(nodes, "maps", [helper.make_tensor_value_info("x", value, ["N", 2])],
                              [helper.make_tensor_value_info("label", key, ["N"]), helper.make_value_info("scores", maps)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)], ir_version=8)


def vectorizer():
    """A map as an input; what its operator makes of it may be the input instead."""
    map_type = helper.make_map_type_proto(onnx.TensorProto.STRING, helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, []))
    nodes = [helper.make_node("DictVectorizer", ["in"], ["row"], name="vector", domain="ai.onnx.ml", string_vocabulary=["a", "b"]),
             helper.make_node("Neg", ["row"], ["y"])]
    table = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 2]) for name in ("row", "y")]
    graph = helper.make_graph(nodes, "maps", [helper.make_value_info("in", map_type)], table[1:], value_info=table[:1])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)], ir_version=8)


def expected(name):
    powers = np.exp(X @ WEIGHTS.T)
    return [dict(zip(KEYS[name], row)) for row in (powers / powers.sum(1, keepdims=True)).tolist()]


def sequence(maps):
    proto = onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP)
    for one in maps:
        made = proto.map_values.add(key_type=onnx.TensorProto.STRING, string_keys=[key.encode() for key in one])
        made.values.CopyFrom(numpy_helper.from_list([np.float32(value) for value in one.values()]))
    return proto.SerializeToString()


def make(folder):
    for name, keys in {**KEYS, "few": ["a", "b"], "none": []}.items():
        onnx.save(model(keys), f"{folder}/{name}.onnx")
    onnx.save(vectorizer(), f"{folder}/vector.onnx")
    pathlib.Path(f"{folder}/x.pb").write_bytes(numpy_helper.from_array(X).SerializeToString())
    right = expected("text")
    backwards = [dict(reversed(one.items())) for one in right]
    wrong = [{**one, "a": 0.5} for one in right]
    renamed = [{("b" if key == "a" else key): value for key, value in one.items()} for one in right]
    for stem, maps in (("right", backwards), ("other_values", wrong), ("other_keys", renamed)):
        pathlib.Path(f"{folder}/{stem}.pb").write_bytes(sequence(maps))
    pathlib.Path(f"{folder}/tensors.pb").write_bytes(numpy_helper.from_list([X, X]).SerializeToString())


def same(found, wanted):
    return len(found) == len(wanted) and all(list(a) == list(b) and np.allclose(list(a.values()), list(b.values()), 1e-5) for a, b in zip(found, wanted))


def read_maps(path):
    proto = onnx.SequenceProto.FromString(pathlib.Path(path).read_bytes())
    keys = [[key.decode() for key in one.string_keys] or list(one.keys) for one in proto.map_values]
    return [dict(zip(names, map(float, numpy_helper.to_list(one.values)))) for names, one in zip(keys, proto.map_values)]


def check(command, folder):
    for name in KEYS:
        for options in ([], ["--interpret"]):
            subprocess.run([command, "run", f"{folder}/{name}.onnx", f"x={folder}/x.pb", "-o", f"{folder}/out", *options], check=True)
            if not same(read_maps(f"{folder}/out/output_1.pb"), expected(name)):
                sys.exit(f"{name} {options}: {read_maps(f'{folder}/out/output_1.pb')}")
            subprocess.run([command, "run", f"{folder}/{name}.so", f"x={folder}/x.pb", "--expect", f"{folder}/out"], check=True)
        label, scores = tenon.Model(f"{folder}/{name}.so")({"x": X})
        if not same(scores, expected(name)) or label.tolist() != [max(one, key=one.get) for one in expected(name)]:
            sys.exit(f"{name}: {label} {scores}")
    subprocess.run([command, "run", f"{folder}/text.onnx", f"x={folder}/x.pb", "--expect", f"scores={folder}/right.pb"], check=True)


make(sys.argv[2]) if sys.argv[1] == "make" else check(*sys.argv[2:])
