"""Strings: compared, moved, looked up and counted."""
import re

import numpy as np

from operator_cases import case, integers


def words(*texts, shape=None):
    value = np.array(texts, dtype=object)
    return value if shape is None else value.reshape(shape)


X = words("apple", "", "pear", "apple pie", "Äpfel", "pear", shape=(2, 3))


def ml(name, op, inputs, version, **keywords):
    return case(name, op, inputs, domain="ai.onnx.ml", version=version, **keywords)


def encoders():
    yield ml("label_text_to_i64", "LabelEncoder", [X], 2, keys_strings=["pear", "apple", "Äpfel"], values_int64s=[7, -1, 3], default_int64=99)
    yield ml("label_text_to_f32", "LabelEncoder", [X], 2, keys_strings=["pear", ""], values_floats=[0.5, 1.5], default_float=-2.0)
    yield ml("label_text_to_text", "LabelEncoder", [X], 2, keys_strings=["pear", "apple"], values_strings=["birne", "apfel"])
    yield ml("label_i64_to_text", "LabelEncoder", [integers(0, 5, 7)], 2, keys_int64s=[1, 2, 4], values_strings=["one", "", "four"], default_string="?")
    yield ml("label_first_text", "LabelEncoder", [X], 1, classes_strings=["pear", "apple"], default_int64=-5)
    yield ml("label_first_i64", "LabelEncoder", [integers(0, 5, 7)], 1, classes_strings=["zero", "one", "two"], default_string="none")
    yield ml("category_text", "CategoryMapper", [X], 1, cats_strings=["pear", "apple"], cats_int64s=[30, 40], default_int64=-5)
    yield ml("category_i64", "CategoryMapper", [integers(0, 5, 7)], 1, cats_strings=["a", "b", "c"], cats_int64s=[3, 1, 2], default_string="none")
    yield ml("one_hot_text", "OneHotEncoder", [X], 1, cats_strings=["pear", "", "apple"], zeros=1)
    yield ml("label_symbolic", "LabelEncoder", [X], 2, keys_strings=["pear", "apple"], values_int64s=[7, -1], dims={0: ("N", 3)})


def counters():
    sentence = words(*"the cat and the other cat saw the cat and the dog".split(), shape=(2, 6))
    pool = ["cat", "dog", "the", "the", "cat", "and", "the", "cat", "and", "the"]
    texts = dict(pool_strings=pool, ngram_counts=[0, 3, 7], ngram_indexes=[1, 0, 3, 2, 5, 6], max_skip_count=2, opset=13)
    for mode, low, high in (("TF", 1, 1), ("TF", 1, 3), ("IDF", 2, 2), ("TFIDF", 1, 2), ("TFIDF", 3, 3)):
        weights = [0.5, 1.5, 2.0, 0.25, 3.0, 4.0] if mode != "TF" else None
        more = dict(texts, pool_strings=pool[:3] + pool[3:7] + pool[7:10])
        yield case(f"tfidf_{mode}_{low}_{high}", "TfIdfVectorizer", [sentence], mode=mode, min_gram_length=low, max_gram_length=high,
                   **dict(more, ngram_indexes=[1, 0, 3, 2, 5, 4]), **({"weights": weights} if weights else {}))
    yield case("tfidf_row", "TfIdfVectorizer", [integers(0, 4, 30, dtype=np.int32)], mode="TF", min_gram_length=2, max_gram_length=2, max_skip_count=3,
               pool_int64s=[0, 1, 2, 2, 3, 1], ngram_counts=[0, 0], ngram_indexes=[0, 1, 2], opset=13)
    yield case("tfidf_symbolic", "TfIdfVectorizer", [integers(0, 4, 5, 9)], mode="TF", min_gram_length=1, max_gram_length=2, max_skip_count=0,
               pool_int64s=[0, 3, 1, 2, 2, 3], ngram_counts=[0, 2], ngram_indexes=[0, 1, 2, 3], opset=13, dims={0: ("N", 9)})


