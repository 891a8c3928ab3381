"""The domain com.microsoft: what onnxruntime's optimiser, quantizer and model builder write."""
import itertools
import math

import numpy as np

from onnx import TensorProto, helper, numpy_helper

from operator_cases import Case, case, floats, integers, random


def microsoft(name, op, inputs, outputs=1, **keywords):
    return case(name, op, inputs, outputs, domain="com.microsoft", **keywords)


def u8(*shape):
    return integers(0, 256, *shape, dtype=np.uint8)


def i8(*shape):
    return integers(-128, 128, *shape, dtype=np.int8)


def i8_weights(*shape):
    """7 bits: on x86 without VNNI onnxruntime adds pairs of u8 * i8 products in 16 bits, which saturate beyond that."""
    return integers(-64, 65, *shape, dtype=np.int8)


def scale(value):
    return np.float32(value)


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def heads_attention(q, k, v):  # [batch, heads, tokens, size] each
    y = softmax(q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])) @ v
    return y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], -1)


def group_norm(x, gamma, beta, groups, silu):
    split = x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
    centred = split - split.mean((1, 3), keepdims=True)
    y = (centred / np.sqrt((centred ** 2).mean((1, 3), keepdims=True) + 1e-5)).reshape(x.shape) * gamma + beta
    return y / (1 + np.exp(-y)) if silu else y


