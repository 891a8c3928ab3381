"""Compares single operators with onnxruntime: random inputs, `tenon run` against onnxruntime's results.

  compare_operators.py TENON FAMILY [--only REGEX] [--interpret | --object]

--object compiles to a shared object first, which knows of symbolic dims only that they are; `tenon run` compiles for the shapes at hand.

A family is a module operators_FAMILY.py beside this file; its cases() yields Case tuples.
Floats may differ by a case's tolerance times the output's largest magnitude, quantized codes by one; other integers and strings not at all.
"""
import argparse
import importlib
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]
import tensors


def run_tenon(options, model, inputs, folder):
    onnx.save(model, str(folder / "model.onnx"))
    arguments = []
    for index, (name, value) in enumerate(inputs.items()):
        path = folder / f"input_{index}.pb"
        path.write_bytes(onnx.numpy_helper.from_array(value, name).SerializeToString())
        arguments.append(f"{name}={path}")
    runnable = "model.onnx"
    if options.object:
        runnable = "model.so"
        done = subprocess.run([options.tenon, "compile", "model.onnx", "--emit=shared", "-o", runnable], cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120)
        if done.returncode:
            return done.stdout.decode("utf-8", "replace").strip() or f"compile: exit status {done.returncode}", None
    command = [options.tenon, "run", runnable, *arguments, "-o", "outputs"]
    (folder / "outputs").mkdir()
    done = subprocess.run(command + (["--interpret"] if options.interpret else []), cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120)
    if done.returncode:
        return done.stdout.decode("utf-8", "replace").strip() or f"exit status {done.returncode}", None
    return None, [tensors.read_value(folder / "outputs" / f"output_{index}.pb", info)
                  for index, info in enumerate(model.graph.output)]


def mismatch(case, found, wanted):
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape or found.dtype.kind != wanted.dtype.kind:
        return f"{found.dtype}{found.shape} instead of {wanted.dtype}{wanted.shape}"
    if wanted.dtype.kind in "OSU":
        strings = [[text.decode() if isinstance(text, bytes) else str(text) for text in value.ravel()] for value in (found, wanted)]
        return None if strings[0] == strings[1] else f"{strings[0][:4]} instead of {strings[1][:4]}"
    if not wanted.size:
        return None
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    error = np.abs(np.where(same, 0, a - b))
    allowed = case.codes if wanted.dtype.kind in "iub" else case.tolerance * max(1.0, float(np.max(np.abs(b[np.isfinite(b)]), initial=0)))
    if not np.all(error <= allowed):  # NaN against a number fails as well
        at = int(np.argmax(np.nan_to_num(error, nan=np.inf)))
        return f"{np.sum(~(error <= allowed))} of {b.size} differ, {a.ravel()[at]} instead of {b.ravel()[at]}"
    return None


def expected(case):
    if case.expected is not None:
        return case.expected
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = 4
    session_options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(case.model.SerializeToString(), session_options, providers=["CPUExecutionProvider"])
    return session.run(None, case.inputs)


def check(case, options):
    wanted = expected(case)
    with tempfile.TemporaryDirectory() as folder:
        reason, found = run_tenon(options, case.model, case.inputs, pathlib.Path(folder))
    if reason:
        return reason
    reasons = [f"output '{info.name}': {text}" for info, a, b in zip(case.model.graph.output, found, wanted) if (text := mismatch(case, a, b))]
    return reasons[0] if reasons else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon")
    parser.add_argument("family")
    parser.add_argument("--only", default="")
    parser.add_argument("--interpret", action="store_true")
    parser.add_argument("--object", action="store_true")
    options = parser.parse_args()
    options.tenon = str(pathlib.Path(options.tenon).resolve())
    count = failures = 0
    for case in importlib.import_module("operators_" + options.family).cases():
        if not re.search(options.only, case.name):
            continue
        count += 1
        try:
            reason = check(case, options)
        except Exception as error:  # onnxruntime refuses the case: the case is wrong
            reason = f"onnxruntime: {str(error).splitlines()[0][:300]}"
        if reason:
            failures += 1
            print(f"FAIL: {case.name}: {reason}")
    print(f"{count - failures} of {count} cases agree")
    return 1 if failures or not count else 0


if __name__ == "__main__":
    sys.exit(main())
