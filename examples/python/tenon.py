"""Runs models that tenon compiled, with numpy and ctypes.

    model = tenon.Model("resnet18.so")                  # tenon compile resnet18.onnx -o resnet18.so
    logits, = model({"image": image})                   # a dict of arrays -> the outputs in model order

    predict = tenon.predictor("resnet18.onnx")          # compiles first, for this machine
    logits, = predict({"image": image})

A tensor of strings is an array of str, a sequence a list of arrays, an optional an array (or a list) or None, a map as an input a dict.
Where ONNX has a sequence of maps (a classifier's probabilities by label), an output is a list of dicts. All that is needed stands in the object: its description, <name>_model, says names, types, shapes and entry points.
"""
import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import numpy

ABI = 3
STRING = 8  # elements are tenon_string
NUMPY_TYPES = {1: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i4", 7: "i8", STRING: [("data", "P"), ("bytes", "P")], 9: "?", 10: "f2", 11: "f8", 12: "u4", 13: "u8", 14: "c8", 15: "c16"}
BFLOAT16 = 16
CPU, WORKSPACE = 2, 4  # TENON_E_CPU, TENON_E_WORKSPACE
TENSOR, SEQUENCE, OPTIONAL, OPTIONAL_SEQUENCE = range(4)  # enum tenon_kind


def to_strings(texts):
    """Elements for an array of str or bytes, and what they point to."""
    texts = numpy.asarray(texts, dtype=object)
    kept = [numpy.frombuffer(text if isinstance(text, bytes) else str(text).encode(), numpy.uint8) for text in texts.ravel()]
    elements = numpy.array([(text.ctypes.data, text.size) for text in kept], NUMPY_TYPES[STRING]).reshape(texts.shape)
    return elements, kept


def from_strings(elements):
    texts = [ctypes.string_at(int(text["data"]), int(text["bytes"])).decode(errors="surrogateescape") for text in elements.ravel()]
    made = numpy.empty(len(texts), object)
    made[:] = texts
    return made.reshape(elements.shape)


class Dim(ctypes.Structure):
    _fields_ = [("min", ctypes.c_int64), ("max", ctypes.c_int64), ("word", ctypes.c_int32), ("step", ctypes.c_int32)]


class Value(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("field", ctypes.c_char_p), ("dims", ctypes.POINTER(Dim)), ("rank", ctypes.c_int32),
                ("type", ctypes.c_int32), ("scale", ctypes.POINTER(ctypes.c_float)), ("zero_point", ctypes.POINTER(ctypes.c_int32)),
                ("quantized_axis", ctypes.c_int32), ("word", ctypes.c_int32), ("workspace_offset", ctypes.c_int64),
                ("kind", ctypes.c_int32), ("key_type", ctypes.c_int32), ("keys", ctypes.c_void_p), ("key_count", ctypes.c_size_t)]


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("dims", ctypes.POINTER(ctypes.c_size_t)), ("rank", ctypes.c_int32), ("type", ctypes.c_int32)]

    @classmethod
    def of(cls, array, kind):
        """Describes an array, which must stay alive as long as the description."""
        array, texts = to_strings(array) if kind == STRING else (numpy.asarray(array, numpy.dtype(NUMPY_TYPES[kind]), order="C"), None)
        made = cls(array.ctypes.data, (ctypes.c_size_t * max(1, array.ndim))(*array.shape), array.ndim, kind)
        made.kept = array, texts
        return made

    def copy(self):
        array = numpy.empty([self.dims[axis] for axis in range(self.rank)], NUMPY_TYPES[self.type])
        ctypes.memmove(array.ctypes.data, self.data, array.nbytes)
        return from_strings(array) if self.type == STRING else array


class Sequence(ctypes.Structure):
    _fields_ = [("items", ctypes.POINTER(Tensor)), ("count", ctypes.c_size_t)]

    @classmethod
    def of(cls, arrays, kind):
        items = [Tensor.of(array, kind) for array in arrays]
        made = cls((Tensor * max(1, len(items)))(*items), len(items))
        made.kept = items
        return made

    def copy(self):
        return [self.items[index].copy() for index in range(self.count)]


