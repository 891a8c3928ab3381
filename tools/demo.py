"""A tour of tenon; `tools/bootstrap demo` calls it.

    demo.py --tenon PATH [--quick] [--folder DIR] [MODEL.onnx [OPTION...]]

Without MODEL: the digit recogniser in examples/mnist becomes an object file, a small C program links it and shows what it
recognises; then the same model, compressed in several ways, side by side. With MODEL: the same for any model, on generated
inputs; OPTIONs, as --dim N=64, go to tenon. Every command is printed, and everything stays in build/demo to be looked at.
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples/mnist"
MNIST = ROOT.parent / "shared/zoo/mnist/data"
BYTES_TO_UNIT = f"--scale={1 / 255:.9g}"
AS_IT_IS = "as trained"
SAMPLES = 16  # of generated inputs

# What is pruned: without training afterwards, so moderately, and where most of the weights are.
PRUNE_DIGITS = "prune{sparsity=0.9,only=*ip1*}, prune{sparsity=0.6,only=*conv2*}"
PRUNE_ANY = "prune{sparsity=0.5}"


def variants(prune):
    """Title and passes of each."""
    return ((AS_IT_IS, ""), ("pruned", prune), ("and clustered", f"{prune}, cluster{{bits=5}}"),
            ("and Huffman-coded", f"{prune}, cluster{{bits=5}}, entropy"), ("int8", "quantize"))


class Failed(Exception):
    """A command failed; the text is its own reason."""


def bold(text):
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def heading(text):
    print(f"\n{bold('== ' + text)}", flush=True)


def shown(argument):
    """A path inside of the project as seen from there."""
    text = str(argument)
    return text.replace(f"{ROOT}/", "")


def command(*arguments, quiet=False):
    """Prints and runs a command in the project's folder; its standard output. Raises Failed with its first error."""
    arguments = [shown(a) for a in arguments]
    if not quiet:
        print(f"$ {shlex.join(arguments)}", flush=True)
    try:
        result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise Failed(f"{arguments[0]}: {error.strerror}") from None
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        if result.returncode < 0:
            lines = lines[:1] + [f"{arguments[0]} was ended by signal {-result.returncode}"]
        reason = next((line for line in lines if "error:" in line), lines[0] if lines else f"exit status {result.returncode}")
        notes = [line for line in lines if "note:" in line][:3]
        raise Failed("\n".join([reason, *notes]))
    return result.stdout


def json_of(*arguments):
    return json.loads(command(*arguments, "--json").splitlines()[-1])


def macro(header, name, default=0):
    found = re.search(rf"^#define \w+?_{name} (\d+)$", header, re.MULTILINE)
    return int(found.group(1)) if found else default


class Tour:
    """What both tours share: one folder for each variant, and a row of the table for each."""

    def __init__(self, arguments, model, options):
        self.tenon, self.model, self.options = arguments.tenon, model, options
        self.folder, self.seconds = arguments.folder, 0.05 if arguments.quick else 0.5
        self.name = re.sub(r"\W", "_", model.stem)
        self.rows = []

    def compile(self, title, passes, emit, data):
        """Compiles one variant in its own folder; returns the folder."""
        folder = self.folder / re.sub(r"\W+", "_", title)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        options = [f"--passes={passes}"] if passes else []
        if "quantize" in passes or "c-test" in emit:
            options += data
        started = time.monotonic()
        line = command(self.tenon, "compile", self.model, "-o", folder / f"{self.name}.o", f"--prefix={self.name}",
                       f"--emit={emit}", *self.options, *options)
        print(f"{line.strip()}    ({time.monotonic() - started:.1f} s)")
        return folder

    def measure(self, folder, *data):
        header = (folder / f"{self.name}.h").read_text()
        sizes = json_of(self.tenon, "inspect", folder / f"{self.name}.o")
        latency = json_of(self.tenon, "bench", folder / f"{self.name}.so", f"--seconds={self.seconds}", *data)
        return {"object": sum(sizes[part] for part in ("code", "read_only", "writable")),
                "workspace": macro(header, "WORKSPACE_BYTES"), "decoded": macro(header, "DECODED_BYTES"),
                "latency": latency["median_us"]}

    def each(self, prune, one):
        """one(title, passes): a row without its title. What fails is a row too."""
        for title, passes in variants(prune):
            heading(f"{title}: {passes or 'no passes but those of -O2'}")
            try:
                row = one(title, passes)
            except Failed as failure:
                print(failure)
                row = {"failed": str(failure).splitlines()[0]}
            self.rows.append({"title": title, **row})
            if title == AS_IT_IS and "failed" in row:
                break

    def table(self, columns):
        """columns: (heading, row -> text). Returns the exit status."""
        if not any("failed" not in row for row in self.rows):
            return 1
        heading("side by side")
        lines = [["", *(title for title, _ in columns)]]
        lines += [[row["title"], *(text(row) for _, text in columns)] for row in self.rows if "failed" not in row]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        widths[0] = max(widths[0], *(len(row["title"]) for row in self.rows))
        for line in lines:
            print("  ".join([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]))
        failed = [row for row in self.rows if "failed" in row]
        for row in failed:
            print(f"{row['title'].ljust(widths[0])}  failed: {row['failed']}")
        print(f"\nAll of it lies in {shown(self.folder)}.")
        return 1 if failed else 0

    def size_columns(self):
        dense = self.rows[0].get("object", 0)
        columns = [("object, bytes", lambda row: f"{row['object']:,}"),
                   ("smaller", lambda row: f"{dense / row['object']:.1f} x"),
                   ("workspace", lambda row: f"{row['workspace']:,}")]
        if any(row.get("decoded") for row in self.rows):
            columns.append(("decoded", lambda row: f"{row['decoded']:,}"))
        return columns + [("median latency", lambda row: f"{row['latency']:,.1f} us")]


