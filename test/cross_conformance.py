"""The backend cases of the `onnx` package for other processors: compiled, and a sample run under QEMU.

  cross_conformance.py TENON [--rows ROW,..] [--run N] [--every N] [--only REGEX]

Of the cases in conformance_passing.txt (which `tenon run` passes on this machine) every one must compile for every row. N of them,
spread evenly, are also linked by the row's gcc with the test that --emit=c-test writes, and run: the case's inputs, compared with the
interpreter. Inputs on which the shape of a result depends become constants of the model; what still has no bound is counted apart.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import conformance
import tensors

# gcc, emulator and the root of its libraries
ROWS = {"aarch64": ("aarch64-linux-gnu-gcc", ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]),
        "rv64gc": ("riscv64-linux-gnu-gcc", ["qemu-riscv64", "-L", "/usr/riscv64-linux-gnu"])}
TRIPLES = {"aarch64": "aarch64-linux-gnu", "rv64gc": "riscv64-linux-gnu"}
UNBOUNDED = re.compile("depends on data|has no bound")


def run(command, folder, timeout=300):
    """None and the output, or why the command did not succeed."""
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout)
    except subprocess.TimeoutExpired:
        return f"{command[0]}: no end after {timeout} s"
    text = done.stdout.decode("utf-8", "replace")
    errors = [line for line in text.splitlines() if "error:" in line] or [text.strip()]
    return f"{pathlib.Path(command[0]).name}: exit {done.returncode}: {errors[0]}" if done.returncode else None


def without_inputs(case, kept):
    """The model with all inputs as constants but those that `kept` chooses, and the values of these."""
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    infos, values = list(model.graph.input), []
    del model.graph.input[:]
    for info, value in zip(infos, case.data_sets[0][0]):
        if not info.type.HasField("tensor_type") or kept(info, value, not values):  # only tensors can be constants
            model.graph.input.append(info)
            values.append(value)
        else:
            model.graph.initializer.append(onnx.numpy_helper.from_array(tensors.to_numpy(value), info.name))
    return model, values


def is_real(info, value, first):
    return info.type.tensor_type.elem_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE) and np.ndim(value) > 0


def is_first(info, value, first):
    return first


def write_case(model, values, folder):
    data = folder / "data"
    data.mkdir(exist_ok=True)
    for path in data.iterdir():
        path.unlink()
    onnx.save(model, str(folder / "model.onnx"))
    for index, (info, value) in enumerate(zip(model.graph.input, values)):
        tensors.write_value(data / f"input_{index}.pb", value, info)


def compile_case(case, row, runs, options, folder):
    command = [options.tenon, "compile", "model.onnx", f"--target={TRIPLES[row]}", "-o", "model.o"]
    write_case(case.model, case.data_sets[0][0], folder)
    reason = run(command, folder)
    for kept in (is_real, is_first):
        if reason:  # perhaps because a shape depends on an input
            write_case(*without_inputs(case, kept), folder)
            reason = run(command, folder)
    if reason or not runs:
        return reason
    has_inputs = any((folder / "data").iterdir())
    return run(command + ["--emit=obj,c-test"] + (["--data=data"] if has_inputs else []), folder)


def check(case, row, runs, options):
    gcc, emulator = ROWS[row]
    with tempfile.TemporaryDirectory(prefix="cross-") as folder:
        folder = pathlib.Path(folder)
        reason = compile_case(case, row, runs, options, folder)
        test = folder / "model.test.c"
        if reason or not runs or not test.exists():
            return reason
        return (run([gcc, "-DTENON_TEST_MAIN", "-static", "model.test.c", "model.o", "-o", "program"], folder)
                or run([*emulator, "./program"], folder))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon", type=os.path.abspath)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--run", type=int, default=300, metavar="N", help="how many cases run under QEMU, for each row")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth case")
    parser.add_argument("--only", default="", metavar="REGEX", help="only cases whose name matches")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()

    listed = conformance.read_list(conformance.LISTS[False])
    everything = sorted([*conformance.node_cases(), *conformance.packaged_cases()], key=lambda case: case.name)
    cases = [case for case in everything if case.name in listed and re.search(options.only, case.name)][::options.every]
    step = max(1, len(cases) // options.run) if options.run else len(cases) + 1
    failures = 0
    for row in options.rows.split(","):
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            reasons = list(pool.map(lambda index: check(cases[index], row, index % step == 0, options), range(len(cases))))
        unbounded = [index for index, reason in enumerate(reasons) if reason and UNBOUNDED.search(reason)]
        failed = [index for index, reason in enumerate(reasons) if reason and index not in unbounded]
        failures += len(failed)
        for index in failed:
            print(f"FAIL: {row}: {cases[index].name}: {reasons[index]}")
        print(f"{row}: of {len(cases)} cases {len(cases) - len(failed) - len(unbounded)} compile, {len(range(0, len(cases), step))} of them run; "
              f"{len(failed)} fail; {len(unbounded)} have a shape that depends on data")
    return 1 if failures or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
