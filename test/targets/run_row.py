"""run_row.py ROW MODEL... [--measure DIR] [--option OPTION].. : each model compiled for a target row, linked in every way
that the row's users link, run, and compared with the interpreter.

Bare metal: linked without any library but libgcc, linker warnings are errors, nothing left undefined; run on the
emulated board with a count of instructions, stack and sizes, which must not exceed what the header says.
Linux: as a position-independent, a static and a shared program, run under qemu-user or natively.
--functions FILE.c: functions of custom operators, which become part of the object; natively of a library for the interpreter.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ARM_M = {"cortex-m0plus": "-mfloat-abi=soft", "cortex-m3": "-mfloat-abi=soft", "cortex-m4": "-mfpu=fpv4-sp-d16 -mfloat-abi=hard",
         "cortex-m7": "-mfpu=fpv5-d16 -mfloat-abi=hard", "cortex-m33": "-mfpu=fpv5-sp-d16 -mfloat-abi=hard",
         "cortex-m55": "-mfloat-abi=hard"}
RV32 = {"rv32imc": "-march=rv32imc -mabi=ilp32", "rv32imafc": "-march=rv32imafc -mabi=ilp32f"}
RV64V = "rv64,v=true,vext_spec=v1.0,vlen=128"
LINUX = {"x86-64": ("cc", ["qemu-x86_64", "-cpu", "Nehalem-v1"]), "x86-64-v2": ("cc", ["qemu-x86_64", "-cpu", "Nehalem-v1"]),
         "x86-64-v3": ("cc", []), "x86-64-v3-vnni": ("cc", []), "x86-64-v4": ("cc", []), "x86-64-v4-vnni": ("cc", []), "x86-64-v4-vbmi": ("cc", []),
         "aarch64": ("aarch64-linux-gnu-gcc", ["qemu-aarch64", "-cpu", "cortex-a53"]),
         "aarch64-dotprod": ("aarch64-linux-gnu-gcc", ["qemu-aarch64", "-cpu", "max"]),
         "armv7-a": ("arm-linux-gnueabihf-gcc", ["qemu-arm", "-cpu", "cortex-a7"]),
         "rv64gc": ("riscv64-linux-gnu-gcc", ["qemu-riscv64", "-cpu", "rv64"]),
         "rv64gcv": ("riscv64-linux-gnu-gcc", ["qemu-riscv64", "-cpu", RV64V])}
RUNTIME = pathlib.Path(__file__).parents[2] / "runtime"
ROOTS = {"aarch64-linux-gnu-gcc": "/usr/aarch64-linux-gnu", "arm-linux-gnueabihf-gcc": "/usr/arm-linux-gnueabihf",
         "riscv64-linux-gnu-gcc": "/usr/riscv64-linux-gnu"}


def run(command, **options):
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nexit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def macro(header, name):
    return int(re.search(rf"^#define \w+_{name} (\d+)$", header, re.M).group(1))


def bare_ways(row):
    if row not in ARM_M:
        return [("riscv64-unknown-elf-gcc", RV32[row] + " -mcmodel=medany")]
    ways = [("arm-none-eabi-gcc", f"-mcpu={row} -mthumb {ARM_M[row]}")]
    if "hard" in ARM_M[row] and row != "cortex-m55":
        ways += [(ways[0][0], ways[0][1].replace("=hard", other)) for other in ("=softfp", "=soft")]
    return ways


def add_functions(row, source, work, stem):
    """Compiles the functions of custom operators for the row, and makes one object of them and the model's."""
    gcc, flags = (LINUX[row][0], "-fPIC") if row in LINUX else bare_ways(row)[0]
    merged = work / f"{stem}.merged.o"
    run([gcc, *flags.split(), "-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-ffreestanding", "-ffunction-sections", "-I", work, "-c", source, "-o", work / "functions.o"])
    run([gcc, *flags.split(), "-r", "-nostdlib", work / f"{stem}.o", work / "functions.o", "-o", merged])
    merged.rename(work / f"{stem}.o")


def link_alone(row, work, stem, ways):
    """Links with nothing but libgcc: what the object needs must come from there."""
    start = work / "start.c"
    start.write_text(f'#include "{stem}.h"\n{stem}_inputs in; {stem}_outputs out; tenon_context context;\n'
                     f"int _start(void) {{ return {stem}_run(&context, &in, &out) + {stem}_init(&context, 0, 0); }}\n")
    for gcc, flags in ways:
        # The whole image in one region: 16 MB of flash hold the weights of every small model.
        run([gcc, *flags.split(), "-ffreestanding", "-nostdlib", "-Wl,--fatal-warnings", "-Wl,-Ttext=0x8000", "-Wl,-z,noexecstack,--no-warn-rwx-segments",
             "-I", work, start, work / f"{stem}.o", "-lgcc", "-o", work / "alone.elf"])


def run_bare(row, work, stem, measure, functions):
    link_alone(row, work, stem, bare_ways(row)[:1 if functions else None])  # gcc's objects have one float ABI
    command = [sys.executable, measure / "count" / "count-instructions", row, work / f"{stem}.o", work / f"{stem}.test.c", "--json",
               f"--cflags=-O2 -DTENON_TEST_BENCH -I{work}"]
    result = json.loads(run(command))
    if not re.search(r"elements that differ: 0\b", result["output"]):
        sys.exit(f"{row} {stem}: {result['output']}")
    header = (work / f"{stem}.h").read_text()
    said = macro(header, "STACK_BYTES")
    print(f"{row} {stem}: {result['instructions']} instructions, stack {result['stack']} of {said}")
    if result["stack"] > said + 120:  # the frames of the harness and of the caller are in the figure
        sys.exit(f"{row} {stem}: the header says {said} bytes of stack, {result['stack']} were used")


def run_linux(row, work, stem):
    gcc, emulator = LINUX[row]
    test, obj = work / f"{stem}.test.c", work / f"{stem}.o"
    if gcc in ROOTS:
        emulator = emulator + ["-L", ROOTS[gcc]]
    flags = ["-DTENON_TEST_MAIN", "-Wl,--fatal-warnings", "-I", work]
    for way in ("-pie", "-static", "-no-pie"):
        run([gcc, *flags, way, test, obj, "-o", work / "program"])
        run([*emulator, work / "program"])
    run([gcc, "-shared", "-Wl,--fatal-warnings,-z,defs", obj, "-o", work / f"lib{stem}.so"])
    run([gcc, *flags, test, work / f"lib{stem}.so", "-o", work / "program", f"-Wl,-rpath,{work}"])
    print(f"{row} {stem}: {run([*emulator, work / 'program']).strip()}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("row")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--measure", type=pathlib.Path)
    parser.add_argument("--option", action="append", default=[])
    parser.add_argument("--functions", type=pathlib.Path)
    given = parser.parse_args()
    for model in given.models:
        with tempfile.TemporaryDirectory() as folder:
            work, stem = pathlib.Path(folder), "m_" + re.sub(r"\W", "_", model.stem if model.stem != "model" else model.parent.name)
            if given.functions:
                run(["cc", "-shared", "-fPIC", "-I", RUNTIME, given.functions, "-o", work / "functions.so"])
                given.option.append(f"--custom-library={work}/functions.so")
            run(["tenon", "compile", model, f"-mcpu={given.row}", "--emit=obj,c-test", "-o", work / f"{stem}.o", *given.option])
            if given.functions:
                add_functions(given.row, given.functions, work, stem)
            if given.row in LINUX:
                run_linux(given.row, work, stem)
            else:
                run_bare(given.row, work, stem, given.measure, given.functions)


if __name__ == "__main__":
    main()