def fused():
    for activation, parameters in (("Relu", []), ("Tanh", []), ("Sigmoid", []), ("LeakyRelu", [0.2]), ("Clip", [-0.5, 0.75]), ("HardSigmoid", [0.3, 0.4])):
        more = {"activation_params": parameters} if parameters else {}
        yield microsoft(f"fused_conv_{activation}", "FusedConv", [floats(1, 3, 7, 6), floats(4, 3, 3, 3), floats(4)], constants=(1, 2),
                        activation=activation, pads=[1, 1, 1, 1], **more)
    yield microsoft("fused_conv_sum", "FusedConv", [floats(1, 3, 7, 6), floats(4, 3, 3, 3), floats(4), floats(1, 4, 7, 6)], constants=(1, 2),
                    activation="Relu", pads=[1, 1, 1, 1])
    yield microsoft("fused_gemm", "FusedGemm", [floats(3, 5), floats(4, 5), floats(4)], transB=1, alpha=0.5, beta=2.0, activation="LeakyRelu", activation_alpha=0.1)
    yield microsoft("fused_matmul", "FusedMatMul", [floats(2, 5, 3), floats(2, 4, 5)], transA=1, transB=1, alpha=0.25)
    yield microsoft("fused_matmul_batch", "FusedMatMul", [floats(3, 2, 5), floats(2, 5, 4)], transBatchA=1)
    yield microsoft("fused_matmul_both", "FusedMatMul", [floats(5, 2, 3), floats(4, 2, 5)], transA=1, transBatchA=1, transB=1, transBatchB=1)
    for op in ("Gelu", "QuickGelu"):
        yield microsoft(op, op, [floats(3, 8, low=-4, high=4)])
    yield microsoft("BiasGelu", "BiasGelu", [floats(3, 8, low=-4, high=4), floats(8)])
    yield microsoft("FastGelu", "FastGelu", [floats(3, 8, low=-4, high=4)])
    yield microsoft("FastGelu_bias", "FastGelu", [floats(3, 8, low=-4, high=4), floats(8)])
    yield microsoft("nhwc_max_pool", "NhwcMaxPool", [i8(1, 7, 8, 3)], kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    x, bias = floats(2, 3, 4, 5), floats(2, 1, 1, 5)
    yield microsoft("bias_softmax", "BiasSoftmax", [x, bias], axis=3, is_inner_broadcast=1, expected=[softmax(x + bias)])
    x, bias = floats(6, 3, 4), floats(1, 3, 4)
    yield microsoft("bias_softmax_outer", "BiasSoftmax", [x, bias], axis=1, is_inner_broadcast=0,
                    expected=[softmax((x + bias).reshape(6, 12)).reshape(x.shape)])
    x, bias, skip = floats(2, 3, 8), floats(8), floats(2, 3, 8)
    yield microsoft("bias_add", "BiasAdd", [x, bias, skip], expected=[x + bias + skip])
    gelu = (x + bias)[..., 4:] * 0.5 * (1 + np.vectorize(math.erf)((x + bias)[..., 4:] / np.sqrt(2)))
    yield microsoft("bias_split_gelu", "BiasSplitGelu", [x, bias], expected=[((x + bias)[..., :4] * gelu).astype(np.float32)])
    yield microsoft("trilu", "Trilu", [floats(3, 5, 4), np.array(1, np.int64)], upper=0, constants=(1,))


def norms():
    x, skip = floats(2, 3, 8), floats(2, 3, 8)
    yield microsoft("skip_layer_norm", "SkipLayerNormalization", [x, skip, floats(8), floats(8), floats(8)], ["", "-", "-", ""], epsilon=1e-5)
    yield microsoft("skip_layer_norm_plain", "SkipLayerNormalization", [x, skip, floats(8)], epsilon=1e-5)
    yield microsoft("skip_rms_norm", "SkipSimplifiedLayerNormalization", [x, skip, floats(8), floats(8)], ["", "-", "-", ""], epsilon=1e-5)
    yield case("rms_norm", "SimplifiedLayerNormalization", [x, floats(8)], axis=-1, epsilon=1e-5)
    x, gamma, beta, skip, bias = floats(2, 3, 4, 8), floats(8), floats(8), floats(2, 8), floats(8)
    for silu in (0, 1):
        yield microsoft(f"group_norm_{silu}", "GroupNorm", [x, gamma, beta], groups=4, activation=silu, channels_last=1, epsilon=1e-5,
                        expected=[group_norm(x, gamma, beta, 4, silu)])
    total = x + skip[:, None, None] + bias
    yield microsoft("skip_group_norm", "SkipGroupNorm", [x, gamma, beta, skip, bias], 2, groups=2, activation=1, channels_last=1, epsilon=1e-5,
                    expected=[group_norm(total, gamma, beta, 2, 1), total])
    ids, segments, mask = integers(0, 20, 2, 5, dtype=np.int32), integers(0, 2, 2, 5, dtype=np.int32), np.array([[1, 1, 1, 0, 0], [1] * 5], np.int32)
    tables = [floats(20, 8), floats(6, 8), floats(2, 8), floats(8), floats(8)]
    words = [ids, segments, *tables]
    yield microsoft("embed_layer_norm", "EmbedLayerNormalization", [*words, mask], 3, epsilon=1e-5)
    yield microsoft("embed_layer_norm_no_mask", "EmbedLayerNormalization", words, 2, epsilon=1e-5)
    yield microsoft("embed_layer_norm_no_segment", "EmbedLayerNormalization", [ids, None, tables[0], tables[1], None, tables[3], tables[4]], 2, epsilon=1e-5)
    yield microsoft("embed_layer_norm_positions", "EmbedLayerNormalization", [*words, None, integers(0, 6, 2, 5, dtype=np.int32)], 2, epsilon=1e-5)


def attentions():
    batch, tokens, heads, size = 2, 4, 3, 8
    hidden = heads * size
    x, w, b = floats(batch, tokens, hidden), floats(hidden, 3 * hidden, low=-0.3, high=0.3), floats(3 * hidden)
    past = floats(2, batch, heads, 3, size)
    lengths = np.array([4, 2], np.int32)
    yield microsoft("attention", "Attention", [x, w, b], num_heads=heads)
    yield microsoft("attention_causal", "Attention", [x, w, b], num_heads=heads, unidirectional=1, scale=0.2)
    yield microsoft("attention_lengths", "Attention", [x, w, b, lengths], num_heads=heads)
    yield microsoft("attention_starts", "Attention", [x, w, b, np.array([4, 3, 1, 0], np.int32)], num_heads=heads)
    yield microsoft("attention_mask", "Attention", [x, w, b, integers(0, 2, batch, tokens, dtype=np.int32)], num_heads=heads)
    yield microsoft("attention_mask3", "Attention", [x, w, b, integers(0, 2, batch, tokens, tokens, dtype=np.int32)], num_heads=heads)
    yield microsoft("attention_past", "Attention", [x, w, b, None, past], 2, num_heads=heads, unidirectional=1)
    yield microsoft("attention_bias", "Attention", [x, w, b, None, None, floats(batch, heads, tokens, tokens)], num_heads=heads)
    yield microsoft("attention_sizes", "Attention", [x, floats(hidden, 2 * hidden + 12), floats(2 * hidden + 12)], num_heads=heads,
                    qkv_hidden_sizes=[hidden, hidden, 12])
    yield microsoft("quantized_attention", "QAttention", [u8(batch, tokens, hidden), i8_weights(hidden, 3 * hidden), b, scale(0.02), scale(0.003), None, np.uint8(120), np.int8(0)],
                    num_heads=heads, constants=(1, 2, 3, 4, 6, 7), tolerance=1e-3)
    yield microsoft("quantized_attention_columns", "QAttention",
                    [u8(batch, tokens, hidden), i8_weights(hidden, 3 * hidden), b, scale(0.02), floats(3 * hidden, low=0.001, high=0.004), lengths, np.uint8(120), i8(3 * hidden)],
                    num_heads=heads, constants=(1, 2, 3, 4, 6, 7), tolerance=1e-3)
    q, k, v = floats(batch, tokens, hidden), floats(batch, 5, hidden), floats(batch, 5, hidden)
    yield microsoft("multi_head", "MultiHeadAttention", [q, k, v], num_heads=heads)
    yield microsoft("multi_head_bias", "MultiHeadAttention", [q, k, v, floats(3 * hidden)], num_heads=heads, scale=0.3)
    yield microsoft("multi_head_mask", "MultiHeadAttention", [q, k, v, None, integers(0, 2, batch, 5, dtype=np.int32), floats(1, heads, tokens, 5)], num_heads=heads)
    yield microsoft("multi_head_lengths", "MultiHeadAttention", [q, k, v, None, np.array([5, 3], np.int32)], num_heads=heads)
    yield microsoft("multi_head_given", "MultiHeadAttention", [q, floats(batch, heads, 5, size), floats(batch, heads, 5, size)], num_heads=heads)
    yield microsoft("multi_head_causal", "MultiHeadAttention", [q, floats(batch, tokens, hidden), floats(batch, tokens, hidden)], num_heads=heads, unidirectional=1)
    yield microsoft("multi_head_past", "MultiHeadAttention", [q, floats(batch, tokens, hidden), floats(batch, tokens, hidden), None, None, None,
                                                              floats(batch, heads, 3, size), floats(batch, heads, 3, size)], 3, num_heads=heads)
    packed = floats(batch, tokens, heads, 3, size)
    yield microsoft("multi_head_packed", "MultiHeadAttention", [packed], num_heads=heads, expected=[heads_attention(*packed.transpose(3, 0, 2, 1, 4))])
    packed = floats(batch, 5, heads, 2, size)
    yield microsoft("multi_head_packed_pair", "MultiHeadAttention", [q, packed], num_heads=heads,
                    expected=[heads_attention(q.reshape(batch, tokens, heads, size).transpose(0, 2, 1, 3), *packed.transpose(3, 0, 2, 1, 4))])


def grouped_attentions():
    heads, groups, size, length = 4, 2, 16, 12
    caches = [np.cos(floats(length, size // 2)), np.sin(floats(length, size // 2))]
    for batch, tokens, before in ((1, 5, 0), (1, 1, 4), (2, 1, 4), (2, 5, 0)):
        q, k, v = floats(batch, tokens, heads * size), floats(batch, tokens, groups * size), floats(batch, tokens, groups * size)
        past = [floats(batch, groups, before, size), floats(batch, groups, before, size)] if before else [None, None]
        seen = np.full(batch, before + tokens - 1, np.int32)
        total = np.array(before + tokens, np.int32)
        common = dict(num_heads=heads, kv_num_heads=groups)
        name = f"grouped_{batch}_{tokens}_{before}"
        yield microsoft(name, "GroupQueryAttention", [q, k, v, *past, seen, total], 3, **common)
        for interleaved in (0, 1):
            yield microsoft(f"{name}_rotary_{interleaved}", "GroupQueryAttention", [q, k, v, *past, seen, total, *caches], 3, **common, do_rotary=1,
                            rotary_interleaved=interleaved)
        yield microsoft(f"{name}_window", "GroupQueryAttention", [q, k, v, *past, seen, total], 3, **common, local_window_size=2, softcap=5.0, scale=0.2)
        yield microsoft(f"{name}_packed", "GroupQueryAttention", [floats(batch, tokens, (heads + 2 * groups) * size), None, None, *past, seen, total], 3, **common)
        yield microsoft(f"{name}_smooth", "GroupQueryAttention", [q, k, v, *past, seen, total], 3, **common, smooth_softmax=1)
    # rows of a batch that have seen more or less
    q, k, v = floats(2, 1, heads * size), floats(2, 1, groups * size), floats(2, 1, groups * size)
    yield microsoft("grouped_lengths", "GroupQueryAttention", [q, k, v, floats(2, groups, 4, size), floats(2, groups, 4, size), np.array([4, 2], np.int32),
                                                               np.array(5, np.int32), *caches], ["", "~", "~"], num_heads=heads, kv_num_heads=groups, do_rotary=1)


def rotary():
    cosines, sines = np.cos(floats(10, 4)), np.sin(floats(10, 4))
    for interleaved in (0, 1):
        yield microsoft(f"rotary_{interleaved}", "RotaryEmbedding", [floats(2, 3, 16), integers(0, 10, 2, 3), cosines, sines], interleaved=interleaved)
        yield microsoft(f"rotary_start_{interleaved}", "RotaryEmbedding", [floats(2, 2, 3, 8), np.array([4], np.int64), cosines, sines], interleaved=interleaved)
        yield microsoft(f"rotary_part_{interleaved}", "RotaryEmbedding", [floats(2, 3, 24), integers(0, 10, 2, 3), cosines, sines], interleaved=interleaved,
                        num_heads=2, rotary_embedding_dim=8)


def quantized():
    one = [scale(0.05), np.uint8(128)]
    for op in ("QLinearAdd", "QLinearMul"):
        yield microsoft(op, op, [u8(3, 5), *one, u8(5), scale(0.04), np.uint8(100), scale(0.1), np.uint8(120)], constants=(1, 2, 4, 5, 6, 7))
        yield microsoft(f"{op}_i8", op, [i8(3, 5), scale(0.05), np.int8(3), i8(3, 5), scale(0.04), np.int8(-7), scale(0.1), np.int8(1)], constants=(1, 2, 4, 5, 6, 7))
    yield microsoft("QLinearSigmoid", "QLinearSigmoid", [u8(4, 7), *one, scale(1 / 256), np.uint8(0)], constants=(1, 2, 3, 4))
    yield microsoft("QLinearLeakyRelu", "QLinearLeakyRelu", [u8(4, 7), *one, scale(0.05), np.uint8(90)], constants=(1, 2, 3, 4), alpha=0.2)
    yield microsoft("QLinearConcat", "QLinearConcat", [scale(0.1), np.uint8(100), u8(2, 3), *one, u8(2, 4), scale(0.2), np.uint8(90)], constants=(0, 1, 3, 4, 6, 7), axis=1)
    for last in (0, 1):
        yield microsoft(f"QLinearGlobalAveragePool_{last}", "QLinearGlobalAveragePool", [u8(2, 5, 6, 7), *one, scale(0.04), np.uint8(110)], constants=(1, 2, 3, 4),
                        channels_last=last)
        yield microsoft(f"QLinearAveragePool_{last}", "QLinearAveragePool", [u8(1, 5, 6, 7), *one, scale(0.04), np.uint8(110)], constants=(1, 2, 3, 4),
                        channels_last=last, kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 1])
    for opset, axis in ((13, -1), (13, 1), (11, 1)):
        yield softmax_case(opset, axis, one)
    yield microsoft("QLinearWhere", "QLinearWhere", [integers(0, 2, 3, 5).astype(bool), u8(3, 5), *one, u8(3, 5), scale(0.03), np.uint8(60), scale(0.06), np.uint8(99)],
                    constants=(2, 3, 5, 6, 7, 8))
    yield microsoft("QLinearConv_last", "QLinearConv", [u8(1, 6, 7, 3), *one, i8_weights(4, 3, 3, 3), scale(0.01), np.int8(0), scale(0.2), np.uint8(128), integers(-99, 99, 4, dtype=np.int32)],
                    constants=(1, 2, 3, 4, 5, 6, 7, 8), channels_last=1, pads=[1, 1, 1, 1])


def dequantized_products():
    """The form of the ONNX standard: DequantizeLinear of codes in blocks before MatMul."""
    for element, low, high in ((TensorProto.INT4, -8, 8), (TensorProto.UINT4, 0, 16), (TensorProto.UINT8, 0, 256), (TensorProto.INT8, -128, 128)):
        for k, zeros in ((64, True), (72, False)):
            n, block, x = 5, 32, floats(3, k)
            blocks = -(-k // block)
            constants = [helper.make_tensor("w", element, [k, n], integers(low, high, k * n).tolist()),
                         helper.make_tensor("z", element, [blocks, n], integers(low, high, blocks * n).tolist()),
                         numpy_helper.from_array(floats(blocks, n, low=0.01, high=0.1), "s")]
            nodes = [helper.make_node("DequantizeLinear", ["w", "s", "z"][:3 if zeros else 2], ["d"], axis=0, block_size=block),
                     helper.make_node("MatMul", ["x", "d"], ["y"])]
            graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", 1, ["M", k])], [helper.make_empty_tensor_value_info("y")],
                                      constants if zeros else constants[::2])
            yield Case(f"dequantized_{element}_{k}", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), {"x": x}, 1e-4, 1, None)


def softmax_case(opset, axis, one, dims=None):
    made = microsoft(f"QLinearSoftmax_{opset}_{axis}", "QLinearSoftmax", [u8(2, 5, 3), *one, scale(1 / 256), np.uint8(0)], constants=(1, 2, 3, 4), axis=axis, dims=dims)
    attribute = made.model.graph.node[0].attribute.add()
    attribute.name, attribute.type, attribute.i = "opset", 2, opset  # case() takes `opset` for the model's
    return made


def products():
    for turned in (0, 1):
        b = i8_weights(4, 6) if turned else i8_weights(6, 4)
        yield microsoft(f"QGemm_{turned}", "QGemm", [u8(3, 6), scale(0.02), np.uint8(100), b, scale(0.03), np.int8(0), integers(-500, 500, 4, dtype=np.int32), scale(0.1), np.uint8(128)],
                        constants=(1, 2, 3, 4, 5, 6, 7, 8), transB=turned, alpha=1.0)
        yield microsoft(f"QGemm_float_{turned}", "QGemm", [u8(3, 6), scale(0.02), np.uint8(100), b, floats(4, low=0.01, high=0.05), i8(4), integers(-500, 500, 4, dtype=np.int32)],
                        constants=(1, 2, 3, 4, 5, 6), transB=turned, alpha=1.0)
    yield microsoft("MatMulIntegerToFloat", "MatMulIntegerToFloat", [u8(3, 6), i8_weights(6, 4), scale(0.02), floats(4, low=0.01, high=0.05), np.uint8(99), i8(4), floats(4)],
                    constants=(1, 2, 3, 4, 5, 6))
    yield microsoft("DynamicQuantizeMatMul", "DynamicQuantizeMatMul", [floats(3, 6), i8_weights(6, 4), scale(0.02), np.int8(0), floats(4)], constants=(1, 2, 3, 4), tolerance=1e-3)
    yield microsoft("DynamicQuantizeMatMul_columns", "DynamicQuantizeMatMul", [floats(3, 6), i8_weights(6, 4), floats(4, low=0.01, high=0.05), i8(4)], constants=(1, 2, 3), tolerance=1e-3)
    steps, size, hidden = 3, 4, 5
    for columns, codes in (((), u8), ((4 * hidden,), i8)):
        zero = np.zeros((1, *columns), np.int8) if columns else u8(1)  # onnxruntime wants one zero point
        yield microsoft(f"DynamicQuantizeLSTM_{len(columns)}", "DynamicQuantizeLSTM",
                        [floats(steps, 2, size), codes(1, size, 4 * hidden), codes(1, hidden, 4 * hidden), floats(1, 8 * hidden), None, None, None, None,
                         floats(1, *columns, low=0.005, high=0.01), zero, floats(1, *columns, low=0.005, high=0.01), zero], 3,
                        constants=(1, 2, 3, 8, 9, 10, 11), hidden_size=hidden, tolerance=0.03)
    # What the quantizer writes for biases: a scale of one element beside a scalar zero point.
    yield case("dequantize_single", "DequantizeLinear", [integers(-1000, 1000, 7, dtype=np.int32), floats(1, low=0.01, high=0.1), np.int32(0)], constants=(1, 2))
    for bits, block, k, zero in itertools.product((4, 8), (16, 32), (64, 72), ("none", "packed", "float")):
        blocks, n = -(-k // block), 5
        b = u8(n, blocks, block * bits // 8)
        zeros = {"none": None, "packed": u8(n, -(-blocks * bits // 8)), "float": floats(n, blocks, low=0, high=2 ** bits)}[zero]
        if bits == 8 and zero == "float":
            continue  # onnxruntime refuses it
        inputs = [floats(3, k), b, floats(n, blocks, low=0.01, high=0.1), zeros]
        yield microsoft(f"MatMulNBits_{bits}_{block}_{k}_{zero}", "MatMulNBits", inputs, constants=tuple(i for i in (1, 2, 3) if inputs[i] is not None),
                        K=k, N=n, bits=bits, block_size=block)
    yield microsoft("MatMulNBits_bias", "MatMulNBits", [floats(2, 2, 32), u8(6, 2, 8), floats(6, 2), None, None, floats(6)], constants=(1, 2, 5), K=32, N=6, bits=4, block_size=16)
    for bits in (4, 8):
        blocks = 3
        packed = u8(7, blocks * 16 * bits // 8)
        yield microsoft(f"GatherBlockQuantized_{bits}", "GatherBlockQuantized", [packed, integers(0, 7, 2, 3), floats(7, blocks), u8(7, -(-blocks * bits // 8))],
                        constants=(0, 2, 3), bits=bits, block_size=16, quantize_axis=1, gather_axis=0)
        yield microsoft(f"GatherBlockQuantized_{bits}_middle", "GatherBlockQuantized", [packed, integers(0, 7, 4), floats(7, blocks)], constants=(0, 2), bits=bits,
                        block_size=16, quantize_axis=1, gather_axis=0)


def symbolic():
    """Batch, sequence and past as exporters leave them: known when the model runs."""
    batch, tokens, heads, size = 2, 4, 3, 16
    hidden = heads * size
    x = floats(batch, tokens, hidden)
    mask = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], np.int32)
    three, four = ("N", "S", hidden), ("N", heads, "P", size)
    yield microsoft("symbolic_attention", "Attention", [x, floats(hidden, 3 * hidden), floats(3 * hidden), mask], num_heads=heads, constants=(1, 2), unidirectional=1,
                    dims={0: three, 3: ("N", "S")})
    yield microsoft("symbolic_multi_head", "MultiHeadAttention", [x, floats(batch, tokens, hidden), floats(batch, tokens, hidden), None, None, None,
                                                                  floats(batch, heads, 3, size), floats(batch, heads, 3, size)], 3, num_heads=heads,
                    dims={0: three, 1: three, 2: three, 6: four, 7: four})
    caches = [np.cos(floats(16, size // 2)), np.sin(floats(16, size // 2))]
    for batch, tokens in ((1, 1), (2, 1), (1, 3)):
        x, past = floats(batch, tokens, hidden), floats(batch, heads, 5, size)
        yield microsoft(f"symbolic_grouped_{batch}_{tokens}", "GroupQueryAttention",
                        [x, floats(batch, tokens, hidden), floats(batch, tokens, hidden), past, past, np.full(batch, 4 + tokens, np.int32), np.array(5 + tokens, np.int32), *caches],
                        3, num_heads=heads, kv_num_heads=heads, do_rotary=1, constants=(7, 8), dims={0: three, 1: three, 2: three, 3: four, 4: four, 5: ("N",)})
    ids, pairs = integers(0, 20, 2, 5, dtype=np.int32), ("N", "S")
    yield microsoft("symbolic_embedding", "EmbedLayerNormalization", [ids, integers(0, 2, 2, 5, dtype=np.int32), floats(20, 8), floats(6, 8), floats(2, 8), floats(8), floats(8),
                                                                      np.ones((2, 5), np.int32)], 2, constants=(2, 3, 4, 5, 6), dims={0: pairs, 1: pairs, 7: pairs})
    yield microsoft("symbolic_rotary", "RotaryEmbedding", [floats(2, 3, 16), integers(0, 10, 2, 3), np.cos(floats(10, 4)), np.sin(floats(10, 4))], constants=(2, 3),
                    dims={0: ("N", "S", 16), 1: pairs})
    yield microsoft("symbolic_nbits", "MatMulNBits", [floats(2, 3, 32), u8(6, 2, 8), floats(6, 2)], constants=(1, 2), K=32, N=6, bits=4, block_size=16, dims={0: ("N", "S", 32)})
    yield softmax_case(13, -1, [scale(0.05), np.uint8(128)], {0: ("N", "S", 3)})
    yield microsoft("symbolic_gemm", "QGemm", [u8(3, 6), scale(0.02), np.uint8(100), i8_weights(6, 4), scale(0.03), np.int8(0)], constants=(1, 2, 3, 4, 5), dims={0: ("N", 6)})


def cases():
    for family in (symbolic, fused, norms, attentions, grouped_attentions, rotary, quantized, products, dequantized_products):
        yield from family()
