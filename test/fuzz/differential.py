#!/usr/bin/env python3
"""Random valid graphs by seed, of f32, of integers and booleans (compared bit for bit), or of f16, bf16 and f64: what compiled code computes is compared with the interpreter.

  differential.py TENON [--seed N] [--count N] [--seconds S] [--keep FOLDER]

A graph that differs, crashes or is refused is kept (FOLDER/seed-N) with the command that shows it.  The same seed
gives the same graph and options; each graph ends in several outputs, so that fusion has readers to respect.
"""
import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LARGEST = 6561  # elements of a value: no fewer than the largest input has
UNARY = ("Relu", "Neg", "Sigmoid", "Tanh", "Abs", "LeakyRelu", "HardSwish", "Softplus", "Erf", "Elu", "Softsign", "Identity")
BINARY = ("Add", "Sub", "Mul", "Max", "Min")
REDUCE = ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare")
PIPELINES = ("prune{sparsity=0.8}", "prune{sparsity=0.7},cluster{bits=3}", "cluster{bits=4},entropy", "lowrank{rank=2}",
             "prune{sparsity=0.9},entropy")


class Graph:
    """Nodes so far; values are [(name, shape)], all f32.."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.data = np.random.default_rng(seed)
        self.nodes, self.weights, self.values, self.inputs = [], [], [], {}

    def weight(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def floats(self, shape, scale=1.0):
        return self.weight((self.data.standard_normal(shape) * scale).astype(np.float32))

    def ints(self, values):
        return self.weight(np.array(values, np.int64))

    def add(self, op, inputs, shape, **attributes):
        if np.prod(shape, dtype=np.int64) > LARGEST:
            return
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        self.values.append((name, tuple(int(d) for d in shape)))

    def pick(self):
        """Mostly a recent value."""
        return self.rng.choice(self.values[-4:] if self.rng.random() < 0.7 else self.values)


def unary(g):
    x, shape = g.pick()
    g.add(g.rng.choice(UNARY), [x], shape)


def binary(g):
    x, shape = g.pick()
    same = [name for name, other in g.values if other == shape]
    if g.rng.random() < 0.5:
        other = g.rng.choice(same)
    else:
        part = [d if g.rng.random() < 0.5 else 1 for d in shape][g.rng.randint(0, len(shape)):]
        other = g.floats(part)
    pair = [x, other]
    g.rng.shuffle(pair)
    g.add(g.rng.choice(BINARY), pair, shape)


def window(g, spatial, most):
    kernel = [g.rng.randint(1, min(most, d)) for d in spatial]
    strides = [g.rng.randint(1, 3) for _ in spatial]
    dilations = [g.rng.randint(1, 2) if k > 1 else 1 for k in kernel]
    pads = [g.rng.randint(0, k - 1) for k in kernel * 2]
    n = len(spatial)
    sizes = [d + pads[i] + pads[n + i] - (dilations[i] * (kernel[i] - 1) + 1) for i, d in enumerate(spatial)]
    return kernel, strides, dilations, pads, [s // strides[i] + 1 for i, s in enumerate(sizes)] if min(sizes) >= 0 else None


def images(g):
    fitting = [v for v in g.values if 3 <= len(v[1]) <= 5 and min(v[1]) > 0]
    return g.rng.choice(fitting) if fitting else (None, None)


def conv(g):
    x, shape = images(g)
    if not x:
        return
    channels, spatial = shape[1], list(shape[2:])
    kernel, strides, dilations, pads, result = window(g, spatial, 5)
    if g.rng.random() < 0.3 and len(spatial) == 2 and min(spatial) >= 3:
        kernel, strides, dilations, pads, result = [3, 3], [1, 1], [1, 1], [1, 1, 1, 1], spatial
    if not result:
        return
    group = g.rng.choice([d for d in range(1, channels + 1) if channels % d == 0])
    out = group * g.rng.randint(1, 6)
    inputs = [x, g.floats([out, channels // group] + kernel, 0.3)] + ([g.floats([out])] if g.rng.random() < 0.5 else [])
    g.add("Conv", inputs, [shape[0], out] + result, group=group, strides=strides, dilations=dilations, pads=pads)


def conv_transpose(g):
    x, shape = images(g)
    if not x:
        return
    channels, spatial = shape[1], list(shape[2:])
    group = g.rng.choice([d for d in range(1, channels + 1) if channels % d == 0])
    out, kernel, strides = g.rng.randint(1, 4), [g.rng.randint(1, 3) for _ in spatial], [g.rng.randint(1, 3) for _ in spatial]
    result = [(d - 1) * s + k for d, s, k in zip(spatial, strides, kernel)]
    g.add("ConvTranspose", [x, g.floats([channels, out] + kernel, 0.3)], [shape[0], group * out] + result, group=group, strides=strides)


def pool(g):
    x, shape = images(g)
    if not x:
        return
    kernel, strides, dilations, pads, result = window(g, list(shape[2:]), 3)
    if not result:
        return
    kind = g.rng.choice(("MaxPool", "AveragePool"))
    extra = {"count_include_pad": g.rng.randint(0, 1)} if kind == "AveragePool" else {}
    g.add(kind, [x], list(shape[:2]) + result, kernel_shape=kernel, strides=strides, dilations=dilations, pads=pads, **extra)


def matmul(g):
    x, shape = g.pick()
    if not shape:
        return
    n = g.rng.choice((1, 2, 5, 8, 17, 32))
    g.add("MatMul", [x, g.floats([shape[-1], n], 0.3)], shape[:-1] + (n,))


def reduce(g):
    x, shape = g.pick()
    axes = [i for i in range(len(shape)) if g.rng.random() < 0.5]
    if not axes or 0 in (shape[i] for i in axes):
        return
    keep = g.rng.randint(0, 1)
    result = [1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes]
    g.add(g.rng.choice(REDUCE), [x, g.ints(axes)], result, keepdims=keep)


def transpose(g):
    x, shape = g.pick()
    if not shape:
        return
    perm = list(range(len(shape)))
    g.rng.shuffle(perm)
    g.add("Transpose", [x], [shape[i] for i in perm], perm=perm)


def slice_(g):
    x, shape = g.pick()
    if not shape or min(shape) < 1:
        return
    axis = g.rng.randrange(len(shape))
    size, step = shape[axis], g.rng.choice((-2, -1, 1, 2, 3))
    start = g.rng.randrange(size)
    end = g.rng.choice([-size - 1, start - 1 - size] if step < 0 and start else [-size - 1]) if step < 0 else g.rng.randint(start + 1, size)
    count = len(range(size)[start:(None if end == -size - 1 else end):step])
    g.add("Slice", [x, g.ints([start]), g.ints([end]), g.ints([axis]), g.ints([step])], [count if i == axis else d for i, d in enumerate(shape)])


def pad(g):
    x, shape = g.pick()
    if not shape:
        return
    pads = [g.rng.randint(0, 2) for _ in range(2 * len(shape))]
    g.add("Pad", [x, g.ints(pads)], [d + pads[i] + pads[len(shape) + i] for i, d in enumerate(shape)])


def concat(g):
    x, shape = g.pick()
    if not shape:
        return
    axis = g.rng.randrange(len(shape))
    others = [v for v in g.values if len(v[1]) == len(shape) and all(a == b or i == axis for i, (a, b) in enumerate(zip(v[1], shape)))]
    parts = [(x, shape)] + [g.rng.choice(others) for _ in range(g.rng.randint(1, 3))]
    g.add("Concat", [p[0] for p in parts], [sum(p[1][axis] for p in parts) if i == axis else d for i, d in enumerate(shape)], axis=axis)


def reshape(g):
    x, shape = g.pick()
    rest, dims = int(np.prod(shape, dtype=np.int64)), []
    while rest > 1 and len(dims) < 3:
        factor = g.rng.choice([d for d in range(1, rest + 1) if rest % d == 0])
        dims.append(factor)
        rest //= factor
    dims.append(rest)
    g.add("Reshape", [x, g.ints(dims)], dims, allowzero=1)


def gather(g):
    x, shape = g.pick()
    if not shape:
        return
    axis = g.rng.randrange(len(shape))
    if shape[axis] == 0:
        return
    indices = [g.rng.randrange(-shape[axis], shape[axis]) for _ in range(g.rng.randint(1, 4))]
    g.add("Gather", [x, g.ints(indices)], shape[:axis] + (len(indices),) + shape[axis + 1:], axis=axis)


def softmax(g):
    x, shape = g.pick()
    if shape and min(shape) > 0:
        g.add(g.rng.choice(("Softmax", "LogSoftmax")), [x], shape, axis=g.rng.randrange(len(shape)))


def normalise(g):
    x, shape = g.pick()
    if len(shape) >= 3 and min(shape) > 0 and g.rng.random() < 0.5:
        c = shape[1]
        variance = g.weight(np.abs(g.data.standard_normal(c)).astype(np.float32) + 0.5)
        g.add("BatchNormalization", [x, g.floats([c]), g.floats([c]), g.floats([c]), variance], shape)
    elif shape and shape[-1] > 1 and min(shape) > 0:
        g.add("LayerNormalization", [x, g.floats([shape[-1]]), g.floats([shape[-1]])], shape, epsilon=0.01)


STEPS = (unary, unary, unary, binary, binary, binary, conv, conv, conv, conv_transpose, pool, matmul, matmul, reduce, transpose, slice_, pad, concat,
         reshape, gather, softmax, normalise)


# ---------------------------------------------------------------- other types

INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
BFLOAT16 = helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)
ROUNDED = (np.float16, np.float64, BFLOAT16)


class TypedGraph(Graph):
    """Values are [(name, shape, dtype)]."""

    def random(self, shape, dtype):
        if dtype == np.bool_:
            return self.data.random(shape) < 0.5
        if np.dtype(dtype) not in map(np.dtype, INTEGERS):
            return self.data.standard_normal(shape).astype(dtype)
        limits = np.iinfo(dtype)
        if self.rng.random() < 0.3:  # anything, the ends included
            array = self.data.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
            return np.where(self.data.random(shape) < 0.1, dtype(self.rng.choice((limits.min, limits.max))), array).astype(dtype)
        return self.data.integers(max(limits.min, -20), 20, shape).astype(dtype)

    def put(self, op, inputs, shape, dtype, **attributes):
        if np.prod(shape, dtype=np.int64) > LARGEST:
            return
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        self.values.append((name, tuple(int(d) for d in shape), np.dtype(dtype)))

    def partner(self, shape, dtype, nonzero=False):
        """A value of that shape, or a constant that broadcasts to it."""
        same = [v[0] for v in self.values if v[1] == shape and v[2] == dtype]
        if same and not nonzero and self.rng.random() < 0.5:
            return self.rng.choice(same)
        part = [d if self.rng.random() < 0.5 else 1 for d in shape][self.rng.randint(0, len(shape)):]
        array = self.random(part, np.dtype(dtype).type)
        return self.weight(np.where(array == 0, 1, array).astype(dtype) if nonzero else array)


def is_integer(dtype):
    return dtype.kind in "iu" and dtype != BFLOAT16


def typed_arithmetic(g):
    x, shape, dtype = g.pick()
    if dtype == np.bool_:
        g.put(g.rng.choice(("And", "Or", "Xor")), [x, g.partner(shape, dtype)], shape, dtype)
    elif is_integer(dtype) and g.rng.random() < 0.4:
        op = g.rng.choice(("BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Mod"))
        g.put(op, [x, g.partner(shape, dtype, nonzero=op in ("Div", "Mod"))], shape, dtype)
    else:
        g.put(g.rng.choice(BINARY), [x, g.partner(shape, dtype)], shape, dtype)


def typed_unary(g):
    x, shape, dtype = g.pick()
    if dtype == np.bool_:
        g.put("Not", [x], shape, dtype)
    elif dtype.kind == "u":
        g.put("BitwiseNot", [x], shape, dtype)
    else:
        g.put(g.rng.choice(("Neg", "Abs", "Sign") if is_integer(dtype) else ("Neg", "Abs", "Relu")), [x], shape, dtype)


def typed_cast(g):
    x, shape, dtype = g.pick()
    to = np.dtype(g.rng.choice((*INTEGERS, np.bool_) if is_integer(dtype) or dtype == np.bool_ else ROUNDED))
    g.put("Cast", [x], shape, to, to=helper.np_dtype_to_tensor_dtype(to))


def typed_compare(g):
    x, shape, dtype = g.pick()
    if is_integer(dtype):
        g.put(g.rng.choice(("Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual")), [x, g.partner(shape, dtype)], shape, np.bool_)


def typed_where(g):
    x, shape, dtype = g.pick()
    g.put("Where", [g.partner(shape, np.dtype(np.bool_)), x, g.partner(shape, dtype)], shape, dtype)


def typed_reduce(g):
    x, shape, dtype = g.pick()
    axes = [i for i in range(len(shape)) if g.rng.random() < 0.5]
    if dtype not in (np.int32, np.int64, np.uint32, np.uint64, np.float64) or not axes or 0 in shape:
        return
    keep = g.rng.randint(0, 1)
    result = [1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes]
    g.put(g.rng.choice(("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd")[:4 if is_integer(dtype) else 3]), [x, g.ints(axes)], result, dtype, keepdims=keep)


def typed_arg(g):
    x, shape, dtype = g.pick()
    if shape and 0 not in shape and is_integer(dtype):
        axis = g.rng.randrange(len(shape))
        g.put(g.rng.choice(("ArgMax", "ArgMin")), [x], [1 if i == axis else d for i, d in enumerate(shape)], np.int64, axis=axis, select_last_index=g.rng.randint(0, 1))


def typed_move(g):
    x, shape, dtype = g.pick()
    if not shape or 0 in shape:
        return
    axis, rank = g.rng.randrange(len(shape)), len(shape)
    kind, size = g.rng.randrange(6), shape[axis]
    if kind == 0:
        perm = g.rng.sample(range(rank), rank)
        g.put("Transpose", [x], [shape[i] for i in perm], dtype, perm=perm)
    elif kind == 1:
        step = g.rng.choice((-3, -2, -1, 1, 2))
        count = len(range(size)[::step])
        ends = (-1, -size - 1) if step < 0 else (0, 1 << 40)
        g.put("Slice", [x, g.ints([ends[0]]), g.ints([ends[1]]), g.ints([axis]), g.ints([step])], [count if i == axis else d for i, d in enumerate(shape)], dtype)
    elif kind == 2:
        indices = [g.rng.randrange(-size, size) for _ in range(g.rng.randint(1, 4))]
        g.put("Gather", [x, g.ints(indices)], shape[:axis] + (len(indices),) + shape[axis + 1:], dtype, axis=axis)
    elif kind == 3:
        indices = g.data.integers(-size, size, shape)
        g.put("GatherElements", [x, g.ints(indices)], shape, dtype, axis=axis)
    elif kind == 4:
        indices = [g.rng.randrange(size)]
        update = [1 if i == axis else d for i, d in enumerate(shape)]
        g.put("ScatterElements", [x, g.ints(np.full(update, indices[0])), g.weight(g.random(update, dtype.type))], shape, dtype, axis=axis)
    elif dtype != np.bool_:
        mode = g.rng.choice(("constant", "edge", "reflect", "wrap"))
        pads = [g.rng.randint(0, min(2, d - 1)) for d in shape * 2]
        g.put("Pad", [x, g.ints(pads)], [d + pads[i] + pads[rank + i] for i, d in enumerate(shape)], dtype, mode=mode)


def typed_product(g):
    x, shape, dtype = g.pick()
    if len(shape) < 2 or dtype not in (np.int32, np.int64, np.uint32, np.uint64, np.int8, np.uint8):
        return
    n = g.rng.choice((1, 3, 8, 17))
    if dtype.itemsize > 1:
        g.put("MatMul", [x, g.weight(g.random([shape[-1], n], dtype.type))], shape[:-1] + (n,), dtype)
    else:
        other = g.rng.choice((np.int8, np.uint8))
        zeros = [g.weight(np.array(g.rng.randint(0, 9), t)) for t in (dtype, other)] if g.rng.random() < 0.5 else []
        g.put("MatMulInteger", [x, g.weight(g.random([shape[-1], n], other)), *zeros], shape[:-1] + (n,), np.int32)


TYPED_STEPS = (typed_arithmetic, typed_arithmetic, typed_unary, typed_cast, typed_compare, typed_where, typed_reduce, typed_arg, typed_move, typed_move, typed_product)


def make_typed(seed, dtypes):
    g = TypedGraph(seed)
    arrays = {}
    for i in range(g.rng.randint(1, 3)):
        shape = tuple(g.rng.choice((1, 2, 3, 5, 8, 9)) for _ in range(g.rng.choice((1, 2, 3, 4))))
        dtype = np.dtype(g.rng.choice(dtypes))
        arrays[f"x{i}"] = g.random(shape, dtype.type)
        g.values.append((f"x{i}", shape, dtype))
    for _ in range(g.rng.randint(3, 16)):
        g.rng.choice(TYPED_STEPS)(g)
    if not g.nodes:
        g.put("Identity", ["x0"], *g.values[0][1:])
    read = {name for node in g.nodes for name in node.input}
    outputs = [v for v in g.values if v[0] not in arrays and (v[0] not in read or g.rng.random() < 0.1)]
    value = lambda v: helper.make_tensor_value_info(v[0], helper.np_dtype_to_tensor_dtype(v[2]), v[1])
    graph = helper.make_graph(g.nodes, "g", [value(v) for v in g.values[:len(arrays)]], [value(v) for v in outputs], g.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model, arrays, ["-O" + g.rng.choice("01233s")]


EXACT = ["--rtol=0", "--atol=0"]
KINDS = ("f32", "f32", "integers", "integers", "rounded")


def make(seed):
    """The model, its data and the options of this seed."""
    kind = KINDS[seed % len(KINDS)]
    if kind == "integers":
        model, arrays, options = make_typed(seed, (*INTEGERS, np.bool_))
        return model, arrays, options + EXACT
    if kind == "rounded":
        model, arrays, options = make_typed(seed, ROUNDED)
        return model, arrays, options + ["--rtol=0.02"]
    return make_f32(seed)


def make_f32(seed):
    g = Graph(seed)
    for i in range(g.rng.randint(1, 2)):
        rank = g.rng.choice((1, 2, 3, 4, 4, 4, 5))
        shape = tuple(g.rng.choice((1, 2, 3, 4, 5, 7, 8, 9)[:5 if rank == 5 else 7]) for _ in range(rank))
        g.inputs[f"x{i}"] = shape
        g.values.append((f"x{i}", shape))
    for _ in range(g.rng.randint(3, 14)):
        g.rng.choice(STEPS)(g)
    if not g.nodes:
        g.add("Relu", ["x0"], g.inputs["x0"])
    read = {name for node in g.nodes for name in node.input}
    outputs = [v for v in g.values if v[0] not in g.inputs and (v[0] not in read or g.rng.random() < 0.1)]
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(g.nodes, "g", [value(*v) for v in g.inputs.items()], [value(*v) for v in outputs], g.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    arrays = {name: g.data.standard_normal(shape).astype(np.float32) for name, shape in g.inputs.items()}
    options = ["-O" + g.rng.choice("01233s")]
    if g.rng.random() < 0.4:
        options.append("--passes=" + g.rng.choice(PIPELINES))
    return model, arrays, options


def check(tenon, seed, folder):
    """None, or what went wrong."""
    model, arrays, options = make(seed)
    onnx.save(model, folder / "model.onnx")
    for i, (name, array) in enumerate(arrays.items()):
        (folder / f"input_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())
    command = [tenon, "run", str(folder / "model.onnx"), *(str(folder / f"input_{i}.pb") for i in range(len(arrays))), "-w"]
    common = [o for o in options if o.startswith("--passes")]
    for more in (["--interpret", "-O0", "-o", str(folder / "expected")] + common, options + ["--expect=" + str(folder / "expected"), "-o", str(folder / "out")]):
        try:
            done = subprocess.run(command + more, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            return " ".join(command + more) + "\nmore than 120 s"
        if done.returncode:
            return " ".join(command + more) + f"\nexit status {done.returncode}\n" + (done.stdout + done.stderr)[-2000:]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1 << 30)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    end, seed, failures = time.time() + options.seconds, options.seed, 0
    while seed < options.seed + options.count and time.time() < end:
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            if options.keep:
                folder = options.keep / f"seed-{seed}"
                folder.mkdir(parents=True, exist_ok=True)
            wrong = check(options.tenon, seed, folder)
            if wrong:
                failures += 1
                print(f"seed {seed}: {wrong}", flush=True)
            elif options.keep:
                subprocess.run(["rm", "-rf", str(folder)], check=True)
        seed += 1
    print(f"{seed - options.seed} graphs, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
