"""Operators that make strings, and numbers of them."""
import numpy as np
import onnx
from onnx import helper

from operator_cases import case
from operators_text import words

X = words("a,b,,c", "", ",", "aXXbXX", " two  words ", "Größe,Ä", shape=(2, 3))


REALS = np.array([0.0, -0.0, 1.5, -314.1592, 0.1, 1e-5, 123456.79, 1e16, 0.00015, np.inf, -np.inf, np.nan])
REAL_TEXTS = ["0.0", "-0.0", "1.5", "-314.1592", "0.1", "1e-05", "123456.79", "1e+16", "0.00015", "inf", "-inf", "nan"]
TEXTS = words("3.14", "1000", "1e-5", " 1E8", "+.5", "5.", "-INF", "+inf", "NaN", "0.1", "16777217", "1e-400", "1e400", "9007199254740993")


def numbers():
    """Cast between numbers and strings: to the fewest digits that read back, from them to the number next to them."""
    kinds = onnx.TensorProto
    for kind in (np.float64, np.float32):
        yield case(f"format_{kind.__name__}", "Cast", [REALS.astype(kind)], to=kinds.STRING, opset=21, expected=[words(*REAL_TEXTS)])
    halves = np.array([65504, 0.1, -6e-8, 2048], np.float16)
    yield case("format_float16", "Cast", [halves], to=kinds.STRING, opset=21, expected=[words("65500.0", "0.1", "-6e-08", "2048.0")])
    for kind, values in ((np.int64, [0, -1, 2**63 - 1, -2**63]), (np.uint64, [0, 2**64 - 1]), (np.int8, [-128, 127]), (np.bool_, [True, False])):
        values = np.array(values, kind)
        yield case(f"format_{kind.__name__}", "Cast", [values], to=kinds.STRING, opset=21, expected=[words(*map(str, values))])
    with np.errstate(over="ignore"):
        for kind in (np.float64, np.float32, np.float16):
            wanted = np.array([float(text) for text in TEXTS]).astype(kind)
            yield case(f"parse_{kind.__name__}", "Cast", [TEXTS], to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)), opset=21, expected=[wanted], tolerance=0)
    for kind, wanted in ((np.int64, [0, -42, 2**63 - 1, 2**63 - 1, -2**63, 100, -2]), (np.uint64, [0, 0, 2**63 - 1, 2**64 - 1, 0, 100, 0])):
        whole = words("0", " -42", "9223372036854775807", "99999999999999999999", "-99999999999999999999", "100.5", "-2.9e0")
        yield case(f"parse_{kind.__name__}", "Cast", [whole], to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)), opset=21, expected=[np.array(wanted, kind)], codes=0)
    yield case("like_text", "CastLike", [np.array([1.5, 2], np.float32), words("a")], opset=21, expected=[words("1.5", "2.0")])
    yield case("like_number", "CastLike", [words("1.5"), np.array([1], np.int32)], opset=21, expected=[np.array([1], np.int32)])


def cases():
    yield from numbers()
    yield case("concat", "StringConcat", [X, words("-", "Ü", "")], opset=20)
    yield case("concat_constant", "StringConcat", [X, words("tail")], constants=(1,), opset=20)
    for delimiter in (",", "XX", "", " "):
        for limit in (None, 0, 1, 2):
            more = {} if limit is None else {"maxsplit": limit}
            cuts = -1 if limit is None else limit
            lists = [text.split(delimiter or None, cuts) for text in X.ravel()]
            most = max(map(len, lists))
            filled = np.array([parts + [""] * (most - len(parts)) for parts in lists], dtype=object).reshape(2, 3, most)
            counts = np.array([len(parts) for parts in lists], np.int64).reshape(2, 3)
            yield case(f"split_{delimiter.strip() or ('blank' if delimiter else 'space')}_{limit}", "StringSplit", [X], 2, delimiter=delimiter, opset=20, expected=[filled, counts], **more)
    sentence = words("Monday", "the", "THE", "Größe", "dog", "")
    for action in ("NONE", "LOWER", "UPPER"):
        for exact in (0, 1):
            change = {"NONE": str, "LOWER": str.lower, "UPPER": lambda text: text.replace("ß", "\0").upper().replace("\0", "ß")}[action]
            kept = [change(text) for text in sentence if text not in ("the", "dog") and (exact or text.lower() != "the")]
            yield case(f"normalize_{action}_{exact}", "StringNormalizer", [sentence], case_change_action=action, is_case_sensitive=exact,
                       stopwords=["the", "dog"], opset=10, expected=[np.array(kept, dtype=object)])
    letters = words("aÀÿþĀāĲŁłŸΑΣΩЀЯѠҊ")
    yield case("lower", "StringNormalizer", [letters], case_change_action="LOWER", opset=10, expected=[words("aàÿþāāĳłłŸασωѐяѡҋ")])
    yield case("upper", "StringNormalizer", [words("zàÿþāłασωѐяѡҋß")], case_change_action="UPPER", opset=10, expected=[words("ZÀÿÞĀŁΑΣΩЀЯѠҊß")])
    yield case("all_stop_words", "StringNormalizer", [words("the", "dog", shape=(1, 2))], stopwords=["the", "dog"], opset=10, expected=[words("", shape=(1, 1))])
