"""lists_run.py TENON MODEL.tir MODEL.so: sequences and optionals at the interface of a shared object agree with the
interpreter; positions and elements that do not fit are errors."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples" / "python"))
import tenon

WRITERS = {tenon.TENSOR: numpy_helper.from_array, tenon.SEQUENCE: numpy_helper.from_list, tenon.OPTIONAL: numpy_helper.from_optional,
           tenon.OPTIONAL_SEQUENCE: numpy_helper.from_optional}
READERS = {tenon.TENSOR: (onnx.TensorProto, numpy_helper.to_array), tenon.SEQUENCE: (onnx.SequenceProto, numpy_helper.to_list),
           tenon.OPTIONAL: (onnx.OptionalProto, numpy_helper.to_optional), tenon.OPTIONAL_SEQUENCE: (onnx.OptionalProto, numpy_helper.to_optional)}


def run(command, path, model, values, folder, *options):
    inputs = []
    for value, name in zip(model.inputs, model.input_names):
        pathlib.Path(f"{folder}/{name}.pb").write_bytes(WRITERS[value.kind](values[name]).SerializeToString())
        inputs.append(f"{name}={folder}/{name}.pb")
    return subprocess.run([command, "run", path, *inputs, *options], capture_output=True, text=True)


def expected(command, path, model, values, folder):
    done = run(command, path, model, values, folder, "--interpret", "-o", folder)
    if done.returncode:
        sys.exit(done.stderr)
    found = []
    for index, value in enumerate(model.outputs):
        message, read = READERS[value.kind]
        found.append(read(message.FromString(pathlib.Path(f"{folder}/output_{index}.pb").read_bytes())))
    return found


def same(a, b):
    if isinstance(a, list) or isinstance(b, list):
        return isinstance(a, list) and isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and a.dtype == b.dtype and np.allclose(a, b, rtol=1e-5)


def sample(rows, position, turns, given, maybe, condition):
    random = np.random.default_rng(rows + turns)
    array = lambda *shape: random.standard_normal(shape).astype("f4")
    return {"x": array(rows, 3), "i": np.array(position), "turns": np.array(turns), "sizes": np.array([1, 2], "i4"),
            "in": [array(length, 3) for length in given], "maybe": None if maybe is None else array(maybe), "c": np.array(condition)}


def check_error(command, path, model, values, folder, text):
    done = run(command, path, model, values, folder)
    try:
        model(values)
        sys.exit(f"no error; wanted {text}")
    except tenon.ModelError as error:
        if text not in str(error) or done.returncode != 1 or "error" not in done.stderr:
            sys.exit(f"{error}; {done.stderr}; wanted {text}")


def main():
    command, path, library = sys.argv[1:]
    model = tenon.Model(library)
    with tempfile.TemporaryDirectory() as folder:
        for values in (sample(2, 0, 0, [], None, True), sample(0, -1, 1, [1], 0, False), sample(5, 2, 7, [3, 0, 2], 3, True),
                       sample(1, 1, 300, [9] * 40, 1, False)):
            for name, found, wanted in zip(model.output_names, model(values), expected(command, path, model, values, folder)):
                if not same(found, wanted):
                    sys.exit(f"output {name}: {found} instead of {wanted}")
            done = run(command, path, model, values, folder, f"--expect={folder}")
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
        check_error(command, path, model, sample(2, 3, 1, [], None, True), folder, "index out of range")
        check_error(command, path, model, sample(2, -4, 1, [], None, True), folder, "index out of range")
        wrong = sample(2, 0, 1, [], None, True)
        wrong["sizes"][1] = 3
        check_error(command, path, model, wrong, folder, "dimension out of range")


main()
