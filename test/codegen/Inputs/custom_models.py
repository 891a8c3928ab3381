"""custom_models.py NAME FILE.onnx: a model with nodes of domain `test`, whose functions are in custom_functions.c."""
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

VALUE, NODE, GRAPH = helper.make_tensor_value_info, helper.make_node, helper.make_graph


def model(graph, functions=()):
    return helper.make_model(graph, ir_version=10, functions=list(functions),
                             opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("test", 1)])


def custom(op, inputs, outputs, **attributes):
    return NODE(op, inputs, outputs, domain="test", name=f"{op.lower()}_{outputs[0]}", **attributes)


def describe():
    """Every kind of operand and attribute; the result is a text that says what the function got."""
    names = numpy_helper.from_array(np.array(["ab", "", "c\u00e9"], dtype=object), "names")
    attributes = {"f": -0.5, "i": -(1 << 40), "s": "te\0xt", "fs": [1.5, float("inf")], "is": [1, -2, 3], "ss": ["x", "yz"],
                  "t": numpy_helper.from_array(np.array([[1, 2], [3, 65535]], np.uint16), "t")}
    node = custom("Describe", ["x", "", "i", "flag", "names", "half", "bits"], ["text"], **attributes)
    inputs = [VALUE("x", T.FLOAT, ["N", 2]), VALUE("i", T.INT64, []), VALUE("flag", T.BOOL, [3]),
              VALUE("half", T.FLOAT16, ["N"]), VALUE("bits", T.INT4, [3])]
    return model(GRAPH([node], "g", inputs, [VALUE("text", T.UINT8, [1024])], [names]))


def chain():
    """Between layers, whose layouts and fusions must not reach it."""
    weights = [numpy_helper.from_array(np.random.default_rng(k).standard_normal((6, 6, 3, 3)).astype(np.float32) / 5, f"w{k}") for k in (1, 2)]
    nodes = [NODE("Conv", ["x", "w1"], ["a"], pads=[1] * 4), NODE("Relu", ["a"], ["b"]), custom("Scale", ["b"], ["c"], factor=2.0),
             NODE("Relu", ["c"], ["d"]), NODE("Conv", ["d", "w2"], ["e"], pads=[1] * 4), custom("Scale", ["e"], ["y"], factor=-1.0)]
    shape = ["N", 6, 5, 7]
    return model(GRAPH(nodes, "g", [VALUE("x", T.FLOAT, shape)], [VALUE("y", T.FLOAT, shape)], weights,
                       value_info=[VALUE("c", T.FLOAT, shape)]))


def control():
    """In the branches of an If, in the body of a Loop, in a function that is called twice."""
    then = GRAPH([custom("Scale", ["x"], ["t"], factor=3.0)], "then", [], [VALUE("t", T.FLOAT, ["N", 2])])
    otherwise = GRAPH([NODE("Neg", ["x"], ["u"]), custom("Scale", ["u"], ["v"], factor=0.5)], "else", [], [VALUE("v", T.FLOAT, ["N", 2])])
    body = GRAPH([custom("Scale", ["s"], ["s2"], factor=2.0), NODE("Identity", ["go"], ["go2"])], "body",
                 [VALUE("turn", T.INT64, []), VALUE("go", T.BOOL, []), VALUE("s", T.FLOAT, ["N", 2])],
                 [VALUE("go2", T.BOOL, []), VALUE("s2", T.FLOAT, ["N", 2])])
    inner = NODE("Scale", ["p"], ["q"], domain="test")
    factor = inner.attribute.add()
    factor.name, factor.type, factor.ref_attr_name = "factor", onnx.AttributeProto.FLOAT, "by"
    function = helper.make_function("test", "Twice", ["p"], ["r"], [inner, NODE("Add", ["q", "q"], ["r"])], [helper.make_opsetid("", 21), helper.make_opsetid("test", 1)],
                                    attributes=["by"], value_info=[VALUE("q", T.FLOAT, ["R", "C"]), VALUE("p", T.FLOAT, ["R", "C"])])
    nodes = [NODE("If", ["c"], ["a"], then_branch=then, else_branch=otherwise), NODE("Loop", ["turns", "", "a"], ["b"], body=body),
             custom("Twice", ["b"], ["d"], by=0.25), custom("Twice", ["d"], ["y"], by=4.0)]
    return model(GRAPH(nodes, "g", [VALUE("x", T.FLOAT, ["N", 2]), VALUE("c", T.BOOL, []), VALUE("turns", T.INT64, [])],
                       [VALUE("y", T.FLOAT, ["N", 2])]), [function])


def effects():
    """Functions with effects: none is left out, merged or exchanged with another. The results count the calls."""
    nodes = [custom("Count", ["x"], ["unused"]), custom("Count", ["x"], ["a"]), custom("Count", ["x"], ["b"]),
             NODE("Concat", ["b", "a"], ["y"], axis=0)]
    shape = [1]
    return model(GRAPH(nodes, "g", [VALUE("x", T.FLOAT, shape)], [VALUE("y", T.FLOAT, [2])],
                       value_info=[VALUE(name, T.FLOAT, shape) for name in ("unused", "a", "b")]))


def untyped():
    """Nothing says what `h` is."""
    nodes = [custom("Shape", ["x", "k"], ["h"]), NODE("Relu", ["h"], ["y"])]
    return model(GRAPH(nodes, "g", [VALUE("x", T.FLOAT, ["N", 3]), VALUE("k", T.FLOAT, ["M", "N"])], [VALUE("y", T.FLOAT, None)]))


def named():
    """`h` is declared with a dim that no input has."""
    nodes = [custom("Shape", ["x"], ["h"]), NODE("Relu", ["h"], ["y"])]
    return model(GRAPH(nodes, "g", [VALUE("x", T.FLOAT, ["N", 3])], [VALUE("y", T.FLOAT, None)], value_info=[VALUE("h", T.FLOAT, ["Q", 3])]))


def unusual():
    """A subgraph as an attribute, a sequence as an input."""
    nodes = [custom("Shape", ["x"], ["h"], body=GRAPH([], "none", [], [])), NODE("SequenceConstruct", ["x"], ["s"]), custom("Shape", ["s"], ["y"])]
    return model(GRAPH(nodes, "g", [VALUE("x", T.FLOAT, [3])], [VALUE("y", T.FLOAT, [3])], value_info=[VALUE("h", T.FLOAT, [3])]))


def known():
    """An operator that tenon knows."""
    return model(GRAPH([NODE("Relu", ["x"], ["y"], name="relu")], "g", [VALUE("x", T.FLOAT, [3])], [VALUE("y", T.FLOAT, [3])]))


onnx.save(globals()[sys.argv[1]](), sys.argv[2])
