"""check_layers.py ROOT: each layer includes only what it may know, and no file is open-ended.

    frontend -> ir     passes -> ir     codegen -> ir, runtime (tenon.h)     tools -> all of them
Only frontend/ sees protobuf-c, only codegen/ sees LLVM. Files over 600 lines are printed, but allowed.
"""
import pathlib
import re
import sys

import sources

MAY_INCLUDE = {
    "ir": {"ir"},
    "frontend": {"ir", "frontend"},
    "passes": {"ir", "passes"},
    "codegen": {"ir", "codegen", "runtime"},
    "runtime": {"runtime"},
    "tools": {"ir", "frontend", "passes", "codegen", "runtime", "tools"},
}
ONLY_IN = [(re.compile(r"(.*/)?(protobuf-c/.*|onnx.*\.pb-c\.h)"), "frontend"), (re.compile(r"(llvm|llvm-c|clang-c)/.*"), "codegen")]
INCLUDE = re.compile(r'\s*#\s*include\s*[<"]([^>"]+)[>"]')
OPEN_END = re.compile(r"\b(TODO|FIXME|XXX)\b")
LONG = 600


def complaints(root, path):
    layer = path.relative_to(root).parts[0]
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        where = f"{path.relative_to(root)}:{number}"
        if OPEN_END.search(line):
            yield f"{where}: open end: {line.strip()}"
        included = INCLUDE.match(line)
        if not included or layer not in MAY_INCLUDE:
            continue
        name = included.group(1)
        for pattern, owner in ONLY_IN:
            if pattern.fullmatch(name) and layer != owner:
                yield f"{where}: only {owner}/ may include {name}"
        other = name.split("/")[0]
        if "/" in name and other in MAY_INCLUDE and other not in MAY_INCLUDE[layer]:
            yield f"{where}: {layer}/ may not know {other}/ ({name})"
    if len(lines) > LONG:
        print(f"note: {path.relative_to(root)} has {len(lines)} lines: is it one idea?")


def main():
    root = pathlib.Path(sys.argv[1])
    found = [text for path in sources.c_files(root, (".c", ".h", ".def", ".inc")) for text in complaints(root, path)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
