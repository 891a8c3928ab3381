"""Files that lead out of their folder, lie about their size, or are no files: each is refused with a message that says what and where,
in a moment, and nothing is written.

  file_attacks.py TENON FOLDER
"""
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SECRET = b"SECRET__" * 8
HEADER = np.array([1, 1], "u8")  # version and number of entries of a .tir.weights


def external(fields, dims=(2, 3), name="w"):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in fields.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def model(tensor, place="initializer"):
    """y = x + w, with w where the test wants it."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy")
    add = helper.make_node("Add", ["x", "w"], ["y"], name="sum")
    constant = helper.make_node("Constant", [], ["w"], name="constant", value=tensor)
    opsets, functions, initializers, nodes = [helper.make_opsetid("", 17)], [], [], [add]
    if place == "initializer":
        initializers = [tensor]
    elif place == "attribute":
        nodes = [constant, add]
    elif place == "branch":
        branch = helper.make_graph([constant, add], "branch", [], [y])
        other = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", [], [y])
        condition = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array(True)))
        nodes = [condition, helper.make_node("If", ["c"], ["y"], name="either", then_branch=branch, else_branch=other)]
    elif place == "function":
        opsets.append(helper.make_opsetid("own", 1))
        functions = [helper.make_function("own", "Plus", ["x"], ["y"], [constant, add], opsets[:1])]
        nodes = [helper.make_node("Plus", ["x"], ["y"], name="plus", domain="own")]
    graph = helper.make_graph(nodes, "attack", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=8)


LOCATIONS = {
    "../secret.bin": "leads out of the model's folder",
    "..": "leads out of the model's folder",
    "sub/../../secret.bin": "leads out of the model's folder",
    "sub/../w.bin": "leads out of the model's folder",
    "./../secret.bin": "leads out of the model's folder",
    "ABSOLUTE/secret.bin": "is an absolute path: it must lie in the model's folder",
    "/dev/zero": "is an absolute path",
    "/proc/self/environ": "is an absolute path",
    "link.bin": "goes through a symbolic link, which could lead out of the model's folder",
    "inner_link.bin": "goes through a symbolic link",
    "up/secret.bin": "goes through a symbolic link",
    "sub/zero": "goes through a symbolic link",
    "loop": "goes through a symbolic link",
    "hard.bin": "has several hard links, so it may be a file from outside the model's folder",
    "sub": "is not a regular file",
    "pipe": "is not a regular file",
    "w.bin/": None,  # the slash at the end says nothing
    "w.bin/more": "cannot be opened: Not a directory",
    "nothing.bin": "cannot be opened: No such file or directory",
    ".": "has no name",
    "": None,  # protobuf has no difference between "" and nothing
    "x" * 5000: "cannot be opened: File name too long",
    "W.bin\n../secret.bin": "cannot be opened: No such file or directory",
}
RANGES = [
    ({"offset": "64"}, "which has only 64"),
    ({"offset": "41", "length": "24"}, "which has only 64"),
    ({"offset": "0", "length": "1024"}, "wants 24 bytes, its external data has 1024"),
    ({"length": "23"}, "wants 24 bytes, its external data has 23"),
    ({"offset": "-1"}, "the offset of its external data, '-1', is not a number of bytes"),
    ({"length": "-24"}, "the length of its external data, '-24', is not a number of bytes"),
    ({"offset": "0x10"}, "is not a number of bytes"),
    ({"offset": " 8"}, "is not a number of bytes"),
    ({"offset": "18446744073709551615"}, "which has only 64"),
    ({"offset": "18446744073709551592", "length": "24"}, "which has only 64"),
    ({"offset": "18446744073709551616"}, "is not a number of bytes"),
    ({"offset": "9223372036854775807"}, "which has only 64"),
    ({"offset": "9" * 400}, "is not a number of bytes"),
]


def make_files(folder):
    outside, inside = folder / "outside", folder / "outside" / "model"
    (inside / "sub").mkdir(parents=True)
    (outside / "secret.bin").write_bytes(SECRET)
    (inside / "w.bin").write_bytes(np.arange(16, dtype="f4").tobytes())
    (inside / "link.bin").symlink_to("../secret.bin")
    (inside / "inner_link.bin").symlink_to("w.bin")
    (inside / "up").symlink_to("..")
    (inside / "sub" / "zero").symlink_to("/dev/zero")
    (inside / "loop").symlink_to("loop")
    os.link(outside / "secret.bin", inside / "hard.bin")
    os.mkfifo(inside / "pipe")
    return inside


class Judge:
    def __init__(self, tenon, folder):
        self.tenon, self.folder, self.wrong, self.count = tenon, folder, 0, 0

    def listing(self):
        return sorted(str(path) for path in self.folder.rglob("*"))

    def refused(self, what, message, *arguments):
        """Exit status 1, the message, no byte of what lies outside, no new file."""
        before = self.listing()
        self.count += 1
        try:
            done = subprocess.run([self.tenon, *map(str, arguments)], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            return self.fail(what, "does not end")
        text = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode != 1 or message not in text or not re.search("error: ", text):
            self.fail(what, f"exit status {done.returncode}, wanted '{message}': {text}")
        if SECRET[:6].decode() in text:
            self.fail(what, "shows what lies outside")
        if self.listing() != before:
            self.fail(what, f"wrote {sorted(set(self.listing()) - set(before))}")

    def fail(self, what, how):
        self.wrong += 1
        print(f"FAIL: {what[:80]!r}: {how[:600]}")


def attack_external_data(judge, inside):
    path, x = inside / "m.onnx", inside / "x.npy"
    np.save(x, np.zeros((2, 3), "f4"))
    for location, message in LOCATIONS.items():
        location = location.replace("ABSOLUTE", str(inside.parent))
        if message is None:
            continue
        path.write_bytes(model(external({"location": location})).SerializeToString())
        judge.refused(location, "tensor 'w': external data file", "compile", path, "-o", inside / "m.o")
        judge.refused(location, message, "run", path, x, "-o", inside / "out")
    for fields, message in RANGES:
        path.write_bytes(model(external({"location": "w.bin", **fields})).SerializeToString())
        judge.refused(str(fields), message, "compile", path, "-o", inside / "m.o", "--emit=obj,c-test")
        judge.refused(str(fields), "tensor 'w'", "opt", path, "-o", inside / "m.tir")
    for place in ("attribute", "branch", "function"):
        path.write_bytes(model(external({"location": "../secret.bin"}), place).SerializeToString())
        judge.refused(place, "leads out of the model's folder", "compile", path, "-o", inside / "m.o")
        judge.refused(place, "leads out of the model's folder", "check", path)
    path.write_bytes(model(external({"location": "w.bin"}, (1 << 40, 1 << 40))).SerializeToString())
    judge.refused("too many elements", "tensor 'w'", "compile", path, "-o", inside / "m.o")
    path.unlink()


def attack_weights(judge, inside):
    """The values of constants beside a .tir."""
    text, weights = inside / "m.tir", inside / "m.tir.weights"
    text.write_text("tenon 1\ninput %x : f32[2,3]\n%w = const : f32[2,3] hash(0x123)\n%y = add %x, %w\nreturn %y\n")

    def attack(what, message, bytes_or_target):
        if isinstance(bytes_or_target, bytes):
            weights.write_bytes(bytes_or_target)
        else:
            bytes_or_target()
        judge.refused(what, message, "compile", text, "-o", inside / "m.o")
        judge.refused(what, "node 'w'", "run", text, inside / "x.npy")
        weights.rmdir() if weights.is_dir() and not weights.is_symlink() else weights.unlink()

    def file(count=1, offset=128, size=24, value_hash=0x123, version=1, bytes_behind=64):
        head = b"TENONWTS" + np.array([version, 0], "u4").tobytes() + np.array([count, 0, 0, 0, 0, 0], "u8").tobytes()
        return head + np.array([value_hash, offset, size], "u8").tobytes() + bytes(40 + bytes_behind)

    attack("pipe", "not a file", lambda: os.mkfifo(weights))
    attack("folder", "not a file", lambda: weights.mkdir())
    attack("device", "not a file", lambda: weights.symlink_to("/dev/zero"))
    attack("loop", "cannot read the values of constants", lambda: weights.symlink_to(weights.name))
    attack("empty", "is not a weights file", b"")
    attack("other", "is not a weights file", SECRET * 4)
    attack("version", "version 2", file(version=2))
    attack("count", "too short for its table", file(count=1 << 60))
    attack("count that wraps", "too short for its table", file(count=(1 << 64) // 24 + 1))
    attack("past the end", "lies outside the file", file(offset=192))
    attack("size past the end", "lies outside the file", file(size=65))
    attack("size that wraps", "lies outside the file", file(size=(1 << 64) - 64))
    attack("offset that wraps", "lies outside the file", file(offset=(1 << 64) - 64))
    attack("other hash", "node 'w'", file(value_hash=0x124))
    attack("other size", "node 'w'", file(size=20))
    text.unlink()


def attack_data(judge, inside):
    """Files of --data and inputs: pipes, devices, folders, external data that leads out."""
    path, data = inside / "m.onnx", inside / "set"
    path.write_bytes(model(numpy_helper.from_array(np.zeros((2, 3), "f4"), "w")).SerializeToString())
    data.mkdir()
    sample = data / "input_0.pb"

    def attack(what, message):
        judge.refused(what, message, "compile", path, "-o", inside / "m.o", "--emit=obj,c-test", "--data", data)
        judge.refused(what, message, "run", path, sample, "-o", inside / "out")
        sample.rmdir() if sample.is_dir() and not sample.is_symlink() else sample.unlink()

    os.mkfifo(sample)
    attack("pipe", "it is not a regular file")
    sample.mkdir()
    judge.refused("folder", "it is a directory", "compile", path, "-o", inside / "m.o", "--emit=obj,c-test", "--data", data)
    judge.refused("folder", "this folder has no input_0.pb", "run", path, sample, "-o", inside / "out")
    sample.rmdir()
    sample.symlink_to("/dev/zero")
    attack("device", "it is not a regular file")
    sample.symlink_to("input_0.pb")
    judge.refused("loop", "error: ", "compile", path, "-o", inside / "m.o", "--emit=obj,c-test", "--data", data)
    sample.unlink()
    for location, message in (("../../secret.bin", "leads out of the model's folder"), ("../w.bin", "leads out of the model's folder"), ("/dev/zero", "is an absolute path")):
        sample.write_bytes(external({"location": location}).SerializeToString())
        attack(location, message)
    for name in ("pipe", "sub/zero"):
        judge.refused(name, "it is not a regular file", "run", path, "--data", inside / name, "-o", inside / "out.npz")
        judge.refused(name, "it is not a regular file", "compile", inside / name, "-o", inside / "m.o")
    judge.refused("folder", "it is a directory", "compile", inside / "sub", "-o", inside / "m.o")


def main():
    folder = pathlib.Path(sys.argv[2])
    inside = make_files(folder)
    judge = Judge(sys.argv[1], folder)
    attack_external_data(judge, inside)
    attack_weights(judge, inside)
    attack_data(judge, inside)
    # The same places with an honest file are read.
    (inside / "m.onnx").write_bytes(model(external({"location": "./w.bin", "offset": "16", "length": "24"})).SerializeToString())
    done = subprocess.run([sys.argv[1], "run", str(inside / "m.onnx"), str(inside / "x.npy"), "-o", str(inside / "y.npy")], capture_output=True)
    if done.returncode or not np.array_equal(np.load(inside / "y.npy"), np.arange(4, 10, dtype="f4").reshape(2, 3)):
        judge.fail("an honest file", done.stderr.decode())
    print(f"{judge.count} attacks, {judge.wrong} not as wanted")
    return 1 if judge.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
