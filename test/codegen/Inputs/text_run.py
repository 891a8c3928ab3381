"""text_run.py TENON MODEL.tir MODEL.so: strings of a shared object agree with the interpreter; in a workspace that is too
small a run ends with TENON_E_WORKSPACE and writes nothing behind it."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples" / "python"))
import tenon


def expect(command, path, model, values, folder):
    inputs = []
    for name in model.input_names:
        pathlib.Path(f"{folder}/{name}.pb").write_bytes(numpy_helper.from_array(values[name]).SerializeToString())
        inputs.append(f"{name}={folder}/{name}.pb")
    subprocess.run([command, "run", path, *inputs, "--interpret", "-o", folder], check=True)
    if subprocess.run([command, "run", path, *inputs, f"--expect={folder}"], stdout=subprocess.DEVNULL).returncode:
        sys.exit(f"run differs from the interpreter: {values}")
    read = lambda index: numpy_helper.to_array(onnx.TensorProto.FromString(pathlib.Path(f"{folder}/output_{index}.pb").read_bytes()))
    return [read(index) for index in range(len(model.outputs))]


def text(array):
    return np.array([t.decode() if isinstance(t, bytes) else t for t in array.ravel()], object).reshape(array.shape) if array.dtype == object else array


def check_room(model, values):
    """Every workspace from the least to the one that was enough: too small, or enough and the same outputs."""
    enough, least = model.context.workspace_bytes, model.description.workspace_bytes
    wanted, codes, step = model(values), [], max(1, (enough - least) // 50)
    grow, model.make_room = model.make_room, lambda count: None
    for room in range(least, enough + step, step):
        model.workspace = tenon.aligned(room + 4096, 64)
        model.workspace[:] = 0xA5
        model.context.workspace, model.context.workspace_bytes = model.workspace.ctypes.data, room
        d = model.description
        words, out = (tenon.ctypes.c_size_t * (d.input_words + 1))(), (tenon.ctypes.c_size_t * (d.output_words + 1))()
        kept = model.bind(values, words)
        d.shapes(tenon.ctypes.byref(model.context), words, out)
        arrays = model.allocate(words, out)
        codes.append(d.run(tenon.ctypes.byref(model.context), words, out))
        if (model.workspace[room:] != 0xA5).any():
            sys.exit(f"room {room}: written behind the workspace")
        if codes[-1] == tenon.WORKSPACE and model.context.needed <= room:
            sys.exit(f"room {room}: needed {model.context.needed}")
        found = [] if codes[-1] else [model.finish(value, array, words, out) for value, array in zip(model.outputs, arrays)]
        if not all((a == b).all() for a, b in zip(found, wanted)):
            sys.exit(f"room {room}: other outputs")
        del kept
    model.make_room = grow
    if set(codes) != {tenon.WORKSPACE, 0} or codes[-1]:
        sys.exit(f"codes {codes}")


def main():
    command, path, library = sys.argv[1:]
    model = tenon.Model(library)
    words = ["a,b,,c", "", ",", "Größe, Ä ,x", "ÿþĀ日本ß", "  two\twords ", "ΑΣΩ ЀЯ\xff"]
    with tempfile.TemporaryDirectory() as folder:
        for rows, delimiter, turns, condition in ((0, ",", 0, True), (1, "", 1, False), (7, ",", 3, True), (5, ", ", 40, False)):
            values = {"x": np.array(words[:rows], object).reshape(rows, 1), "tail": np.array(["", ",Zz é", "ŁÓ"], object),
                      "delimiter": np.array([delimiter], object), "turns": np.array(turns), "c": np.array(condition)}
            for name, found, wanted in zip(model.output_names, model(values), expect(command, path, model, values, folder)):
                if found.shape != wanted.shape or (text(found) != text(wanted)).any():
                    sys.exit(f"{rows} rows: output {name} differs: {found} {wanted}")
        check_room(model, values)


main()
