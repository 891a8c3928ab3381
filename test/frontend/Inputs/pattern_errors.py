"""Prints what `tenon opt` says to models with these patterns."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from operator_cases import case

PATTERNS = ["(", "a)", "[a", "*a", "a\\", "(?=a)", "a{3,2}", "(a{1000}){1000}", "[z-a]", r"\p{L}", "(a|b)*a(a|b){14}", "[[:foo:]]", "(" * 200 + ")" * 200, "a" * 5000]

for pattern in PATTERNS:
    model = case("node", "RegexFullMatch", [np.array(["a"], dtype=object)], pattern=pattern, opset=20, expected=[]).model
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.onnx"
        onnx.save(model, str(path))
        done = subprocess.run([sys.argv[1], "opt", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        assert done.returncode == 1, done.returncode
        print(done.stdout.decode())
