"""Writes scorer.onnx: features of N frames -> a hidden layer -> two operators of the domain `acme`, which no runtime knows."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES, HIDDEN = 8, 4


def make_model():
    weights = ((np.arange(FEATURES * HIDDEN).reshape(FEATURES, HIDDEN) * 7) % 11 - 5) / 8
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["hidden"], name="layer"),
        helper.make_node("SoftThreshold", ["hidden"], ["sparse"], name="threshold", domain="acme", threshold=0.25),
        helper.make_node("WeightedRank", ["sparse"], ["rank", "best"], name="rank", domain="acme",
                         weights=[1.0, 0.5, 0.25, 2.0], order="descending"),
    ]
    graph = helper.make_graph(
        nodes, "scorer",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", FEATURES])],
        [helper.make_tensor_value_info("rank", TensorProto.INT32, ["N", HIDDEN]),
         helper.make_tensor_value_info("best", TensorProto.FLOAT, ["N"])],
        [numpy_helper.from_array(weights.astype(np.float32), "weights")],
        value_info=[helper.make_tensor_value_info("sparse", TensorProto.FLOAT, ["N", HIDDEN])])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


if __name__ == "__main__":
    onnx.save(make_model(), sys.argv[1])
