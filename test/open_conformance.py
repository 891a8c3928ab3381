"""The backend cases of the `onnx` package without what their shapes say or their inputs decide.

  open_conformance.py TENON inputs|first|spatial [--compile] [--every N] [--only REGEX] [--jobs N]

`inputs`: cases with a list of integers or a number as an input (axes, sizes, counts, ..), which stays an input that only a run knows.
`first`, `spatial`: the first dim of each input is a symbol, or all dims behind the second; lists of integers keep their length, since it is
often a rank. Each case becomes a shared object, which `tenon run` compares with the expected outputs; with --compile it ends there.
The exit status is 1 if a case does not pass that is not a known limit (LIMITS, OTHER_RESULTS).
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import sys
import tempfile

import onnx

import conformance

INTEGERS = {onnx.TensorProto.INT64, onnx.TensorProto.INT32}
# What a shape has to say, in words of the messages: docs/onnx.md.
LIMITS = re.compile("|".join((
    "ImageDecoder is not supported", "TfIdfVectorizer is not supported", "size of a head must be static", "weights (have|must|be)",
    "wanted a known number", "a list of unknown length", "slices whose shape changes from turn to turn", "the last dim of the indices",
    "a batch that is not static", r"\((DFT|STFT|Col2Im|MelWeightMatrix|CausalConvWithState)\):")))
# Results that differ for a reason: seeded numbers of a size that only a run knows are those of a hash; sums rounded to f16 in another order.
OTHER_RESULTS = re.compile("training_dropout|attention_4d_causal_fp16_expanded")


def is_list_of_integers(info):
    kind = info.type.tensor_type
    return info.type.HasField("tensor_type") and kind.elem_type in INTEGERS and len(kind.shape.dim) <= 1


def opened(model, mode):
    """The model as the mode wants it; None: there is nothing to open."""
    if mode == "inputs":
        return model if any(map(is_list_of_integers, model.graph.input)) else None
    model = onnx.ModelProto.FromString(model.SerializeToString())
    changed = False
    for info in model.graph.input:
        dims = info.type.tensor_type.shape.dim if info.type.HasField("tensor_type") and not is_list_of_integers(info) else []
        for index, dim in list(enumerate(dims))[2:] if mode == "spatial" else list(enumerate(dims))[:1]:
            dim.Clear()
            dim.dim_param = f"{re.sub('[^A-Za-z0-9]', '_', info.name)}_s{index}"
            changed = True
    del model.graph.value_info[:]
    for info in model.graph.output:
        if info.type.HasField("tensor_type"):
            info.type.tensor_type.ClearField("shape")
    return model if changed else None


def check(case, options):
    """None: nothing to open; "": passes; else why not."""
    model = opened(case.model, options.mode)
    if model is None:
        return None
    with tempfile.TemporaryDirectory(prefix="open-") as folder:
        folder = pathlib.Path(folder)
        onnx.save(model, str(folder / "case.onnx"))
        # The name that conformance.py runs; the file's first bytes say what it is.
        command = [options.tenon, "compile", "case.onnx", "-w", "-O1", "--emit=obj" if options.compile else "--emit=shared", "-o", "model.onnx"]
        reason = conformance.run_tenon(command, folder, options.timeout)
        if reason or options.compile:
            return f"not compiled: {reason}" if reason else ""
        for number, data_set in enumerate(case.data_sets):
            inner = folder / str(number)
            inner.mkdir()
            (inner / "model.onnx").symlink_to(folder / "model.onnx")
            reason = conformance.check_data_set(case, data_set, inner, options)
            if reason:
                return reason
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon", type=os.path.abspath)
    parser.add_argument("mode", choices=("inputs", "first", "spatial"))
    parser.add_argument("--compile", action="store_true", help="do not run them")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth case")
    parser.add_argument("--only", default="", metavar="REGEX", help="only cases whose name matches")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=float, default=120)
    options = parser.parse_args()
    options.interpret = False

    cases = sorted([*conformance.node_cases(), *conformance.packaged_cases()], key=lambda case: case.name)
    cases = [case for case in cases if not conformance.is_random(case.model) and re.search(options.only, case.name)][::options.every]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        reasons = list(pool.map(lambda case: check(case, options), cases))
    counts = collections.Counter()
    for case, reason in zip(cases, reasons):
        kind = "skipped" if reason is None else "passed" if not reason else "limits" if LIMITS.search(reason) or OTHER_RESULTS.search(case.name) else "failed"
        counts[kind] += 1
        if kind in ("limits", "failed"):
            print(f"{'FAIL' if kind == 'failed' else 'limit'}: {case.name}: {reason}")
    print(f"{options.mode}: {counts['passed']} of {len(cases) - counts['skipped']} pass; {counts['failed']} fail; {counts['limits']} are known limits")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
