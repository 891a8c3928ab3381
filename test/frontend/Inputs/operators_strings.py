"""Operators that make strings."""
import numpy as np

from operator_cases import case
from operators_text import words

X = words("a,b,,c", "", ",", "aXXbXX", " two  words ", "Größe,Ä", shape=(2, 3))


def cases():
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
