#!/usr/bin/env python3
"""Wrong models of every operator: whatever is wrong with them, tenon says so and ends.

  hostile.py TENON [--seed N] [--sample N] [--only REGEX] [--run] [--keep FOLDER] [--seconds S] [--memory MIB] [--jobs N]

From a backend case or two of each operator come its variants, one thing wrong (or only odd) in each: an input missing,
one too many, of another type, rank or size; integers from one end of int64 to the other, in attributes and in constant
or given inputs; attributes of another kind, empty, long; outputs too few, too many, declared as something else. The
names of variants are the same every time; --sample takes N of them, chosen by --seed.

A variant fails if tenon is killed by a signal or a sanitizer, ends with a status other than 0 and 1, refuses without a
message, or takes more time or memory than given.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
import conformance

BASES = 2  # cases of each operator
EXTREMES = (-(1 << 63), -(1 << 31), -1000, -1, 0, 1, 7, 1000, (1 << 31) - 1, 1 << 31, 1 << 40, (1 << 63) - 1)
DIMS = (0, 1, 2, 17, 1 << 31, 1 << 40, (1 << 63) - 1, -1, "N")
ELEMENTS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT64, TensorProto.INT8, TensorProto.UINT64,
            TensorProto.BOOL, TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.INT4, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT4E2M1, 0, 99)
FLOATS = (0.0, -1.0, 1e-45, 3e38, float("inf"), float("-inf"), float("nan"))
TEXTS = ("", "zzz", "NOTSET", "SAME_UPPER", "linear", "reflect", "A" * 5000, "..->..", "(((", "\x00", "é")
INTEGERS = {TensorProto.INT64, TensorProto.INT32}

Variant = collections.namedtuple("Variant", "name model inputs")  # inputs: {name: array} for run; None: any


# ---------------------------------------------------------------- what is changed

def copied(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def edit(base, change):
    """The model after change(model, its node)."""
    copy = copied(base)
    change(copy, copy.graph.node[0])
    return copy


def wrong_inputs(base):
    count = len(base.graph.node[0].input)
    for i in range(count):
        yield f"input{i}_absent", edit(base, lambda m, n, i=i: n.input.__setitem__(i, ""))
        yield f"input{i}_undefined", edit(base, lambda m, n, i=i: n.input.__setitem__(i, "nowhere"))
        yield f"input{i}_own_output", edit(base, lambda m, n, i=i: n.input.__setitem__(i, n.output[0]))
        for k in range(count):
            if k != i:
                yield f"input{i}_is_{k}", edit(base, lambda m, n, i=i, k=k: n.input.__setitem__(i, n.input[k]))
        yield f"inputs_{i}", edit(base, lambda m, n, i=i: n.input.__delitem__(slice(i, None)))
    for more in (1, 50):
        if count:
            yield f"inputs_{more}_more", edit(base, lambda m, n, more=more: n.input.extend([n.input[0]] * more))


def tensor_inputs(model):
    return [(i, v) for i, v in enumerate(model.graph.input) if v.type.HasField("tensor_type")]


def set_dims(value, dims):
    del value.type.tensor_type.shape.dim[:]
    value.type.tensor_type.shape.SetInParent()
    for dim in dims:
        added = value.type.tensor_type.shape.dim.add()
        setattr(added, "dim_param" if isinstance(dim, str) else "dim_value", dim)


def wrong_types(base):
    for i, value in tensor_inputs(base):
        for element in ELEMENTS:
            if element != value.type.tensor_type.elem_type:
                yield f"input{i}_type{element}", edit(base, lambda m, n, i=i, e=element: setattr(m.graph.input[i].type.tensor_type, "elem_type", e))
        dims = [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim]
        shapes = {"scalar": [], "rank_more": [1, *dims], "rank_end": [*dims, 3], "rank9": [1] * 9, "open": [f"d{k}" for k in range(len(dims))],
                  "half": dims[:-1], "turned": dims[::-1]}
        for k in range(len(dims)):
            shapes |= {f"dim{k}_{d}": [*dims[:k], d, *dims[k + 1:]] for d in DIMS}
        for name, shape in shapes.items():
            yield f"input{i}_{name}", edit(base, lambda m, n, i=i, s=shape: set_dims(m.graph.input[i], s))
        yield f"input{i}_no_shape", edit(base, lambda m, n, i=i: m.graph.input[i].type.tensor_type.ClearField("shape"))


def other_kinds(name):
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [2], [1.0, 2.0])
    graph = helper.make_graph([], "g", [], [])
    values = {"int": 1, "float": 1.0, "string": "x", "ints": [1, 2], "floats": [1.0, 2.0], "strings": ["a", "b"], "tensor": tensor, "graph": graph,
              "tensors": [tensor], "graphs": [graph]}
    for kind, value in values.items():
        yield kind, helper.make_attribute(name, value)
    empty = AttributeProto(name=name, type=AttributeProto.INTS)
    yield "no_ints", empty
    yield "no_kind", AttributeProto(name=name)
    yield "reference", AttributeProto(name=name, type=AttributeProto.INT, ref_attr_name="other")


def other_values(attribute):
    name, kind = attribute.name, attribute.type
    if kind == AttributeProto.INT:
        yield from ((str(v), helper.make_attribute(name, v)) for v in EXTREMES)
    elif kind == AttributeProto.FLOAT:
        yield from ((str(v), helper.make_attribute(name, v)) for v in FLOATS)
    elif kind == AttributeProto.STRING:
        yield from ((f"text{k}", helper.make_attribute(name, v)) for k, v in enumerate(TEXTS))
    elif kind in (AttributeProto.INTS, AttributeProto.FLOATS, AttributeProto.STRINGS):
        field = {AttributeProto.INTS: "ints", AttributeProto.FLOATS: "floats", AttributeProto.STRINGS: "strings"}[kind]
        values = list(getattr(attribute, field))
        odd = {"ints": EXTREMES, "floats": FLOATS, "strings": [t.encode() for t in TEXTS]}[field]
        lists = {"shorter": values[:-1], "longer": values + values[-1:], "many": values * 300, "turned": values[::-1]}
        lists |= {f"first_{k}": [v, *values[1:]] for k, v in enumerate(odd)} | {f"last_{k}": [*values[:-1], v] for k, v in enumerate(odd)}
        lists |= {f"all_{k}": [v] * len(values) for k, v in enumerate(odd)}
        for label, changed in lists.items():
            if changed:
                yield label, helper.make_attribute(name, changed)
    elif kind == AttributeProto.TENSOR:
        for label, tensor in other_tensors(attribute.t):
            yield label, helper.make_attribute(name, tensor)


def other_tensors(tensor):
    def changed(**fields):
        copy = TensorProto()
        copy.CopyFrom(tensor)
        for field, value in fields.items():
            if isinstance(value, (list, tuple)):
                del getattr(copy, field)[:]
                getattr(copy, field).extend(value)
            else:
                setattr(copy, field, value)
        return copy
    yield "dims_none", changed(dims=[])
    yield "dims_zero", changed(dims=[0])
    yield "dims_huge", changed(dims=[1 << 40, 1 << 40])
    yield "dims_negative", changed(dims=[-1])
    yield from ((f"type{e}", changed(data_type=e)) for e in ELEMENTS)
    try:
        array = numpy_helper.to_array(tensor)
    except Exception:  # a test's tensor that the package itself does not read
        return
    if array.dtype in (np.int64, np.int32) and array.size:
        for value in EXTREMES:
            yield f"first_{value}", numpy_helper.from_array(spoilt(array, 0, value), tensor.name)
            yield f"last_{value}", numpy_helper.from_array(spoilt(array, -1, value), tensor.name)
    yield "empty", numpy_helper.from_array(array.reshape(-1)[:0], tensor.name)
    yield "longer", numpy_helper.from_array(np.concatenate([array.reshape(-1)] * 2), tensor.name)
    yield "rank_more", numpy_helper.from_array(array[None], tensor.name)


def spoilt(array, index, value):
    copy = array.copy()
    limits = np.iinfo(copy.dtype)
    copy.reshape(-1)[index] = min(max(value, limits.min), limits.max)
    return copy


def set_attribute(node, attribute):
    kept = [a for a in node.attribute if a.name != attribute.name]
    del node.attribute[:]
    node.attribute.extend([*kept, attribute])


def wrong_attributes(base):
    node = base.graph.node[0]
    given = {a.name: a for a in node.attribute}
    try:
        names = sorted(onnx.defs.get_schema(node.op_type, node.domain).attributes)
    except Exception:  # of no schema of this package
        names = []
    for name in sorted({*given, *names}):
        if name in given:
            yield f"{name}_absent", edit(base, lambda m, n, x=name: set_only(n, [a for a in n.attribute if a.name != x]))
        for label, attribute in [*other_kinds(name), *(other_values(given[name]) if name in given else ()), *guesses(node, name, given)]:
            yield f"{name}_{label}", edit(base, lambda m, n, a=attribute: set_attribute(n, a))
    yield "attribute_unknown", edit(base, lambda m, n: n.attribute.append(helper.make_attribute("unheard_of", 1)))
    yield "attribute_twice", edit(base, lambda m, n: n.attribute.extend(list(n.attribute)))
    yield "attributes_many", edit(base, lambda m, n: n.attribute.extend([helper.make_attribute(f"a{k}", k) for k in range(3000)]))


def guesses(node, name, given):
    """Extremes for an attribute that the case leaves out."""
    if name in given:
        return
    kind = onnx.defs.get_schema(node.op_type, node.domain).attributes[name].type
    schema_kinds = onnx.defs.OpSchema.AttrType
    if kind == schema_kinds.INT:
        yield from ((str(v), helper.make_attribute(name, v)) for v in EXTREMES)
    elif kind == schema_kinds.INTS:
        yield from ((f"{count}x{v}", helper.make_attribute(name, [v] * count)) for count in (1, 2, 4) for v in EXTREMES)
    elif kind == schema_kinds.FLOAT:
        yield from ((str(v), helper.make_attribute(name, v)) for v in FLOATS)
    elif kind == schema_kinds.STRING:
        yield from ((f"text{k}", helper.make_attribute(name, v)) for k, v in enumerate(TEXTS))


def set_only(node, attributes):
    kept = [helper.AttributeProto.FromString(a.SerializeToString()) for a in attributes]
    del node.attribute[:]
    node.attribute.extend(kept)


def as_constants(base, arrays, which=None):
    """The inputs (those of `which`) with their data as initializers."""
    copy = copied(base)
    for value in list(copy.graph.input):
        array = arrays.get(value.name)
        if isinstance(array, np.ndarray) and (which is None or value.name in which):
            copy.graph.initializer.append(numpy_helper.from_array(array, value.name))
            copy.graph.input.remove(value)
    return copy


def wrong_constants(base, arrays):
    constant = as_constants(base, arrays)
    yield "constant", constant
    for i, tensor in enumerate(constant.graph.initializer):
        integers = [t.name for t in constant.graph.initializer if t.data_type in INTEGERS]
        for label, changed in other_tensors(tensor):
            copy = copied(constant)
            copy.graph.initializer[i].CopyFrom(changed)
            yield f"constant{i}_{label}", copy
            if tensor.data_type not in INTEGERS:
                continue
            only = as_constants(base, arrays, integers)  # the rest stays an input, so that nothing is folded
            place = [t.name for t in only.graph.initializer].index(tensor.name)
            only.graph.initializer[place].CopyFrom(changed)
            yield f"half_constant{i}_{label}", only


def wrong_outputs(base):
    yield "outputs_more", edit(base, lambda m, n: n.output.extend(f"more{k}" for k in range(40)))
    yield "outputs_none", edit(base, lambda m, n: n.output.__delitem__(slice(None)))
    yield "outputs_same", edit(base, lambda m, n: n.output.extend(list(n.output)))
    yield "outputs_empty_names", edit(base, lambda m, n: [n.output.__setitem__(i, "") for i in range(len(n.output))])
    yield "opset_old", edit(base, lambda m, n: setattr(m.opset_import[0], "version", 1))
    yield "opset_6", edit(base, lambda m, n: setattr(m.opset_import[0], "version", 6))
    yield "opset_negative", edit(base, lambda m, n: setattr(m.opset_import[0], "version", -5))
    for i, value in enumerate(base.graph.output):
        if not value.type.HasField("tensor_type"):
            continue
        yield f"output{i}_type", edit(base, lambda m, n, i=i: setattr(m.graph.output[i].type.tensor_type, "elem_type", TensorProto.STRING))
        yield f"output{i}_scalar", edit(base, lambda m, n, i=i: set_dims(m.graph.output[i], []))
        yield f"output{i}_huge", edit(base, lambda m, n, i=i: set_dims(m.graph.output[i], [1 << 40]))


def wrong_data(base, arrays):
    """Right models with inputs that hold anything."""
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or not array.size or array.dtype not in (np.int64, np.int32, np.float32):
            continue
        for value in EXTREMES if array.dtype.kind == "i" else FLOATS:
            for index in (0, -1):
                changed = spoilt(array, index, value) if array.dtype.kind == "i" else np.where(np.arange(array.size).reshape(array.shape) == index % array.size, value, array)
                yield f"data_{name}_{index}_{value}", base, dict(arrays, **{name: changed.astype(array.dtype)})


# ---------------------------------------------------------------- the variants

def bases():
    """{operator: [(name, model, arrays)]}, small ones of one node."""
    found = collections.defaultdict(list)
    for case in sorted(conformance.node_cases(), key=lambda case: case.model.ByteSize()):
        node = case.model.graph.node[0] if len(case.model.graph.node) == 1 else None
        if node is None:
            continue
        key = (node.domain, node.op_type)
        forms = {(len(n.input), frozenset(a.name for a in n.attribute)) for _, m, _ in found[key] for n in m.graph.node}
        if len(found[key]) >= BASES or (len(node.input), frozenset(a.name for a in node.attribute)) in forms:
            continue
        values = case.data_sets[0][0] if case.data_sets else []
        arrays = {v.name: np.asarray(a) for v, a in zip(case.model.graph.input, values) if isinstance(a, np.ndarray)}
        found[key].append((case.name.replace("node/test_", ""), case.model, arrays))
    return found


def variants():
    for cases in bases().values():
        for name, model, arrays in cases:
            for family in (wrong_inputs, wrong_types, wrong_attributes, wrong_outputs):
                for label, changed in family(model):
                    yield Variant(f"{name}/{label}", changed, None)
            for label, changed in wrong_constants(model, arrays):
                yield Variant(f"{name}/{label}", changed, None)
            for label, same, inputs in wrong_data(model, arrays):
                yield Variant(f"{name}/{label}", same, inputs)


# ---------------------------------------------------------------- running them

def limited(command, options):
    """(exit status, output, seconds) of a command that is ended when it takes too long, and gets no more memory than given."""
    started = time.monotonic()
    if options.memory:
        command = ["prlimit", f"--data={options.memory << 20}", *command]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    timer = threading.Timer(options.seconds, process.kill)
    timer.start()
    output = process.stdout.read()
    status = process.wait()
    timer.cancel()
    return status, output.decode("utf-8", "replace"), time.monotonic() - started


def judge(running, status, output, seconds, options):
    if seconds >= options.seconds:
        return f"more than {options.seconds:.0f} s"
    if "Sanitizer" in output or "runtime error:" in output:
        return "a sanitizer's report"
    if status == 4 and running and "fatal: out of memory" in output:
        return None  # inputs or a workspace as large as the model says
    if status not in (0, 1):
        return f"exit status {status}"
    if status == 1 and "error: " not in output:
        return "refused without a message"
    if re.search(r"internal error|\(null\)|error: *$", output):
        return "a message that says nothing"
    return None


def check(variant, options):
    """None, or what is wrong."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as scratch:
        folder = pathlib.Path(scratch)
        model = folder / "model.onnx"
        model.write_bytes(variant.model.SerializeToString())
        commands = [[options.tenon, "compile", str(model), "-o", str(folder / "model.o"), "-O1"]]
        if variant.inputs is not None:
            np.savez(folder / "in.npz", **variant.inputs)
            commands = [[options.tenon, "run", str(model), str(folder / "in.npz"), "-o", str(folder / "out"), *more] for more in ([], ["--interpret"])]
        elif options.run:
            commands.append([options.tenon, "run", str(model), "-o", str(folder / "out")])
        for command in commands:
            result = limited(command, options)
            wrong = judge(command[1] == "run", *result, options)
            if not wrong:
                continue
            if options.keep:
                kept = options.keep / variant.name.replace("/", "-")[:120]
                shutil.copytree(folder, kept, dirs_exist_ok=True)
            return f"{variant.name}: {' '.join(command[1:2] + command[5:])}: {wrong}\n" + "\n".join("    " + line[:300] for line in result[1].splitlines()[:12])
    return None


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon", type=os.path.abspath)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, default=1 << 30)
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--run", action="store_true", help="also run what is compiled, on random inputs")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--memory", type=int, default=512, metavar="MIB", help="0: as much as it wants")
    parser.add_argument("--jobs", type=int, default=1)
    return parser.parse_args()


def main():
    options = parse_arguments()
    chosen = [v for v in variants() if re.search(options.only, v.name)]
    if len(chosen) > options.sample:
        chosen = random.Random(options.seed).sample(chosen, options.sample)
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for wrong in pool.map(check, chosen, [options] * len(chosen)):
            if wrong:
                failures += 1
                print(wrong, flush=True)
    print(f"{len(chosen)} wrong models, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
