"""ai.onnx.ml: linear models, support vector machines, trees, scalers and encoders."""
import itertools

import numpy as np

from operator_cases import case, floats, integers, random

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")


def ml(name, op, inputs, outputs=1, version=3, **keywords):
    return case(name, op, inputs, outputs, domain="ai.onnx.ml", version=version, **keywords)


def kernel_parameters(kernel):
    return {"LINEAR": [0.0, 0.0, 0.0], "RBF": [0.3, 0.0, 0.0], "POLY": [0.2, 0.7, 3.0], "SIGMOID": [0.1, 0.2, 0.0]}[kernel]


def svm_regressors():
    for kernel, one_class in itertools.product(("LINEAR", "RBF", "POLY", "SIGMOID"), (0, 1)):
        yield ml(f"svm_regressor_{kernel}_{one_class}", "SVMRegressor", [floats(7, 5)], kernel_type=kernel, one_class=one_class,
                 kernel_params=kernel_parameters(kernel), n_supports=9, support_vectors=floats(9 * 5).tolist(),
                 coefficients=floats(9).tolist(), rho=[0.25], post_transform="NONE")
    yield ml("svm_regressor_linear_model", "SVMRegressor", [floats(3, 5)], kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], n_supports=0, coefficients=floats(5).tolist(), rho=[-0.5])


def svm_classifiers():
    for classes, kernel, chances in itertools.product((2, 3, 5), ("LINEAR", "RBF", "POLY", "SIGMOID"), (False, True)):
        per_class = [3, 4, 2, 5, 3][:classes]
        vectors, pairs = sum(per_class), classes * (classes - 1) // 2
        more = dict(prob_a=floats(pairs, low=-2, high=-0.5).tolist(), prob_b=floats(pairs, low=-0.3, high=0.3).tolist()) if chances else {}
        yield ml(f"svm_classifier_{classes}_{kernel}_{chances}", "SVMClassifier", [floats(11, 4)], 2, kernel_type=kernel,
                 kernel_params=kernel_parameters(kernel), vectors_per_class=per_class, support_vectors=floats(vectors * 4).tolist(),
                 coefficients=floats(vectors * (classes - 1)).tolist(), rho=floats(pairs).tolist(), classlabels_ints=[7, 3, 9, 1, 5][:classes], **more)
    for transform in TRANSFORMS:
        yield ml(f"svm_classifier_{transform}", "SVMClassifier", [floats(6, 4)], 2, kernel_type="RBF", kernel_params=[0.4, 0.0, 0.0],
                 vectors_per_class=[3, 3, 3], support_vectors=floats(36).tolist(), coefficients=floats(18).tolist(), rho=floats(3).tolist(),
                 classlabels_ints=[0, 1, 2], post_transform=transform)
    yield ml("svm_classifier_positive", "SVMClassifier", [floats(8, 4)], 2, kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0],
             vectors_per_class=[3, 3], support_vectors=floats(24).tolist(), coefficients=floats(6, low=0.1).tolist(), rho=[0.1], classlabels_ints=[4, 8])
    for transform in ("NONE", "SOFTMAX"):
        yield ml(f"svm_classifier_linear_model_{transform}", "SVMClassifier", [floats(8, 4)], 2, kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], coefficients=floats(12).tolist(),
                 rho=[0.1, 0.2, 0.3], classlabels_ints=[4, 8, 2], post_transform=transform)


def linear_models():
    for transform, classes in itertools.product(TRANSFORMS, (1, 2, 3)):
        yield ml(f"linear_classifier_{transform}_{classes}", "LinearClassifier", [floats(9, 4)], 2, coefficients=floats(classes * 4).tolist(),
                 intercepts=floats(classes).tolist(), classlabels_ints=[5, 2, 8][:max(classes, 2)], post_transform=transform, multi_class=int(classes > 2))
    yield ml("linear_classifier_strings", "LinearClassifier", [floats(9, 4)], 2, coefficients=floats(12).tolist(), intercepts=floats(3).tolist(),
             classlabels_strings=["a", "bc", "def"], post_transform="NONE")
    yield ml("linear_classifier_i64", "LinearClassifier", [integers(-4, 5, 9, 4)], 2, coefficients=floats(12).tolist(), intercepts=floats(3).tolist(),
             classlabels_ints=[1, 2, 3])
    for targets in (1, 3):
        yield ml(f"linear_regressor_{targets}", "LinearRegressor", [floats(9, 4)], coefficients=floats(targets * 4).tolist(), targets=targets,
                 intercepts=floats(targets).tolist())
    yield ml("linear_regressor_no_intercept", "LinearRegressor", [floats(9, 4)], coefficients=floats(4).tolist())


def tree(features, depth, first_id, tree_id):
    """The nodes of a random full tree: lists as in TreeEnsembleRegressor; leaves are the last 2^depth nodes."""
    interior, total = 2 ** depth - 1, 2 ** (depth + 1) - 1
    modes = [["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"][i % 4] if i < interior else "LEAF" for i in range(total)]
    return dict(nodes_treeids=[tree_id] * total, nodes_nodeids=list(range(total)), nodes_modes=modes,
                nodes_featureids=[int(random.integers(features)) for _ in range(total)], nodes_values=floats(total).tolist(),
                nodes_truenodeids=[2 * i + 1 if i < interior else 0 for i in range(total)],
                nodes_falsenodeids=[2 * i + 2 if i < interior else 0 for i in range(total)],
                nodes_missing_value_tracks_true=[int(random.integers(2)) for _ in range(total)]), list(range(interior, total))


