"""What the lists of operator cases are written with."""
import collections

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# expected: the outputs where onnxruntime has no kernel; None: ask onnxruntime
Case = collections.namedtuple("Case", "name model inputs tolerance codes expected")
random = np.random.default_rng(7)


def floats(*shape, low=-2.0, high=2.0, dtype=np.float32):
    return random.uniform(low, high, shape).astype(dtype)


def integers(low, high, *shape, dtype=np.int64):
    return random.integers(low, high, shape).astype(dtype)


def case(name, op, inputs, outputs=1, domain="", constants=(), opset=17, tolerance=1e-4, codes=1, version=1, expected=None, dims=None, **attributes):
    """One node. inputs: arrays in order (None: absent); those whose index is in `constants` become initializers.
    outputs: how many, or a list with "" for each that is an output of the model, "~" if not, "-" if it is absent. dims: by index of an input, its dims as the model declares them."""
    names = ["" if value is None else f"x{i}" for i, value in enumerate(inputs)]
    given = {f"x{i}": np.asarray(value) for i, value in enumerate(inputs) if value is not None and i not in constants}
    initializers = [numpy_helper.from_array(np.asarray(inputs[i]), f"x{i}") for i in constants]
    kinds = [""] * outputs if isinstance(outputs, int) else outputs
    results = ["" if kind == "-" else f"y{i}" for i, kind in enumerate(kinds)]
    node = helper.make_node(op, names, results, name="node", domain=domain, **attributes)
    shapes = {f"x{i}": shape for i, shape in (dims or {}).items()}
    infos = [helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(value.dtype), shapes.get(key, value.shape)) for key, value in given.items()]
    graph = helper.make_graph([node], "g", infos, [helper.make_empty_tensor_value_info(f"y{i}") for i, kind in enumerate(kinds) if not kind], initializers)
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, version)] if domain else [])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return Case(name, model, given, tolerance, codes, expected)
