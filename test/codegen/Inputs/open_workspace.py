"""open_workspace.py TENON MODEL.tir MODEL.so: calls with many dims agree with the interpreter; a workspace that is too small
and dims that no memory can hold are errors."""
import ctypes
import pathlib
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples" / "python"))
import tenon
from interpreted import expect

E_WORKSPACE, E_DIM = 4, 6


def close(found, wanted):
    return found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-4, atol=1e-6)


def code_of(model, entry, words, room):
    """The code of a call with open dims in `words`, and what it says is needed."""
    memory = tenon.aligned(room, 64)
    out = (ctypes.c_size_t * 32)(*[memory.ctypes.data] * 4)
    context = tenon.Context(abi=model.description.abi, workspace=memory.ctypes.data, workspace_bytes=room)
    code = entry(ctypes.byref(context), words, out)
    return code, context.needed


def main():
    command, path, library = sys.argv[1:]
    random = np.random.default_rng(5)
    model = tenon.Model(library)
    d = model.description
    with tempfile.TemporaryDirectory() as folder:
        for n, m in ((3, 4), (0, 2), (1, 0), (33, 17), (2, 70), (300, 9), (1, 1)):
            x = np.maximum(random.standard_normal((n, m)), 0).astype("f4")
            arrays = {"x": x, "w": random.standard_normal((m, 5)).astype("f4"), "b": random.standard_normal(5).astype("f4")}
            wanted = expect(command, path, arrays, folder)
            for name, found in zip(model.output_names, model(arrays)):
                if not close(found, wanted[name]):
                    sys.exit(f"{n} x {m}: output {name} differs: {found} {wanted[name]}")
    block = tenon.aligned(1 << 20, 64)
    words = (ctypes.c_size_t * 8)(*[block.ctypes.data] * 3, 7, 11)
    code, needed = code_of(model, d.shapes, words, 64)
    if code or needed < 7 * 11 * 8:
        sys.exit(f"_shapes: code {code}, needed {needed}")
    for room, wanted in ((needed - 1, E_WORKSPACE), (needed, 0), (64, E_WORKSPACE)):
        out = (ctypes.c_size_t * 32)(*[block.ctypes.data + (1 << 18)] * 4)
        memory = tenon.aligned(needed, 64)
        context = tenon.Context(abi=d.abi, workspace=memory.ctypes.data, workspace_bytes=room)
        code = d.run(ctypes.byref(context), words, out)
        if code != wanted or context.needed != needed:
            sys.exit(f"room {room} of {needed}: code {code}, wanted {wanted}; needed {context.needed}")
    for n, m in ((1 << 62, 4), (1 << 33, 1 << 33), (1 << 60, 1)):
        words[3], words[4] = n, m
        for entry in (d.run, d.shapes):
            code, _ = code_of(model, entry, words, 64)
            if code != E_DIM:
                sys.exit(f"{n} x {m}: code {code}")


main()