def forest(prefix, trees, targets, depth=3, features=5):
    attributes, entries = {}, {f"{prefix}_{key}": [] for key in ("treeids", "nodeids", "ids", "weights")}
    for number in range(trees):
        nodes, leaves = tree(features, depth, 0, number)
        for key, values in nodes.items():
            attributes.setdefault(key, []).extend(values)
        for leaf, target in itertools.product(leaves, range(targets)):
            for key, value in (("treeids", number), ("nodeids", leaf), ("ids", target), ("weights", float(random.normal()))):
                entries[f"{prefix}_{key}"].append(value)
    return {**attributes, **entries}


def tree_models():
    x = floats(13, 5)
    x[2, 3] = x[5, 1] = np.nan
    for aggregate, targets in itertools.product(("SUM", "AVERAGE", "MIN", "MAX"), (1, 3)):
        yield ml(f"tree_regressor_{aggregate}_{targets}", "TreeEnsembleRegressor", [x], n_targets=targets, aggregate_function=aggregate,
                 base_values=floats(targets).tolist(), **forest("target", 4, targets))
    yield ml("tree_regressor_probit", "TreeEnsembleRegressor", [floats(13, 5)], n_targets=1, aggregate_function="SUM", post_transform="PROBIT",
             base_values=[0.45], **{**(trees := forest("target", 2, 1)), "target_weights": [w / 20 for w in trees["target_weights"]]})
    # Of two classes with scores each, onnxruntime writes 0 or 1 instead of the labels.
    for transform, classes in itertools.product(TRANSFORMS, (3, 4)):
        yield ml(f"tree_classifier_{transform}_{classes}", "TreeEnsembleClassifier", [x], 2, classlabels_int64s=[3, 1, 7, 2][:classes],
                 post_transform=transform, **forest("class", 3, classes))
    for transform, positive in itertools.product(("NONE", "LOGISTIC"), (False, True)):
        trees = forest("class", 3, 1)
        if positive:
            trees["class_weights"] = [abs(w) / 6 for w in trees["class_weights"]]
        yield ml(f"tree_classifier_binary_{transform}_{positive}", "TreeEnsembleClassifier", [x], 2, classlabels_int64s=[3, 1], post_transform=transform, **trees)


def features():
    yield ml("scaler", "Scaler", [floats(4, 3)], offset=[0.5, -1.0, 2.0], scale=[2.0, 0.5, 3.0])
    yield ml("scaler_one", "Scaler", [integers(-5, 6, 4, 3)], offset=[0.5], scale=[2.0])
    for norm in ("MAX", "L1", "L2"):
        x = np.abs(floats(4, 5)) if norm == "MAX" else floats(4, 5)  # onnxruntime's maximum is not that of magnitudes
        x[1] = 0
        yield ml(f"normalizer_{norm}", "Normalizer", [x], norm=norm)
    yield ml("binarizer", "Binarizer", [floats(4, 5)], threshold=0.25)
    x = floats(4, 3)
    x[0, 1] = x[2, 2] = np.nan
    yield ml("imputer", "Imputer", [x], imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=float("nan"))
    yield ml("imputer_integers", "Imputer", [integers(0, 3, 5, 2)], imputed_value_int64s=[8], replaced_value_int64=1)
    yield ml("array_feature_extractor", "ArrayFeatureExtractor", [floats(3, 5), np.array([4, 0, 0], np.int64)])
    yield ml("feature_vectorizer", "FeatureVectorizer", [floats(4, 2), floats(4, 3)], inputdimensions=[2, 3], version=1)
    yield ml("one_hot_encoder", "OneHotEncoder", [integers(0, 6, 3, 2)], cats_int64s=[4, 1, 2], zeros=1)
    yield ml("one_hot_encoder_floats", "OneHotEncoder", [integers(0, 6, 5).astype(np.float32)], cats_int64s=[4, 1, 2], zeros=1)
    yield ml("label_encoder_i64", "LabelEncoder", [integers(0, 6, 3, 4)], version=2, keys_int64s=[3, 1, 5], values_floats=[0.5, 1.5, 2.5], default_float=-7.0)
    yield ml("label_encoder_f32", "LabelEncoder", [integers(0, 6, 9).astype(np.float32)], version=2, keys_floats=[3.0, 1.0, 5.0], values_int64s=[30, 10, 50],
             default_int64=-4)


def symbolic():
    """A batch that is known when the model runs."""
    rows = {0: ("N", 4)}
    for chances in (False, True):
        more = dict(prob_a=[-1.0, -0.5, -2.0], prob_b=[0.1, 0.0, -0.1]) if chances else {}
        yield ml(f"symbolic_svm_{chances}", "SVMClassifier", [floats(6, 4)], 2, kernel_type="RBF", kernel_params=[0.4, 0.0, 0.0], vectors_per_class=[3, 3, 3],
                 support_vectors=floats(36).tolist(), coefficients=floats(18).tolist(), rho=floats(3).tolist(), classlabels_ints=[0, 1, 2], dims=rows, **more)
    yield ml("symbolic_linear", "LinearClassifier", [floats(9, 4)], 2, coefficients=floats(12).tolist(), intercepts=floats(3).tolist(), classlabels_ints=[5, 2, 8], dims=rows,
             post_transform="SOFTMAX")
    yield ml("symbolic_trees", "TreeEnsembleRegressor", [floats(13, 5)], n_targets=2, dims={0: ("N", 5)}, **forest("target", 4, 2))
    yield ml("symbolic_label", "LabelEncoder", [integers(0, 6, 9)], version=2, keys_int64s=[3, 1, 5], values_floats=[0.5, 1.5, 2.5], dims={0: ("N",)})


def cases():
    for family in (symbolic, svm_regressors, svm_classifiers, linear_models, tree_models, features):
        yield from family()
