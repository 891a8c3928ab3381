"""Runs the cases of the installed `onnx` package's backend tests through `tenon run`.

  conformance.py TENON [--interpret] [--every N] [--only REGEX] [--update] [--json FILE]

test/conformance_passing.txt names the cases that pass as compiled code, test/conformance_interpreted.txt those that pass
in the interpreter; both only grow. The exit status is 1 if a listed case fails. All other cases run too: those that fail
are printed with the first line of the reason, those that pass by now are counted and, with --update, added to the list.

A floating-point output passes within rtol 1e-3 and atol 1e-5 (or the case's own tolerance where that is wider), an
integer or string output only if equal. bfloat16, whose last bit is 2^-8, has rtol 2^-6.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
from onnx.backend.test import loader

import tensors

HERE = pathlib.Path(__file__).resolve().parent
LISTS = {False: HERE / "conformance_passing.txt", True: HERE / "conformance_interpreted.txt"}
# The expected outputs of these are one draw of a random generator: no implementation can be compared with them.
RANDOM = {"Bernoulli", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"}

Case = collections.namedtuple("Case", "name model data_sets rtol atol")


def node_cases():
    np.random.seed(1)  # some cases draw their inputs when they are made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = loader.load_model_tests(kind="node")
    for case in cases:
        yield Case("node/" + case.name, case.model, case.data_sets, case.rtol, case.atol)


def packaged_cases():
    for kind in ("simple", "pytorch-converted", "pytorch-operator"):
        for case in loader.load_model_tests(kind=kind):
            if not case.model_dir:
                continue  # the model would have to be fetched from the network
            folder = pathlib.Path(case.model_dir)
            model = onnx.load(folder / "model.onnx")
            data_sets = [(read_all(data, "input", model.graph.input), read_all(data, "output", model.graph.output))
                         for data in sorted(folder.glob("test_data_set_*"))]
            yield Case(f"{kind}/{case.name}", model, data_sets, case.rtol, case.atol)


def read_all(folder, stem, value_infos):
    found = [folder / f"{stem}_{index}.pb" for index in range(len(value_infos))]
    return [tensors.read_value(path, info) for path, info in zip(found, value_infos) if path.exists()]


def is_random(model):
    return any(node.op_type in RANDOM for node in model.graph.node)


def first_line(output):
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line or "ERROR:" in line]
    return (errors or lines or ["no message"])[0].strip()[:160]


def run_tenon(arguments, folder, timeout):
    """None, or why the command did not succeed."""
    try:
        done = subprocess.run(arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout)
    except subprocess.TimeoutExpired:
        return f"no end after {timeout} s"
    if done.returncode == 0:
        return None
    status = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
    return f"{status}: {first_line(done.stdout.decode('utf-8', 'replace'))}"


def check_data_set(case, data_set, folder, options):
    inputs, expected = data_set
    graph = case.model.graph
    files = []
    for index, (value, info) in enumerate(zip(inputs, graph.input)):
        files.append(f"input_{index}.pb")
        tensors.write_value(folder / files[-1], value, info)
    outputs = folder / "outputs"
    outputs.mkdir()
    mode = ["--interpret"] if options.interpret else []
    reason = run_tenon([options.tenon, "run", "model.onnx", *files, "-o", "outputs", *mode], folder, options.timeout)
    if reason:
        return reason
    for index, (value, info) in enumerate(zip(expected, graph.output)):
        path = outputs / f"output_{index}.pb"
        if not path.exists():
            return f"output '{info.name}' was not written"
        wide = info.type.tensor_type.elem_type == onnx.TensorProto.BFLOAT16
        closeness = tensors.close_elementwise(max(case.rtol, 2.0 ** -6 if wide else 1e-3), max(case.atol, 1e-5))
        try:
            reason = tensors.mismatch(tensors.read_value(path, info), tensors.to_numpy(value), closeness)
        except Exception as error:  # whatever a malformed output makes the onnx package raise
            reason = f"not readable: {error}"
        if reason:
            return f"output '{info.name}': {reason}"
    return None


def check_case(case, options):
    for data_set in case.data_sets:
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            folder = pathlib.Path(folder)
            onnx.save(case.model, str(folder / "model.onnx"))
            reason = check_data_set(case, data_set, folder, options)
            if reason:
                return reason
    return None


def read_list(path):
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return {line for line in lines if line}


def write_list(path, names):
    path.write_text("# Backend cases of the onnx package that pass; test/conformance.py --update adds to this list.\n"
                    + "".join(name + "\n" for name in sorted(names)))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon", type=os.path.abspath)
    parser.add_argument("--interpret", action="store_true", help="run the reference interpreter instead of compiled code")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth case")
    parser.add_argument("--only", default="", metavar="REGEX", help="only cases whose name matches")
    parser.add_argument("--listed", action="store_true", help="only cases of the list")
    parser.add_argument("--update", action="store_true", help="add the cases that pass to the list")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--json", metavar="FILE", help="write {passed, failed, skipped} there")
    return parser.parse_args()


def main():
    options = parse_arguments()
    list_path = LISTS[options.interpret]
    listed = read_list(list_path)
    everything = sorted([*node_cases(), *packaged_cases()], key=lambda case: case.name)
    unknown = listed - {case.name for case in everything}
    cases = [case for case in everything if not is_random(case.model) and re.search(options.only, case.name)]
    cases = [case for case in cases if case.name in listed or not options.listed][::options.every]

    reasons = {}
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for case, reason in zip(cases, pool.map(lambda case: check_case(case, options), cases)):
            reasons[case.name] = reason
            if sys.stderr.isatty():
                print(f"\r{len(reasons)}/{len(cases)} cases", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)

    passing = {name for name, reason in reasons.items() if reason is None}
    lost = sorted(set(reasons) & listed - passing)
    others = sorted(set(reasons) - listed - passing)
    if others:
        print(f"\n{len(others)} cases that do not pass yet:")
        for name in others:
            print(f"  {name}: {reasons[name]}")
    for name in lost:
        print(f"FAIL: {name}: {reasons[name]}")
    for name in sorted(unknown):
        print(f"not in this version of the onnx package ({onnx.__version__}): {name}")
    new = passing - listed
    if options.update:
        write_list(list_path, listed | passing)
        print(f"{len(new)} cases added to {list_path.name}")
    print(f"{len(passing)} of {len(reasons)} backend cases pass; of the {len(listed & set(reasons))} listed ones "
          f"{len(lost)} fail; {len(new)} pass that are not listed; {len(everything) - len(cases)} not run")
    if options.json:
        counts = {"passed": len(passing), "failed": len(lost), "skipped": len(others)}
        pathlib.Path(options.json).write_text(json.dumps(counts) + "\n")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
