"""late_workspace.py TENON MODEL.tir MODEL.so: runs of any length agree with the interpreter; in a workspace that is too
small a run ends with TENON_E_WORKSPACE and writes nothing behind it."""
import ctypes
import pathlib
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples" / "python"))
import tenon
from interpreted import expect


def check_room(model, arrays, room):
    """The code of a run with `room` bytes; the bytes behind them stay as they are."""
    d = model.description
    memory = tenon.aligned(room + 4096, 64)
    memory[:] = 0xA5
    words, out = (ctypes.c_size_t * 16)(), (ctypes.c_size_t * 32)()
    kept = [np.ascontiguousarray(arrays[name]) for name in model.input_names]
    for number, array in enumerate(kept):
        words[number] = array.ctypes.data
    outside = tenon.aligned(1 << 12, 64)
    for value in model.outputs:
        out[value.word] = outside.ctypes.data
    context = tenon.Context(abi=d.abi, workspace=memory.ctypes.data, workspace_bytes=room)
    code = d.run(ctypes.byref(context), words, out)
    if (memory[room:] != 0xA5).any():
        sys.exit(f"room {room}: written behind the workspace")
    if code == tenon.WORKSPACE and context.needed <= room:
        sys.exit(f"room {room}: needed {context.needed}")
    return code


def main():
    command, path, library = sys.argv[1:]
    model = tenon.Model(library)
    with tempfile.TemporaryDirectory() as folder:
        for turns, condition in ((0, True), (1, False), (2, True), (7, False), (40, True), (300, False)):
            arrays = {"n": np.int64(turns), "x": np.array([1, -0.5, 0.25], "f4"), "c": np.bool_(condition)}
            wanted = expect(command, path, arrays, folder)
            for name, found in zip(model.output_names, model(arrays)):
                if found.shape != wanted[name].shape or not np.allclose(found, wanted[name], rtol=1e-4, atol=1e-6):
                    sys.exit(f"{turns} turns: output {name} differs: {found} {wanted[name]}")
        codes = [check_room(model, arrays, room) for room in range(model.description.workspace_bytes, model.context.workspace_bytes + 1, 1024)]
        if set(codes[:-1]) - {tenon.WORKSPACE, 0} or tenon.WORKSPACE not in codes or check_room(model, arrays, model.context.workspace_bytes):
            sys.exit(f"codes {codes}")


main()
