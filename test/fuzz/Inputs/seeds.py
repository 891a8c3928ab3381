#!/usr/bin/env python3
"""What long fuzzing starts from: seeds.py TARGET FOLDER writes inputs of the target, and FOLDER.dict, a dictionary of words.

  onnx_file, compile   the models of the onnx package's backend tests that are small; a fourth of them, for compile,
                       goes all the way to machine code (see test/fuzz/compile.c)
  text, pipeline       the .tir files of the tests, for pipeline with the passes of their RUN lines
  arrays               the seeds in git
"""
import hashlib
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
TEST = HERE.parent.parent
SOURCE = TEST.parent
LARGEST = 3000  # bytes of a model
TEXT_LARGEST = 6000
TARGETS = ("cortex-m0plus", "cortex-m4", "rv32imc", "rv64gc", "x86-64-v3", "cortex-m55", "aarch64")


def models(target):
    sys.path.insert(0, str(TEST))
    import conformance
    for index, case in enumerate([*conformance.node_cases(), *conformance.packaged_cases()]):
        if target == "compile":  # rows of the target table, levels, stages, pipelines take turns
            case.model.model_version = index % 19 | index // 8 % 4 << 5 | index // 32 % 4 << 8 | index // 128 % 8 << 10
        data = case.model.SerializeToString()
        if len(data) <= LARGEST:
            yield data


def texts(target):
    for index, path in enumerate(sorted(TEST.rglob("*.tir"))):
        text = path.read_text(errors="replace")
        module = "\n".join(line for line in text.split("\n") if not line.startswith(";"))
        if len(module) > TEXT_LARGEST:
            continue
        if target == "text":
            yield module.encode()
            continue
        passes = re.findall(r"--passes=(?:'([^']*)'|(\S+))", text) + [("default<O2>", "")]
        for number, (quoted, plain) in enumerate(dict.fromkeys(passes)):
            row = TARGETS[(index + number) % len(TARGETS)]
            yield f"{row} {quoted or plain}\n{module}".encode()
            yield f"- {quoted or plain}\n{module}".encode()
            yield f"- {quoted or plain}, default<O2>\n".encode()


def words():
    for name in ("ir/ops.def", "ir/attributes.def", "ir/element.def", "ir/storage.def", "ir/target.def", "passes/passes.def"):
        yield from re.findall(r'"([A-Za-z0-9_<>-]{2,20})"', (SOURCE / name).read_text())


def main():
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    made = models(target) if target in ("onnx_file", "compile") else texts(target) if target in ("text", "pipeline") else ()
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for data in [*made, *(path.read_bytes() for path in sorted((HERE.parent / "seeds" / target).glob("*")))]:
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
        count += 1
    pathlib.Path(f"{folder}.dict").write_text("".join(f'"{word}"\n' for word in dict.fromkeys(words())))
    print(f"{count} seeds in {folder}")


main()
