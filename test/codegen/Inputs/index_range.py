"""index_range.py TENON MODEL.tir: runs with all indices in range agree with the interpreter; with one of them out of range, at
either end, both refuse, the compiled code with an index error."""
import subprocess
import sys
import tempfile

import numpy as np

GOOD = {"x": np.arange(12, dtype="f4").reshape(4, 3), "i": np.array([-4, 3]), "e": np.array([[0, 3, -1], [-4, 1, 2]], "i4"),
        "s": np.array([[3], [-4]]), "u": np.ones((2, 3), "f4"), "m": np.ones((1, 2, 2, 1), "f4"),
        "p": np.array([0, 5, 10, 15]).reshape(1, 2, 2, 1), "l": np.array([0, 4, 2]), "r": np.ones((1, 5, 5, 2), "f4"), "n": np.array([-1])}
BAD = [("i", 4), ("i", -5), ("e", 4), ("e", -5), ("s", 4), ("s", -5), ("p", 16), ("p", -1), ("l", 5), ("l", -1), ("n", 1), ("n", -2),
       ("i", 2**62), ("i", -2**62), ("p", 2**62), ("l", 2**62)]


def run(tenon, path, arrays, folder, *options):
    for name, array in arrays.items():
        np.save(f"{folder}/{name}.npy", array)
    command = [tenon, "run", path, *(f"{name}={folder}/{name}.npy" for name in arrays), *options]
    return subprocess.run(command, capture_output=True, text=True)


def main():
    tenon, path = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        done = run(tenon, path, GOOD, folder, "--interpret", "-o", f"{folder}/out")
        trusting = f"{folder}/trusting.so"
        subprocess.run([tenon, "compile", path, "-o", trusting, "--trust-indices", "-w"], check=True, stdout=subprocess.DEVNULL)
        for model in (path, trusting):
            again = run(tenon, model, GOOD, folder, "--expect", f"{folder}/out")
            if done.returncode or again.returncode:
                sys.exit(done.stderr + again.stdout + again.stderr)
        for name, value in BAD:
            arrays = {key: array.copy() for key, array in GOOD.items()}
            arrays[name].flat[-1] = value
            compiled, interpreted = run(tenon, path, arrays, folder), run(tenon, path, arrays, folder, "--interpret")
            if compiled.returncode != 1 or "index out of range" not in compiled.stderr or interpreted.returncode != 1:
                sys.exit(f"{name} = {value}: {compiled.returncode} {compiled.stderr} {interpreted.returncode} {interpreted.stderr}")


main()