class Context(ctypes.Structure):
    _fields_ = [("abi", ctypes.c_uint32), ("op", ctypes.c_int32), ("workspace", ctypes.c_void_p), ("workspace_bytes", ctypes.c_size_t),
                ("fast", ctypes.c_void_p), ("state", ctypes.c_void_p), ("weights", ctypes.c_void_p), ("executor", ctypes.c_void_p),
                ("needed", ctypes.c_size_t), ("reserved", ctypes.c_void_p * 2)]


ENTRY = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Context), ctypes.c_void_p, ctypes.c_void_p)


class Description(ctypes.Structure):
    _fields_ = [("tenon_abi", ctypes.c_uint32), ("size", ctypes.c_uint32), ("abi", ctypes.c_uint32), ("name", ctypes.c_char_p),
                ("compiler", ctypes.c_char_p), ("inputs", ctypes.POINTER(Value)), ("outputs", ctypes.POINTER(Value)),
                ("input_count", ctypes.c_uint32), ("output_count", ctypes.c_uint32), ("input_words", ctypes.c_uint32),
                ("output_words", ctypes.c_uint32), ("workspace_bytes", ctypes.c_size_t), ("workspace_align", ctypes.c_size_t),
                ("state_bytes", ctypes.c_size_t), ("weights_bytes", ctypes.c_size_t), ("stack_bytes", ctypes.c_size_t),
                ("decoded_bytes", ctypes.c_size_t), ("decoded_align", ctypes.c_size_t), ("init", ENTRY), ("run", ENTRY), ("shapes", ENTRY),
                ("reset", ctypes.c_void_p), ("ops", ctypes.POINTER(ctypes.c_char_p)), ("op_count", ctypes.c_uint32)]


ERRORS = ("ok", "header and object differ", "CPU lacks an instruction set", "pointer is NULL or misaligned", "workspace too small",
          "wrong or damaged weights", "dimension out of range", "index out of range", "custom operator failed", "string is no number")


class ModelError(Exception):
    """The model returned an error: `code` is one of TENON_E_..., `op` the ONNX name of the operator that failed."""

    def __init__(self, code, op):
        text = ERRORS[code] if code < len(ERRORS) else f"error {code}"
        super().__init__(f"node '{op}': {text}" if op else text)
        self.code, self.op = code, op


def aligned(count, alignment):
    """Memory of `count` bytes whose address is a multiple of `alignment`."""
    block = numpy.empty(count + alignment, numpy.uint8)
    start = -block.ctypes.data % alignment
    return block[start:start + count]


def model_symbol(path):
    """The symbol NAME_model of the object; NAME is the file's name unless --prefix said otherwise."""
    stem = re.sub(r"[^A-Za-z0-9_]", "_", pathlib.Path(path).name.split(".")[0])
    return (f"_{stem}" if stem[:1].isdigit() else stem) + "_model"


