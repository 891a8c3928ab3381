"""What the interpreter says: for tests of compiled models in Python."""
import subprocess

import numpy as np


def expect(command, path, arrays, folder):
    for name, array in arrays.items():
        np.save(f"{folder}/{name}.npy", array)
    inputs = [f"{name}={folder}/{name}.npy" for name in arrays]
    subprocess.run([command, "run", path, *inputs, "--interpret", "-o", f"{folder}/out.npz"], check=True, stdout=subprocess.DEVNULL)
    with np.load(f"{folder}/out.npz") as found:
        return dict(found)
