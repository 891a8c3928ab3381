"""check_tidy.py ROOT BUILD: clang-tidy has nothing to say about the sources that BUILD compiles (.clang-tidy)."""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

root, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
compiled = {pathlib.Path(entry["file"]) for entry in json.loads((build / "compile_commands.json").read_text())}
files = sorted(str(path) for path in compiled if root in path.parents and build not in path.parents)
if not files:
    sys.exit(f"{build} compiles nothing of {root}")


def tidy(part):
    command = ["clang-tidy-19", "-quiet", "-p", str(build), *part]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.returncode, done.stdout


jobs = os.cpu_count() or 1
with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
    results = list(pool.map(tidy, [part for part in (files[i::jobs * 4] for i in range(jobs * 4)) if part]))
print("".join(output for _, output in results))
sys.exit(any(status for status, _ in results))
