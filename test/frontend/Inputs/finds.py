#!/usr/bin/env python3
"""Models that fuzzing found, in their smallest form: finds.py TENON FOLDER compiles each and looks at what is said.

A find that is wrong has to be refused (exit status 1) with a message that has the text below; "" means that it is
right and compiles.
"""
import pathlib
import subprocess
import sys

import onnx
import onnx.parser

# name: (message, operator set version, graph)
FINDS = {
    "sequence_of_two_types": (
        "input 1 is bool in a sequence of f32", 20,
        "g (float[2] x, bool[2] y) => (float[2,2] z) { s = SequenceConstruct(x, y) z = ConcatFromSequence<axis=0>(s) }"),
    "sequence_insert_type": (
        "input 1 is i64 in a sequence of f32", 20,
        "g (float[2] x, int64[2] y) => (float[4] z) { s = SequenceConstruct(x) t = SequenceInsert(s, y) z = ConcatFromSequence<axis=0>(t) }"),
    "sequence_of_two_ranks": (
        "element 1 of the sequence has rank 1, element 0 rank 3", 20,
        "g (float[2,3,4] x, float[6] y) => (float[2,3,4,2] z) { s = SequenceConstruct(x, y) z = ConcatFromSequence<axis=-1, new_axis=1>(s) }"),
    "sequence_sizes_are_floats": (
        "the sizes are f32", 20,
        "g (float[4] x) => (float[2] z) { n = Constant<value_floats=[2.0, 2.0]>() s = SplitToSequence(x, n) i = Constant<value_int=0>() z = SequenceAt(s, i) }"),
}


def check(tenon, folder, name, message, version, graph):
    """None, or what is wrong."""
    path = folder / f"{name}.onnx"
    text = f'<ir_version: 9, opset_import: ["" : {version}, "ai.onnx.ml" : 5, "com.microsoft" : 1]>\n{graph}'
    path.write_bytes(onnx.parser.parse_model(text).SerializeToString())
    done = subprocess.run([tenon, "compile", str(path), "-o", str(folder / f"{name}.o")], capture_output=True, text=True, errors="replace")
    wanted = 1 if message else 0
    if done.returncode == wanted and message in done.stderr and "Sanitizer" not in done.stderr:
        return None
    return f"{name}: exit status {done.returncode}, wanted {wanted} and '{message}'\n{done.stderr[-2000:]}"


def main():
    tenon, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    wrong = [text for name, find in FINDS.items() if (text := check(tenon, folder, name, *find))]
    print("\n".join(wrong))
    print(f"{len(FINDS) - len(wrong)} of {len(FINDS)} finds stay fixed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
