"""The project's own C files. Walks the folders rather than asking git, so that an unpacked archive is checked too."""
import pathlib

FOLDERS = ("frontend", "ir", "passes", "codegen", "runtime", "tools", "test", "examples")


def c_files(root, suffixes=(".c", ".h")):
    for folder in FOLDERS:
        for path in sorted(pathlib.Path(root, folder).rglob("*")):
            if path.suffix in suffixes and not {"Inputs", "build"} & set(path.relative_to(root).parts):
                yield path
