"""Old versions of operators: attributes that became inputs, broadcasting on request, other defaults. Expected values by numpy."""
import numpy as np

from operator_cases import case, floats, integers


def old(name, op, inputs, opset, expected, **attributes):
    return case(name, op, inputs, len(expected), opset=opset, expected=expected, **attributes)


def broadcasting():
    a = floats(2, 3, 4, 5, low=0.5)
    for name, b, axis, aligned in (("whole", floats(2, 3, 4, 5, low=0.5), None, (2, 3, 4, 5)), ("scalar", floats(1, low=0.5), None, (1,)), ("end", floats(4, 5, low=0.5), None, (4, 5)),
                                   ("start", floats(2, low=0.5), 0, (2, 1, 1, 1)), ("middle", floats(3, 4, low=0.5), 1, (3, 4, 1)), ("negative", floats(3, 4, low=0.5), -3, (3, 4, 1))):
        more = {} if axis is None else {"axis": axis}
        if name != "whole":
            more["broadcast"] = 1
        wide = b.reshape(aligned)
        for opset in (1, 6):
            for op, function in (("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide), ("Pow", np.power)):
                yield old(f"{op}_{opset}_{name}", op, [a, b], opset, [function(a, wide)], **more)
        for op, function in (("Less", np.less), ("Greater", np.greater)):
            yield old(f"{op}_{name}", op, [a, b], 1, [function(a, wide)], **more)
        for op, function in (("And", np.logical_and), ("Or", np.logical_or), ("Xor", np.logical_xor)):
            yield old(f"{op}_{name}", op, [a > 1, b > 1], 1, [function(a > 1, wide > 1)], **more)
        yield old(f"Equal_{name}", "Equal", [a.astype(np.int32), b.astype(np.int32)], 1, [a.astype(np.int32) == wide.astype(np.int32)], **more)
    x = floats(2, 3, 4, 5)
    for slope, wide in ((floats(3), (3, 1, 1)), (floats(1), (1,))):
        for opset in (1, 6):
            yield old(f"PRelu_{opset}_{len(slope)}", "PRelu", [x, slope], opset, [np.where(x < 0, x * slope.reshape(wide), x)])
    a, b, c = floats(3, 4), floats(4, 5), floats(5)
    for opset in (1, 6):
        yield old(f"Gemm_{opset}", "Gemm", [a, b, c], opset, [0.5 * (a @ b) + 2 * c], alpha=0.5, beta=2.0, broadcast=1)
    yield old("Sum_1", "Sum", [a, a, a], 1, [3 * a])
    yield old("Mean_1", "Mean", [a, 2 * a], 1, [1.5 * a])


def attributes():
    x = floats(2, 3, 4)
    yield old("Reshape_1", "Reshape", [x], 1, [x.reshape(2, 12)], shape=[0, -1])
    yield old("Tile_1", "Tile", [x, np.array([3], np.int64), np.array([1], np.int64)], 1, [np.tile(x, (1, 3, 1))], constants=(1, 2))
    yield old("Pad_1", "Pad", [x], 1, [np.pad(x, ((0, 1), (2, 0), (1, 1)), constant_values=0.5)], paddings=[0, 2, 1, 1, 0, 1], value=0.5)
    yield old("Pad_2", "Pad", [x], 2, [np.pad(x, ((0, 0), (1, 2), (1, 1)), mode="reflect")], pads=[0, 1, 1, 0, 2, 1], mode="reflect")
    yield old("Slice_1", "Slice", [x], 1, [x[:, 1:3, -2:]], starts=[1, -2], ends=[3, 100], axes=[1, 2])
    yield old("Slice_1_all", "Slice", [x], 1, [x[0:1, 1:2]], starts=[0, 1], ends=[1, 2])
    yield old("Split_1", "Split", [x], 1, [x[..., :1], x[..., 1:]], axis=2, split=[1, 3])
    yield old("Split_2", "Split", [x], 2, [x[..., :2], x[..., 2:]], axis=2)
    yield old("Split_1_input", "Split", [x, np.array([2, 2], np.int64)], 1, [x[..., :2], x[..., 2:]], axis=2, constants=(1,))
    yield old("Squeeze_1", "Squeeze", [x[:, :1]], 1, [x[:, 0]], axes=[1])
    yield old("Squeeze_1_all", "Squeeze", [x[:1, :1]], 1, [x[0, 0]])
    yield old("Unsqueeze_1", "Unsqueeze", [x], 1, [x[:, None, :, None]], axes=[1, 3])
    order = np.argsort(-x, axis=2, kind="stable")[..., :2]
    yield old("TopK_1", "TopK", [x], 1, [np.take_along_axis(x, order, 2), order], k=2)
    yield old("TopK_10", "TopK", [x, np.array([2], np.int64)], 10, [np.take_along_axis(x, order, 2), order], constants=(1,))
    yield old("Concat_1", "Concat", [x, x], 1, [np.concatenate([x, x], 1)])
    yield old("Cast_1", "Cast", [x], 1, [x.astype(np.int32)], to="INT32")
    yield old("Cast_1_double", "Cast", [x], 1, [x.astype(np.float64)], to="DOUBLE")
    yield old("Clip_1", "Clip", [x], 1, [x.clip(-0.5, 0.75)], min=-0.5, max=0.75)
    yield old("Clip_6", "Clip", [x], 6, [x.clip(-0.5)], min=-0.5)
    yield old("Dropout_1", "Dropout", [x], 1, [x], is_test=1, ratio=0.3)
    yield old("Dropout_7", "Dropout", [x], 7, [x])
    yield old("Selu_1", "Selu", [x], 1, [np.where(x > 0, 1.0507 * x, 1.0507 * 1.6732 * (np.exp(x) - 1)).astype(np.float32)])
    yield old("HardSigmoid_1", "HardSigmoid", [x], 1, [np.clip(0.2 * x + 0.5, 0, 1)])
    yield old("ReduceSum_1", "ReduceSum", [x], 1, [x.sum((0, 2))], axes=[0, 2], keepdims=0)
    yield old("ArgMax_1", "ArgMax", [x], 1, [x.argmax(1)[:, None]], axis=1)
    powers = np.exp(x.reshape(2, 12) - x.reshape(2, 12).max(1, keepdims=True))
    soft = (powers / powers.sum(1, keepdims=True)).reshape(x.shape)
    yield old("Softmax_1", "Softmax", [x], 1, [soft])
    yield old("LogSoftmax_1", "LogSoftmax", [x], 1, [np.log(soft)])
    yield old("Hardmax_1", "Hardmax", [x], 1, [(x == x.max((1, 2), keepdims=True)).astype(np.float32)])
    yield old("Scatter_9", "Scatter", [np.zeros((3, 2), np.float32), np.array([[1, 0]], np.int64), np.array([[5, 6]], np.float32)], 9,
              [np.array([[0, 6], [5, 0], [0, 0]], np.float32)], axis=0)


def images():
    x = floats(1, 2, 4, 6)
    yield old("Upsample_1", "Upsample", [x], 1, [x.repeat(2, 2).repeat(3, 3)], height_scale=2.0, width_scale=3.0)
    yield old("Upsample_7", "Upsample", [x], 7, [x.repeat(2, 2).repeat(3, 3)], scales=[1.0, 1.0, 2.0, 3.0])
    yield old("Upsample_9", "Upsample", [x, np.array([1, 1, 2, 3], np.float32)], 9, [x.repeat(2, 2).repeat(3, 3)], constants=(1,))
    blocks = x.reshape(1, 2, 2, 2, 3, 2)
    yield old("MaxPool_1", "MaxPool", [x], 1, [blocks.max((3, 5))], kernel_shape=[2, 2], strides=[2, 2])
    yield old("AveragePool_1", "AveragePool", [x], 1, [blocks.mean((3, 5))], kernel_shape=[2, 2], strides=[2, 2])
    yield old("LpPool_1", "LpPool", [x], 1, [(np.abs(blocks) ** 3).sum((3, 5)) ** (1 / 3)], kernel_shape=[2, 2], strides=[2, 2], p=3.0)
    yield old("GlobalLpPool_1", "GlobalLpPool", [x], 1, [(np.abs(x) ** 3).sum((2, 3), keepdims=True) ** (1 / 3)], p=3.0)
    parameters = [floats(2), floats(2), floats(2), floats(2, low=0.1)]
    wide = [p[:, None, None] for p in parameters]
    for opset in (1, 6, 7):
        more = {"consumed_inputs": [0, 0, 0, 1, 1]} if opset == 1 else {}
        more.update({"is_test": 1} if opset < 7 else {})
        yield old(f"BatchNormalization_{opset}", "BatchNormalization", [x, *parameters], opset, [(x - wide[2]) / np.sqrt(wide[3] + 1e-5) * wide[0] + wide[1]], **more)
    each = [floats(2, 4, 6), floats(2, 4, 6), floats(2, 4, 6), floats(2, 4, 6, low=0.1)]
    yield old("BatchNormalization_each", "BatchNormalization", [x, *each], 7, [(x - each[2]) / np.sqrt(each[3] + 1e-5) * each[0] + each[1]], spatial=0)
    mean, deviation = x.mean((2, 3), keepdims=True), np.sqrt(x.var((2, 3), keepdims=True) + 1e-5)
    yield old("InstanceNormalization_1", "InstanceNormalization", [x, parameters[0], parameters[1]], 1, [(x - mean) / deviation * wide[0] + wide[1]])
    squares = np.zeros_like(x)
    for c in range(2):
        squares[:, c] = (x[:, max(0, c - 1):c + 2] ** 2).sum(1)
    yield old("LRN_1", "LRN", [x], 1, [x / (1 + 1e-2 / 3 * squares) ** 0.75], size=3, alpha=1e-2)


def regions():
    x = floats(2, 3, 9, 11)
    rois = np.array([[0, 0, 0, 10, 8], [1, 2, 3, 5, 4], [0, 4, 4, 4, 4], [1, 8, 6, 30, 30], [0, 1.4, 2.6, 7.5, 6.2]], np.float32)
    yield case("MaxRoiPool", "MaxRoiPool", [x, rois], pooled_shape=[2, 3], spatial_scale=1.0)
    yield case("MaxRoiPool_scaled", "MaxRoiPool", [x, rois * np.array([1, 2, 2, 2, 2], np.float32)], pooled_shape=[3, 4], spatial_scale=0.5)


def symbolic():
    """Sizes that are known when the model runs."""
    x = floats(2, 4, 6, 7)
    yield case("symbolic_deform", "DeformConv", [x, floats(4, 2, 3, 3), floats(2, 36, 4, 5), floats(4), floats(2, 18, 4, 5)], opset=19, group=2, offset_group=2,
               constants=(1, 3), dims={0: ("N", 4, "H", "W"), 2: ("N", 36, "h", "w"), 4: ("N", 18, "h", "w")})
    matrices = floats(3, 4, 4)
    yield old("symbolic_det", "Det", [matrices], 11, [np.linalg.det(matrices)], dims={0: ("N", "M", "M")})
    yield case("symbolic_bernoulli", "Bernoulli", [np.array([0, 1, 1, 0], np.float32)], dims={0: ("N",)}, expected=[np.array([0, 1, 1, 0], np.float32)])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recurrent():
    steps, batch, size, hidden = 3, 2, 4, 5
    x = floats(steps, batch, size)
    w, r = floats(1, hidden, size), floats(1, hidden, hidden)
    state = np.zeros((batch, hidden), np.float32)
    for t in range(steps):
        state = np.tanh(x[t] @ w[0].T + state @ r[0].T)
    yield case("RNN_1", "RNN", [x, w, r], ["-", ""], opset=1, hidden_size=hidden, expected=[state[None]])
    w, r = floats(1, 3 * hidden, size), floats(1, 3 * hidden, hidden)
    state = np.zeros((batch, hidden), np.float32)
    for t in range(steps):
        wz, wr, wh = np.split(x[t] @ w[0].T, 3, 1)
        rz, rr, rh = np.split(r[0], 3)
        update, reset = sigmoid(wz + state @ rz.T), sigmoid(wr + state @ rr.T)
        state = (1 - update) * np.tanh(wh + (reset * state) @ rh.T) + update * state
    for opset in (1, 3):
        yield case(f"GRU_{opset}", "GRU", [x, w, r], ["-", ""], opset=opset, hidden_size=hidden, expected=[state[None]])
    w, r = floats(1, 4 * hidden, size), floats(1, 4 * hidden, hidden)
    state = cell = np.zeros((batch, hidden), np.float32)
    for t in range(steps):
        i, o, f, c = np.split(x[t] @ w[0].T + state @ r[0].T, 4, 1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
        state = sigmoid(o) * np.tanh(cell)
    yield case("LSTM_1", "LSTM", [x, w, r], ["-", "", ""], opset=1, hidden_size=hidden, expected=[state[None], cell[None]])


def cases():
    for family in (symbolic, broadcasting, attributes, images, regions, recurrent):
        yield from family()