def moves():
    yield case("equal_text", "Equal", [X, words("pear", "", "pear")], opset=19, expected=[X == words("pear", "", "pear")])
    yield case("equal_constant", "Equal", [X, words("pear")], constants=(1,), opset=19, expected=[X == "pear"])
    yield case("concat_constant", "Concat", [X, words("a", "b", "Ü", shape=(1, 3))], constants=(1,), opset=13, axis=0)
    yield case("where_text", "Where", [X == "pear", X, words("other")], constants=(2,), opset=16)


def more_moves():
    y = X.copy()
    y[1, 2], y[0, 0] = "new", "Ü"
    pairs = np.array([[1, 2], [0, 0]])
    yield case("gather_nd_text", "GatherND", [X, pairs], opset=13, expected=[X[[1, 0], [2, 0]]])
    yield case("gather_elements_text", "GatherElements", [X, np.array([[2, 0]])], opset=13, axis=1, expected=[X[:1, [2, 0]]])
    yield case("scatter_nd_text", "ScatterND", [X, pairs, words("new", "Ü")], opset=13, expected=[y])
    yield case("scatter_elements_text", "ScatterElements", [X, np.array([[2, 0]]), words("new", "Ü", shape=(1, 2))], opset=13, axis=1,
               expected=[np.concatenate([words("Ü", "", "new", shape=(1, 3)), X[1:]])])
    yield case("compress_text", "Compress", [X, np.array([False, True, True])], opset=11, axis=1, expected=[X[:, 1:]])
    yield case("reverse_text", "ReverseSequence", [X, np.array([2, 1, 2])], opset=10, time_axis=0, batch_axis=1,
               expected=[np.stack([X[::-1, 0], X[:, 1], X[::-1, 2]], 1)])
    yield case("depth_to_space_text", "DepthToSpace", [X.reshape(1, 6, 1, 1)[:, :4]], opset=13, blocksize=2, expected=[X.ravel()[:4].reshape(1, 1, 2, 2)])
    yield case("space_to_depth_text", "SpaceToDepth", [X.ravel()[:4].reshape(1, 1, 2, 2)], opset=13, blocksize=2, expected=[X.reshape(1, 6, 1, 1)[:, :4]])
    yield ml("feature_text", "ArrayFeatureExtractor", [X, np.array([[2, 0]])], 1, expected=[X[:, [2, 0]]])


TEXTS = words("", "a", "ab", "abc", "www.google.com", "a@yahoo.com ", "äöü", "Hello World", "a\nb", "foo-bar", "aaaa", "日本", "_", "x{2}")
PATTERNS = (r"www\.[\w.-]+\.\bcom\b", r"(\W|^)[\w.\-]{0,25}@(yahoo|gmail)\.com(\W|$)", r"a*b?", r"[^a-z]*", r".", r"a.b", r"(?i:hello)( [wW]orld)?", r"a{2,4}",
            r"(ab|a)(b|bc)?", r"\w+\b\W\b\w+", r"x\{2\}", r"[ä-ü]+", r"(?:日|本)+", r"(a*)*", r"^$", r"", r"(?s:a.b)", r"\x61\x{62}", r"[[:alpha:]]+", r"[]a]+", r"\Babc", r"|a")


def patterns():
    for index, pattern in enumerate(PATTERNS):
        plain = pattern.replace(r"\x{62}", "b").replace("[[:alpha:]]", "[A-Za-z]").replace("[]a]", r"[\]a]")
        wanted = np.array([re.fullmatch(plain, text, re.ASCII) is not None for text in TEXTS])
        yield case(f"pattern_{index}", "RegexFullMatch", [TEXTS], pattern=pattern, opset=20, expected=[wanted])


def cases():
    yield from patterns()
    yield from encoders()
    yield from counters()
    yield from moves()
    yield from more_moves()
