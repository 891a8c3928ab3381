"""Runs every test of the builds `dev` and `release`; `tools/bootstrap test` calls it.

The last line is "N passed, N failed" or "N passed, N failed, N skipped". What cannot run here, and the backend cases that are
not yet supported, are printed with the reason and counted as skipped only.
"""
import collections
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEV, RELEASE = ROOT / "build/dev", ROOT / "build/release"
GOOD, SKIPPED = {"PASS", "XFAIL", "FLAKYPASS"}, {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}


def lit_script():
    for line in (DEV / "CMakeCache.txt").read_text().splitlines():
        if line.startswith("LIT:") and not line.endswith("NOTFOUND"):
            return line.split("=", 1)[1]
    sys.exit("lit was not found when build/dev was configured (Debian package llvm-19-tools)")


def run_lit(counts):
    results = DEV / "test/results.json"
    results.unlink(missing_ok=True)
    status = subprocess.run([sys.executable, lit_script(), "-v", "-j", str(os.cpu_count()), "-o", results, DEV / "test"])
    if not results.exists():
        counts["failed"] += 1
        print(f"FAIL: lit ended with status {status.returncode} and without results")
        return
    skipped = []
    for test in json.loads(results.read_text())["tests"]:
        if test["code"] in SKIPPED:
            skipped.append((test["name"], test["output"]))
        counts["passed" if test["code"] in GOOD else "skipped" if test["code"] in SKIPPED else "failed"] += 1
    for name, reason in skipped:
        print(f"not run: {name}: {' '.join(reason.split())}")


def run_conformance(counts, *arguments):
    results = DEV / "test/conformance.json"
    results.unlink(missing_ok=True)
    subprocess.run([sys.executable, ROOT / "test/conformance.py", *arguments, "--json", results])
    if not results.exists():
        counts["failed"] += 1
        print("FAIL: conformance.py ended without results")
        return
    counts.update(json.loads(results.read_text()))


def main():
    started = time.monotonic()
    counts = collections.Counter()
    run_lit(counts)
    # Compiled code is the same whatever tenon was built with, so all cases run through the fast build; the sanitizers
    # watch the frontend and the interpreter over a part of them.
    for title, *arguments in (
            ("compiled", RELEASE / "tenon"),
            ("interpreted", RELEASE / "tenon", "--interpret"),
            ("interpreted, with sanitizers, every 5th", DEV / "tenon", "--interpret", "--listed", "--every", "5")):
        print(f"\nONNX backend cases, {title}", flush=True)
        run_conformance(counts, *arguments)
    print(f"tests took {time.monotonic() - started:.0f} s")
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
