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
    "attribute_of_wrong_kind_in_reduction": (
        "attribute 'keepdims' is not an integer", 18,
        'g (float[2,3] x, int64[1] axes) => (float y) { y = ReduceL1<keepdims="x">(x, axes) }'),
    "attribute_of_wrong_kind_in_argmin": (
        "attribute 'axis' is not an integer", 18, 'g (float[2,3] x) => (int64[3] y) { y = ArgMin<axis="x">(x) }'),
    "attribute_of_wrong_kind_in_if": (
        "attribute 'else_branch' is not a graph", 18,
        "g (bool c, float[2] x) => (float[2] y) { y = If<then_branch = t () => (float[2] a) { a = Relu(x) }, else_branch = 3>(c) }"),
    "quantize_without_output": (
        "output 'y' is not defined by any node", 18, "g (float[2] x, float s, uint8 z) => (uint8[2] y) { = QuantizeLinear(x, s, z) }"),
    "scatter_positions_of_rank_0": (
        "positions of rank 0, wanted 1", 24, "g (float[2,4,3] c, float[2,1,3] u, int64 p) => (float[2,4,3] y) { y = TensorScatter(c, u, p) }"),
    "sequence_of_one_part": (
        "", 18, "g (float[6] x) => (float[6] y) { n = Constant<value_int=9223372036854775807>() s = SplitToSequence(x, n) i = Constant<value_int=0>() y = SequenceAt(s, i) }"),
    "skips_without_end": (
        "", 18, "g (int32[12] x) => (float[2] y) { y = TfIdfVectorizer<max_gram_length=2, max_skip_count=9223372036854775807, min_gram_length=2, mode=\"TF\", "
        "ngram_counts=[0, 0], ngram_indexes=[0, 1], pool_int64s=[5, 6, 7, 8]>(x) }"),
    "reshape_of_nothing": (
        "", 18, "g () => (float[9223372036854775807,4,0] y) { e = Constant<value=float[0,3] {}>() s = Constant<value_ints=[9223372036854775807, 4, 0]>() "
        "y = Reshape<allowzero=1>(e, s) }"),
    "tree_without_end": (
        "node 0 leads to leaf 9223372036854775807, which does not exist", 18,
        "g (float[1,2] x) => (float[1,1] y) { y = ai.onnx.ml.TreeEnsemble<n_targets=1, nodes_featureids=[0], nodes_modes=uint8[1] {0}, nodes_splits=float[1] {0.5}, "
        "nodes_truenodeids=[0], nodes_trueleafs=[1], nodes_falsenodeids=[9223372036854775807], nodes_falseleafs=[1], tree_roots=[0], "
        "leaf_targetids=[0, 0], leaf_weights=float[2] {1, 2}>(x) }"),
    "open_channels_of_computed_weights": ("", 18, "g (float[1,2,5,5] x, float[N,2,3,3] w) => (float[1,N,3,3] y) { y = Conv(x, w) }"),
    "open_channels_of_integer_weights": ("", 18, "g (uint8[1,C,5,5] x, uint8[4,C,3,3] w) => (int32[1,4,3,3] y) { y = ConvInteger(x, w) }"),
    "open_channels_of_transposed_weights": (
        "", 18, "g (float[1,4,5,5] x, float[4,N,3,3] w) => (float[1,M,7,7] y) { y = ConvTranspose<group=2>(x, w) }"),
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
