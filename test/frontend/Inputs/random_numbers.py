"""Random operators: with a seed the numbers of ONNX's reference evaluator; without one their mean and deviation, and that neighbours do not
depend on each other. random_numbers.py TENON"""
import pathlib
import sys
import tempfile

import numpy as np
import onnx.reference

from compare_operators import run_tenon
from operator_cases import case, floats

failures = 0


class Options:
    tenon = str(pathlib.Path(sys.argv[1]).resolve())
    interpret = False
    object = False


def draw(made):
    with tempfile.TemporaryDirectory() as folder:
        reason, found = run_tenon(Options, made.model, made.inputs, pathlib.Path(folder))
    if reason:
        sys.exit(f"{made.name}: {reason}")
    return np.asarray(found[0])


def near(name, found, wanted, tolerance):
    global failures
    if not abs(found - wanted) <= tolerance:
        failures += 1
        print(f"FAIL: {name}: {found}, wanted {wanted}")


def moments(name, x, mean, deviation):
    flat = x.astype(np.float64).ravel()
    near(f"{name}: mean", flat.mean(), mean, 5 * deviation / np.sqrt(flat.size))
    near(f"{name}: deviation", flat.std(), deviation, 0.01 * deviation)
    near(f"{name}: neighbours", np.corrcoef(flat[:-1], flat[1:])[0, 1], 0, 0.02)
    near(f"{name}: rows", np.corrcoef(x[:-1].ravel(), x[1:].ravel())[0, 1], 0, 0.02)


for op in ("RandomUniform", "RandomNormal"):
    made = case(op, op, [], shape=[30, 7], seed=3.0)
    near(f"{op} with a seed", np.abs(draw(made) - onnx.reference.ReferenceEvaluator(made.model).run(None, {})[0]).max(), 0, 1e-6)
    near(f"{op}, twice", np.abs(draw(made) - draw(made)).max(), 0, 0)
moments("RandomUniform", draw(case("uniform", "RandomUniform", [], shape=[300, 500], low=-1.0, high=3.0)), 1, 4 / np.sqrt(12))
moments("RandomNormal", draw(case("normal", "RandomNormal", [], shape=[300, 500], mean=2.0, scale=0.5)), 2, 0.5)
moments("RandomNormalLike", draw(case("like", "RandomNormalLike", [floats(200, 400)], mean=-1.0, scale=3.0)), -1, 3)
moments("RandomUniformLike", draw(case("like", "RandomUniformLike", [floats(200, 400)])), 0.5, 1 / np.sqrt(12))
moments("Bernoulli", draw(case("ones", "Bernoulli", [np.full((300, 300), 0.3, np.float32)])), 0.3, np.sqrt(0.21))
chances = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]], np.float32)
for row, wanted in zip(draw(case("classes", "Multinomial", [np.log(chances)], sample_size=20000)), chances):
    for index, share in enumerate(wanted):
        near(f"Multinomial: class {index}", np.mean(row == index), share, 0.02)
print(f"{failures} failures")
sys.exit(failures != 0)
