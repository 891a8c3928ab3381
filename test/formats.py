"""Kinds of tests that are not a file with RUN lines."""
import os
import subprocess
import tempfile

import lit.formats
import lit.Test
import lit.util


class UnitTests(lit.formats.FileBasedTest):
    """test/unit/NAME.c is the program build/<preset>/test/unit/NAME, which succeeds with exit status 0."""

    def execute(self, test, lit_config):
        stem = os.path.splitext(test.path_in_suite[-1])[0]
        program = os.path.join(test.config.tenon_build_dir, "test", "unit", stem)
        if not test.config.unit_tests:
            return lit.Test.UNSUPPORTED, "this build has no unit tests (TENON_UNIT_TESTS=OFF)"
        return run([program], test, lit_config)


class FuzzTargets(lit.formats.FileBasedTest):
    """test/fuzz/NAME.c is a libFuzzer program; it runs over seeds, those in seeds/NAME, and mutations, the same each time.

    What is started from and how many runs there are says chosen[NAME], a pair, or `otherwise`.
    """

    def __init__(self, chosen, otherwise):
        self.chosen = chosen
        self.otherwise = otherwise

    def execute(self, test, lit_config):
        stem = os.path.splitext(test.path_in_suite[-1])[0]
        program = os.path.join(test.config.tenon_build_dir, "test", "fuzz", stem)
        if not test.config.fuzz:
            return lit.Test.UNSUPPORTED, "this build has no fuzz targets (they need clang and sanitizers)"
        own = os.path.join(os.path.dirname(test.getSourcePath()), "seeds", stem)
        seeds, runs = self.chosen.get(stem, self.otherwise)
        seeds = [*seeds, own] if os.path.isdir(own) else seeds
        with tempfile.TemporaryDirectory(prefix="fuzz-") as found:
            return run([program, f"-runs={runs}", "-seed=1", "-timeout=20", "-rss_limit_mb=4000", "-print_final_stats=1",
                        f"-artifact_prefix={test.config.tenon_build_dir}/test/fuzz/{stem}-", found, *seeds],
                       test, lit_config)


class Folders(lit.formats.TestFormat):
    """One test for each folder below `root` that has a model.onnx; `command` runs with that folder as last argument."""

    def __init__(self, root, command):
        self.root = root
        self.command = command

    def getTestsInDirectory(self, suite, path_in_suite, lit_config, local_config):
        found = sorted(os.path.relpath(folder, self.root) for folder, _, files in os.walk(self.root)
                       if "model.onnx" in files)
        for name in found or ["none"]:
            test = lit.Test.Test(suite, path_in_suite + tuple(name.split(os.sep)), local_config)
            test.folder = os.path.join(self.root, name)
            yield test

    def execute(self, test, lit_config):
        if not os.path.exists(os.path.join(test.folder, "model.onnx")):
            return lit.Test.UNSUPPORTED, f"no models in {self.root}"
        return run([*self.command, test.folder], test, lit_config)


def run(command, test, lit_config):
    environment = dict(os.environ, **{k: v for k, v in test.config.environment.items() if v is not None})
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=lit_config.maxIndividualTestTime or None)
    except subprocess.TimeoutExpired as expired:
        return lit.Test.TIMEOUT, f"no end after {expired.timeout:.0f} s: {' '.join(command)}"
    if done.returncode == 0:
        return lit.Test.PASS, done.stdout
    return lit.Test.FAIL, f"$ {' '.join(command)}\n{done.stdout}\nexit status {done.returncode}\n"
