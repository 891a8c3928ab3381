"""Runs a model over the data beside it and compares with the recorded outputs.

  recorded_outputs.py TENON FOLDER

FOLDER has model.onnx and test_data_set_N/{input,output}_K.pb. The model runs twice: through `tenon run`, which knows
the shapes of the data, and as a shared object that `tenon compile` made, where symbolic dims stay open. The worst error of a tensor is at most 1e-3 of its largest magnitude.
"""
import pathlib
import subprocess
import sys
import tempfile

import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import tensors

CLOSENESS = tensors.close_to_largest(1e-3)


def numbered(folder, stem):
    return sorted(folder.glob(f"{stem}_*.pb"), key=lambda path: int(path.stem.rsplit("_", 1)[1]))


def call(*command):
    done = subprocess.run([str(word) for word in command])
    if done.returncode:
        sys.exit(f"exit status {done.returncode}: {' '.join(map(str, command))}")


def compare(graph, directory, data_set, title):
    wrong = 0
    for index, path in enumerate(numbered(data_set, "output")):
        info = graph.output[index]
        reason = tensors.mismatch(tensors.read_value(directory / path.name, info), tensors.read_value(path, info), CLOSENESS)
        print(f"{title}: {data_set.name}: {info.name}: {reason or 'agrees'}")
        wrong += reason is not None
    return wrong


def main():
    tenon, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    data_sets = sorted(folder.glob("test_data_set_*"))
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="recorded-") as temporary:
        temporary = pathlib.Path(temporary)
        shared_object = temporary / "model.so"
        call(tenon, "compile", folder / "model.onnx", "--emit=shared", "-mcpu=native", "-o", shared_object)
        for data_set in data_sets:
            for title, model in (("run", folder / "model.onnx"), ("shared object", shared_object)):
                outputs = temporary / f"{data_set.name}-{model.suffix[1:]}"
                outputs.mkdir()
                call(tenon, "run", model, *numbered(data_set, "input"), "-o", outputs, "--expect", data_set)
                wrong += compare(graph, outputs, data_set, title)
    return 1 if wrong or not data_sets else 0


if __name__ == "__main__":
    sys.exit(main())