class Model:
    """A compiled model. Calls may come from one thread at a time; several Models may share one file."""

    def __init__(self, path, symbol=None):
        self.library = ctypes.CDLL(os.path.abspath(path))
        self.description = Description.in_dll(self.library, symbol or model_symbol(path))
        d = self.description
        if d.tenon_abi != ABI or d.size != ctypes.sizeof(Description):
            raise ValueError(f"{path} was made by another version of tenon ({d.compiler.decode()})")
        self.inputs = [d.inputs[i] for i in range(d.input_count)]
        self.outputs = [d.outputs[i] for i in range(d.output_count)]
        self.input_names = [value.name.decode() for value in self.inputs]
        self.output_names = [value.name.decode() for value in self.outputs]
        # A map is two inputs, of which the second has the values: NAME.keys and NAME.values.
        self.maps = {self.input_names[i].rpartition(".")[0]: i for i, value in enumerate(self.inputs) if value.key_type}
        self.workspace = aligned(d.workspace_bytes, max(64, d.workspace_align))
        self.context = Context(abi=d.abi, workspace=self.workspace.ctypes.data, workspace_bytes=d.workspace_bytes)
        self.decoded = aligned(d.decoded_bytes, max(64, d.decoded_align)) if d.decoded_bytes else None
        code = d.init(ctypes.byref(self.context), None, self.decoded.ctypes.data if d.decoded_bytes else None)
        if d.decoded_bytes:
            self.context.weights = self.decoded.ctypes.data
        if d.decoded_bytes or code == CPU:
            self.check(code)

    def check(self, code):
        if code:
            known = 0 <= self.context.op < self.description.op_count
            raise ModelError(code, self.description.ops[self.context.op].decode() if known else None)

    def bind(self, values, words):
        """Puts pointers and dims of the input arrays into their words; returns the arrays, which must stay alive, and so must
        what self.texts holds."""
        arrays, self.texts = [], []
        values = self.expand_maps(values)
        missing = [name for name in self.input_names if name not in values]
        unknown = [name for name in values if name not in self.input_names]
        if missing or unknown:
            raise ValueError(f"missing inputs {missing}, unknown inputs {unknown}; the model has {self.input_names}")
        for value, name in zip(self.inputs, self.input_names):
            if value.kind != TENSOR:
                arrays.append(self.bind_list(value, values[name], words))
                continue
            array = numpy.asarray(values[name], order="C")
            if value.type == STRING:
                array, texts = to_strings(array)
                self.texts.append(texts)
            elif value.type in NUMPY_TYPES:
                wanted = numpy.dtype(NUMPY_TYPES[value.type])
                # numpy's own arithmetic easily makes float64 out of float32 data; integers have to be as declared.
                if array.dtype.kind == wanted.kind == "f":
                    array = array.astype(wanted, copy=False)
                elif array.dtype != wanted:
                    raise ValueError(f"input '{name}' is {array.dtype}, wanted {wanted}")
            if array.ndim != value.rank:
                raise ValueError(f"input '{name}' has {array.ndim} dims, wanted {value.rank}")
            for axis in range(value.rank):
                dim = value.dims[axis]
                if dim.word >= 0:
                    words[dim.word] = array.shape[axis]
                elif dim.min == dim.max and array.shape[axis] != dim.min:
                    raise ValueError(f"input '{name}': dim {axis} is {array.shape[axis]}, wanted {dim.min}")
            words[value.word] = array.ctypes.data
            arrays.append(array)
        return arrays

    def expand_maps(self, values):
        """The arrays for maps that are given as dicts, and everything else as it is."""
        expanded = dict(values)
        for name, index in self.maps.items():
            if name not in expanded:
                continue
            given = expanded.pop(name)
            for place, part in ((index - 1, given.keys()), (index, given.values())):
                kind = self.inputs[place].type
                expanded[self.input_names[place]] = numpy.array(list(part), object if kind == STRING else NUMPY_TYPES[kind])
        return expanded

    @staticmethod
    def bind_list(value, given, words):
        words[value.word] = 0
        if given is None and value.kind != SEQUENCE:
            return None
        made = (Tensor if value.kind == OPTIONAL else Sequence).of(given, value.type)
        words[value.word] = ctypes.addressof(made)
        return made

    def shape(self, value, words, out):
        """The dims of an output: constants, words of the inputs, words of the outputs."""
        inputs = self.description.input_words
        dims = [value.dims[axis] for axis in range(value.rank)]
        return [dim.min if dim.word < 0 else words[dim.word] if dim.word < inputs else out[dim.word - inputs] for dim in dims]

    def make_room(self, count):
        """A workspace of at least `count` bytes: dims without a bound decide how many a call takes."""
        if count > self.context.workspace_bytes:
            self.workspace = aligned(count, max(64, self.description.workspace_align))
            self.context.workspace = self.workspace.ctypes.data
            self.context.workspace_bytes = count

    @staticmethod
    def is_open(value):
        """An output without a bound: _run puts it into the workspace and sets the pointer."""
        return any(value.dims[axis].max < 0 for axis in range(value.rank))

    def allocate(self, words, out):
        """Arrays for the outputs, as large as _shapes said; None where _run says where the output is."""
        arrays = []
        for value in self.outputs:
            if value.kind != TENSOR:
                arrays.append(None)
                continue
            kind = "u2" if value.type == BFLOAT16 else NUMPY_TYPES.get(value.type)
            if kind is None:
                raise ValueError(f"output '{value.name.decode()}' has a type that numpy lacks")
            if self.is_open(value):
                arrays.append(None)
                continue
            arrays.append(numpy.empty(self.shape(value, words, out), kind))
            out[value.word] = arrays[-1].ctypes.data
        return arrays

    def finish(self, value, array, words, out):
        """An output with the dims that _run has written, where they depend on data: as many or fewer than allocated."""
        if value.kind != TENSOR:
            made = Tensor if value.kind == OPTIONAL else Sequence
            return made.from_address(out[value.word]).copy() if out[value.word] else None
        if value.workspace_offset >= 0:
            ctypes.memmove(array.ctypes.data, self.context.workspace + value.workspace_offset, array.nbytes)
        shape = self.shape(value, words, out)
        if array is None:
            kind = numpy.dtype("u2" if value.type == BFLOAT16 else NUMPY_TYPES[value.type])
            array = numpy.empty(shape, kind)
            ctypes.memmove(array.ctypes.data, out[value.word], array.nbytes)
        array = array if list(array.shape) == shape else array.ravel()[:int(numpy.prod(shape))].reshape(shape)
        if value.key_type:
            keys = self.keys(value)
            return [dict(zip(keys, row)) for row in array.reshape(-1, len(keys)).tolist()]
        return from_strings(array) if value.type == STRING else array

    @staticmethod
    def keys(value):
        """The keys of an output's columns."""
        keys = numpy.empty(value.key_count, NUMPY_TYPES[value.key_type])
        ctypes.memmove(keys.ctypes.data, value.keys, keys.nbytes)
        return (from_strings(keys) if value.key_type == STRING else keys).tolist()

    def __call__(self, values):
        d = self.description
        words = (ctypes.c_size_t * (d.input_words + 1))()
        out = (ctypes.c_size_t * (d.output_words + 1))()
        inputs = self.bind(values, words)
        self.check(d.shapes(ctypes.byref(self.context), words, out))
        self.make_room(self.context.needed)
        outputs = self.allocate(words, out)
        for value, array in zip(self.inputs, inputs):  # --io=workspace
            if value.workspace_offset >= 0:
                ctypes.memmove(self.context.workspace + value.workspace_offset, array.ctypes.data, array.nbytes)
        code = d.run(ctypes.byref(self.context), words, out)
        # Where data decides the size, a run says no more than how far it got.
        while code == WORKSPACE and self.context.needed > self.context.workspace_bytes:
            self.make_room(max(self.context.needed, 2 * self.context.workspace_bytes))
            code = d.run(ctypes.byref(self.context), words, out)
        self.check(code)
        return [self.finish(value, array, words, out) for value, array in zip(self.outputs, outputs)]


