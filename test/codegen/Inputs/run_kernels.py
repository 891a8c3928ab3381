"""run_kernels.py TENON FILE.tir [N=5,M=3].. [--targets=CPU,..] [--tolerance=R]

Runs a function by the interpreter and compiled for each target that this machine can run, and compares. Each
N=..,M=.. gives the dims of one more comparison; without any, inputs have the dims of the file.
"""
import re
import subprocess
import sys
import tempfile

import numpy as np

TYPES = {"f32": "f4", "f64": "f8", "f16": "f2", "i8": "i1", "u8": "u1", "i16": "i2", "u16": "u2", "i32": "i4", "u32": "u4",
         "i64": "i8", "u64": "u8", "bool": "?"}


def make_inputs(text, dims, folder):
    """Arrays for the `input` lines, small integers or normal numbers; the arguments that name them."""
    random = np.random.default_rng(7)
    arguments = []
    for name, element, shape in re.findall(r"^input %(\w+) : (\w+)\[([^\]]*)\]", text, re.M):
        sizes = [int(eval(dim, {}, dims)) for dim in shape.split(",") if dim]
        whole = random.integers(0, 3, sizes)
        values = random.standard_normal(sizes) * 3 if element.startswith("f") else whole
        np.save(f"{folder}/{name}.npy", values.astype(TYPES[element]))
        arguments.append(f"{name}={folder}/{name}.npy")
    return arguments


def runs_here(tenon, target):
    flags = open("/proc/cpuinfo").read()
    return "avx512f" in flags if "v4" in target else "avx2" in flags if "v3" in target else True


def compare(tenon, path, inputs, targets, tolerance, folder):
    expected = f"{folder}/expected"
    subprocess.run([tenon, "run", path, *inputs, "--seed=3", "--interpret", "-o", expected], check=True)
    for target in targets:
        command = [tenon, "run", path, *inputs, "--seed=3", f"--mcpu={target}", f"--expect={expected}", f"--rtol={tolerance}"]
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            sys.exit(f"differs: {' '.join(command)}")


def main():
    tenon, path, *rest = sys.argv[1:]
    options = dict(argument[2:].split("=", 1) for argument in rest if argument.startswith("--"))
    targets = options.get("targets", "x86-64,x86-64-v3,x86-64-v4").split(",")
    targets = [target for target in targets if runs_here(tenon, target)]
    shapes = [argument for argument in rest if not argument.startswith("--")]
    text = open(path).read()
    for shape in shapes or [""]:
        with tempfile.TemporaryDirectory() as folder:
            dims = {name: int(value) for name, value in (pair.split("=") for pair in shape.split(",") if pair)}
            inputs = make_inputs(text, dims, folder) if dims else []
            compare(tenon, path, inputs, targets, options.get("tolerance", "1e-5"), folder)


main()
