"""Compares `tenon run` with onnxruntime on generated inputs.

  compare_with_onnxruntime.py TENON MODEL [--dim NAME=SIZE] [--input NAME=KIND:A:B] [--samples N]

An input is normal(A, B), uniform(A, B), int(A, B) (B excluded), print(A, B) (an image of text) or the value A; without --input it is normal(0, 1) or,
for an integer type, int(0, 2). Symbolic dims without --dim are 1. The worst error of each output must be at most --tolerance times
the output's largest magnitude; integers must be equal.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import tensors

ELEMENT = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64,
           "tensor(int32)": np.int32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_}


def draw(random, info, shape, recipe):
    dtype = np.dtype(ELEMENT[info.type])
    kind, *numbers = (recipe or ("normal:0:1" if dtype.kind == "f" else "int:0:2")).split(":")
    a, b = ([float(number) for number in numbers] + [0.0, 0.0])[:2]
    if kind == "normal":
        value = random.normal(a, b, shape)
    elif kind == "uniform":
        value = random.uniform(a, b, shape)
    elif kind == "int":
        value = random.integers(int(a), int(b), shape)
    elif kind == "print":  # a page of paper B with a line of dots of A, A or B each
        value = np.full(shape, b)
        line = value[..., shape[-2] // 3:shape[-2] // 2, 8:-8]
        line[...] = np.where(random.random(line.shape[-2:]) < 0.5, a, b)
    elif kind == "value":
        value = np.full(shape, a)
    else:
        sys.exit(f"unknown kind of input '{kind}'")
    return np.asarray(value, dtype)


def pairs(items):
    return dict(item.split("=", 1) for item in items)


def run_tenon(options, inputs, output_infos, folder):
    outputs = folder / "outputs"
    outputs.mkdir()
    arguments = []
    for index, (name, value) in enumerate(inputs.items()):
        path = folder / f"input_{index}.pb"
        path.write_bytes(onnx.numpy_helper.from_array(value, name).SerializeToString())
        arguments.append(f"{name}={path}")
    command = [options.tenon, "run", options.model, *arguments, "-o", str(outputs), *options.option]
    done = subprocess.run(command)
    if done.returncode:
        sys.exit(f"exit status {done.returncode}: {' '.join(command)}")
    return [tensors.read_value(outputs / f"output_{index}.pb", info) for index, info in enumerate(output_infos)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon")
    parser.add_argument("model")
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=SIZE")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=KIND:A:B")
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--option", action="append", default=[], help="passed on to tenon run")
    options = parser.parse_args()

    dims, recipes = pairs(options.dim), pairs(options.input)
    session = onnxruntime.InferenceSession(options.model, providers=["CPUExecutionProvider"])
    output_infos = onnx.load(options.model, load_external_data=False).graph.output
    failures = 0
    for sample in range(options.samples):
        random = np.random.default_rng(sample)
        inputs = {}
        for info in session.get_inputs():
            shape = [size if isinstance(size, int) and size > 0 else int(dims.get(f"{info.name}.{axis}", dims.get(str(size), 1)))
                     for axis, size in enumerate(info.shape)]
            inputs[info.name] = draw(random, info, shape, recipes.get(info.name))
        expected = session.run(None, inputs)
        with tempfile.TemporaryDirectory(prefix="compare-") as folder:
            actual = run_tenon(options, inputs, output_infos, pathlib.Path(folder))
        for info, a, e in zip(output_infos, actual, expected):
            reason = tensors.mismatch(a, e, tensors.close_to_largest(options.tolerance))
            print(f"sample {sample}: {info.name}: {reason or 'agrees'}")
            failures += reason is not None
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