def shape_of(value):
    return () if isinstance(value, (list, dict, type(None))) else numpy.shape(value)


def find_tenon():
    beside = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "tenon"
    return os.environ.get("TENON") or (str(beside) if beside.exists() else shutil.which("tenon") or "tenon")


class Predictor:
    """A model file, compiled for this machine when it is first needed. Where the file leaves dims open, each new set of
    input shapes compiles it anew for these shapes."""

    def __init__(self, path, options=()):
        self.path, self.options = str(path), list(options)
        self.folder = tempfile.TemporaryDirectory(prefix="tenon-")
        self.models = {}
        self.general = self.compile([]) if self.path.endswith((".onnx", ".tir")) else Model(path)

    def compile(self, shapes):
        """None: the model cannot be compiled without the shapes."""
        output = pathlib.Path(self.folder.name) / f"model{len(self.models)}{'s' if shapes else ''}.so"
        command = [find_tenon(), "compile", self.path, "-o", str(output), "-mcpu=native", "-w", *self.options]
        command += [f"--shape={shape}" for shape in shapes]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode and not shapes:
            self.message = done.stderr
            return None
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
        return Model(output)

    def __call__(self, values):
        key = tuple(sorted((name, shape_of(value)) for name, value in values.items()))
        if key not in self.models:
            self.models[key] = self.choose(values)
        return self.models[key](values)

    def choose(self, values):
        if self.general:
            try:
                self.general(values)
                return self.general
            except (ModelError, ValueError) as error:
                if isinstance(error, ModelError) and error.code != 6:  # TENON_E_DIM
                    raise
                if isinstance(error, ValueError) and "dim" not in str(error):
                    raise
        return self.compile([f"{name}={'x'.join(map(str, numpy.shape(value)))}" for name, value in values.items() if not isinstance(value, (list, dict, type(None))) and numpy.ndim(value)])


def predictor(onnx_path):
    """For programs that take any way to run an ONNX file: a dict of arrays -> a list of arrays. Options of the compiler come
    from the environment variable TENON_OPTIONS."""
    return Predictor(onnx_path, os.environ.get("TENON_OPTIONS", "").split())
