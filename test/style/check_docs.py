"""check_docs.py ROOT TENON: what the README and docs/ say is so.

Links lead somewhere; files that are named in `...` exist; the numbers of operators are those of the tables; the commands
of the README and of docs/codegen.md run, in their order, in a copy of examples/mnist.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FILE = re.compile(r"`((?:ir|frontend|passes|codegen|runtime|tools|test|docs|examples|cmake)/[\w./-]+)`")
LINK = re.compile(r"\]\(([^)#:]+)\)")


def missing_files(root, page):
    text = page.read_text(encoding="utf-8")
    for link in LINK.findall(text):
        if not (page.parent / link).exists():
            yield f"{page.relative_to(root)}: the link {link} leads nowhere"
    for name in FILE.findall(text):
        if not (root / name).exists() and "drop_dropout" not in name and "drop-dropout" not in name:
            yield f"{page.relative_to(root)}: there is no {name}"


def wrong_numbers(root, readme):
    for table, macro, pattern in (("ir/ops.def", "OP(", r"become (\d+) of the IR"),
                                  ("frontend/importers.def", "ONNX_OPERATOR(", r"(\d+) operators of ONNX")):
        rows = sum(line.startswith(macro) for line in (root / table).read_text(encoding="utf-8").splitlines())
        said = re.search(pattern, readme)
        # "More than N": N grows from time to time.
        if not said or not 0.8 * rows <= int(said.group(1)) <= rows:
            yield f"README.md: {table} has {rows} rows, said are {said.group(1) if said else 'none'}"


def commands(text):
    """Indented lines that start with `tenon` or `cc`, with their continuations and without comments."""
    joined = re.sub(r"\\\n\s*", "", text)
    for line in joined.splitlines():
        if re.match(r" {4}(tenon|cc) ", line):
            yield re.sub(r"\s{2,}#.*", "", line.strip())


def failing_commands(root, tenon, pages):
    environment = {**os.environ, "PATH": f"{tenon.parent}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "mnist"
        shutil.copytree(root / "examples/mnist", folder)
        for page in pages:
            for command in commands(page.read_text(encoding="utf-8")):
                print(f"$ {command}", flush=True)
                result = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
                if result.returncode:
                    yield f"{page.relative_to(root)}: {command}: exit status {result.returncode}: {result.stderr.strip()[:300]}"


def main():
    root, tenon = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    complaints = [complaint for page in pages for complaint in missing_files(root, page)]
    complaints += wrong_numbers(root, pages[0].read_text(encoding="utf-8"))
    complaints += failing_commands(root, tenon, [pages[0], root / "docs/codegen.md"])
    print(*complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
