"""Writes a model whose weights pass through several forms, or runs a command under a limit of memory.

peak_memory.py model OUT.onnx     convolutions, each with a batch norm, and a flattened image times a large matrix:
                                  all are transposed, the first are scaled too
peak_memory.py run MODEL WORDS..  the command's peak of resident memory must stay below the model's bytes and 300 MiB
"""
import os
import resource
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

CHANNELS, LAYERS, CLASSES, SIZE = 1536, 12, 320, 6
LIMIT = 300 << 20


def write_model(path):
    random = np.random.default_rng(1)
    weights, nodes, last = [], [], "x"

    def constant(name, shape, values=None):
        if values is None:  # bytes rather than normal numbers, which take longer to make
            values = random.integers(-999, 999, shape, np.int16).astype(np.float32) / 65536
        weights.append(helper.make_tensor(name, TensorProto.FLOAT, shape, values.tobytes(), raw=True))
        return name

    for i in range(LAYERS):
        w = constant(f"w{i}", (CHANNELS, CHANNELS, 1, 1))
        nodes.append(helper.make_node("Conv", [last, w], [f"c{i}"]))
        parts = [constant(f"{part}{i}", (CHANNELS,), np.linspace(0.5, 2, CHANNELS, dtype=np.float32))
                 for part in ("scale", "bias", "mean", "variance")]
        nodes.append(helper.make_node("BatchNormalization", [f"c{i}", *parts], [f"n{i}"]))
        nodes.append(helper.make_node("Relu", [f"n{i}"], [f"r{i}"]))
        last = f"r{i}"
    nodes.append(helper.make_node("Flatten", [last], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", constant("head", (CLASSES, CHANNELS * SIZE * SIZE))], ["y"], transB=1))
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, CHANNELS, SIZE, SIZE))
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, CLASSES))
    graph = helper.make_graph(nodes, "weights", [image], [result], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def run(model, words):
    subprocess.run(words, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    size = os.path.getsize(model)
    print(f"model {size >> 20} MiB, peak {peak >> 20} MiB", "within the limit" if peak < size + LIMIT else "TOO MUCH")


if sys.argv[1] == "model":
    write_model(sys.argv[2])
else:
    run(sys.argv[2], sys.argv[3:])