# --- digits

def read_idx(path):
    import gzip
    raw = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(raw, ">u4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def mnist_test_set(folder):
    """The 10,000 test images as a data set, where they lie beside the project; else None."""
    path = folder / "mnist_test.npz"
    if not path.exists() and MNIST.is_dir():
        images, labels = (read_idx(MNIST / f"t10k-{name}.gz") for name in ("images-idx3-ubyte", "labels-idx1-ubyte"))
        np.savez(path, image=images[:, None], labels=labels.astype(np.int64))
    return path if path.exists() else None


def tour_of_digits(arguments):
    tour = Tour(arguments, EXAMPLE / "lenet5.onnx", [])
    test_set = None if arguments.quick else mnist_test_set(arguments.folder)

    def one(title, passes):
        folder = tour.compile(title, passes, "obj,shared", [f"--data={shown(EXAMPLE / 'calibration.npz')}", BYTES_TO_UNIT])
        program = folder / "recognise"
        command("cc", "-O2", "-I", folder, EXAMPLE / "recognise.c", folder / "lenet5.o", "-o", program)
        said = command(program)
        digits = re.search(r"recognised (\d+) of (\d+)", said)
        print(said if title == AS_IT_IS else digits.group(0))
        row = {**tour.measure(folder), "digits": f"{digits.group(1)} of {digits.group(2)}"}
        if test_set:
            row["accuracy"] = json_of(tour.tenon, "eval", folder / "lenet5.so", f"--data={shown(test_set)}", BYTES_TO_UNIT)["top1"]
        return row

    tour.each(PRUNE_DIGITS, one)
    columns = [*tour.size_columns(), ("digits", lambda row: row["digits"])]
    if test_set:
        columns.append(("10,000 images", lambda row: percent(row["accuracy"])))
    return tour.table(columns)


def percent(share):
    return f"{share * 100:.2f} %"


# --- any model

NUMPY_TYPES = {"f32": "float32", "f64": "float64", "f16": "float16", "bool": "bool",
               **{f"{kind}{bits}": f"{name}{bits}" for kind, name in (("i", "int"), ("u", "uint")) for bits in (8, 16, 32, 64)}}


def parse_type(text):
    """f32[1,N] -> ("f32", ["1", "N"])"""
    found = re.fullmatch(r"(\w+)(?:\[(.*)\])?", text)
    if not found or found.group(1) not in NUMPY_TYPES:
        raise Failed(f"inputs of type {text} cannot be generated here")
    return found.group(1), found.group(2).split(",") if found.group(2) else []


def chosen_dims(inputs):
    """A size for each dim with a name: 1 in front (a batch), else 64."""
    sizes = {}
    for value in inputs:
        for axis, dim in enumerate(parse_type(value["type"])[1]):
            if re.fullmatch(r"[A-Za-z_]\w*", dim):
                sizes.setdefault(dim, 1 if axis == 0 else 64)
    return [f"--dim={name}={size}" for name, size in sizes.items()]


def generate(path, inputs, seed, integers):
    generator, arrays = np.random.default_rng(seed), {}
    for value in inputs:
        element, dims = parse_type(value["type"])
        shape, kind = [SAMPLES, *map(int, dims)], np.dtype(NUMPY_TYPES[element])
        values = generator.standard_normal(shape) if kind.kind == "f" else generator.integers(0, integers, shape)
        arrays[value["name"]] = values.astype(kind)
    np.savez(path, **arrays)


def difference(reference, other):
    """Root of the mean square of what differs, relative to that of the reference; over all float outputs, the worst."""
    worst = 0.0
    for name in reference.files:
        a, b = reference[name], other[name]
        if a.dtype.kind == "f" and a.size:
            a, b = a.astype(np.float64), b.astype(np.float64)
            worst = max(worst, float(np.sqrt(np.mean((a - b) ** 2) / max(np.mean(a * a), 1e-300))))
        elif a.size:
            worst = max(worst, float(np.mean(a != b)))
    return worst


def agreement(reference, other):
    """How often the largest value along the last axis of the first output is in the same place; None: there is none."""
    a, b = reference[reference.files[0]], other[reference.files[0]]
    if a.dtype.kind != "f" or a.ndim < 2 or a.shape[-1] < 2:
        return None
    return float(np.mean(a.argmax(-1) == b.argmax(-1)))


def make_inputs(tour, inputs):
    """The sets to calibrate and to compare with. Integers may be indices into a small table, so large ones are tried first."""
    calibration, evaluation = tour.folder / "calibration.npz", tour.folder / "inputs.npz"
    print(f"{SAMPLES} samples of normally distributed numbers for each set")
    for integers in (100, 2):
        generate(calibration, inputs, 1, integers)
        generate(evaluation, inputs, 2, integers)
        if not any(parse_type(value["type"])[0][0] in "iu" for value in inputs):
            break
        try:
            command(tour.tenon, "run", tour.model, *tour.options, f"--data={shown(evaluation)}", "-o", tour.folder / "outputs.npz")
            print(f"integers from 0 to {integers - 1}")
            break
        except Failed as failure:
            if integers == 2 or "index" not in str(failure):
                raise
            print(f"{failure}\nsmaller integers, then")
    return calibration, evaluation


def tour_of_model(arguments):
    model = arguments.model
    heading(f"{model.name}")
    options = list(arguments.options)
    tour = Tour(arguments, model, options)
    inputs = json_of(arguments.tenon, "inspect", model, *options)["inputs"]
    dims = chosen_dims(inputs)
    if dims:
        print(f"sizes chosen for dims without one: {' '.join(dims)}; others may be given after the model")
        options += dims
        inputs = json_of(arguments.tenon, "inspect", model, *options)["inputs"]
    calibration, evaluation = make_inputs(tour, inputs)
    reference = None

    def one(title, passes):
        nonlocal reference
        first = title == AS_IT_IS
        folder = tour.compile(title, passes, "obj,shared,c-test" if first else "obj,shared",
                              [f"--data={shown(evaluation if first else calibration)}"])
        if first:
            test = next(folder.glob("*.c"))
            print("a C program that calls it, with one sample and what the reference interpreter made of it:")
            command("cc", "-O1", "-DTENON_TEST_MAIN", "-I", folder, test, folder / f"{tour.name}.o", "-o", folder / "selftest")
            print(command(folder / "selftest").strip())
        outputs = folder / "outputs.npz"
        command(tour.tenon, "run", folder / f"{tour.name}.so", f"--data={shown(evaluation)}", "-o", outputs)
        with np.load(outputs) as archive:
            if first:
                reference = np.load(outputs)
            row = {"difference": difference(reference, archive), "agreement": agreement(reference, archive)}
        return {**tour.measure(folder, f"--data={shown(evaluation)}"), **row}

    tour.each(PRUNE_ANY, one)
    columns = [*tour.size_columns(), ("difference", lambda row: percent(row["difference"]))]
    if any(row.get("agreement") is not None for row in tour.rows):
        columns.append(("same largest", lambda row: percent(row["agreement"])))
    status = tour.table(columns)
    if "failed" not in tour.rows[0]:
        print("difference: root mean square, relative to the outputs as trained. Inputs are random numbers, so\n"
              "compressed models may look worse here than on real data: tenon eval --data= measures those.")
    return status


def main():
    parser = argparse.ArgumentParser(prog="demo.py", description="A tour of tenon.")
    parser.add_argument("--tenon", type=pathlib.Path, required=True, help="the tenon command")
    parser.add_argument("--quick", action="store_true", help="short measurements, the small data sets only")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/demo", help="where everything goes")
    parser.add_argument("model", type=pathlib.Path, nargs="?", metavar="MODEL.onnx")
    arguments, arguments.options = parser.parse_known_args()
    arguments.tenon, arguments.folder = arguments.tenon.resolve(), arguments.folder.resolve()
    if not arguments.tenon.exists():
        sys.exit(f"demo: there is no {shown(arguments.tenon)}; tools/bootstrap build makes build/release/tenon")
    if arguments.model:
        arguments.model = arguments.model.resolve()
        if not arguments.model.is_file():
            sys.exit(f"demo: there is no file {arguments.model}")
        arguments.folder = arguments.folder / re.sub(r"\W", "_", arguments.model.stem)
    elif arguments.options:
        sys.exit(f"demo: unknown option {arguments.options[0]}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        return (tour_of_model if arguments.model else tour_of_digits)(arguments)
    except Failed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
