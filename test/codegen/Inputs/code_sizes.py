"""code_sizes.py TENON FILE.tir CPU=SHARE..: the code of -Os takes at most that share of -O2's bytes on each processor, and on
this machine both give what the interpreter gives."""
import re
import subprocess
import sys
import tempfile

tenon, path, *limits = sys.argv[1:]


def code_bytes(cpu, level, folder):
    command = [tenon, "compile", path, f"--mcpu={cpu}", level, "-o", f"{folder}/model.o"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(re.search(r"code ([\d,]+)", text)[1].replace(",", ""))


with tempfile.TemporaryDirectory() as folder:
    for limit in limits:
        cpu, share = limit.split("=")
        fast, small = (code_bytes(cpu, level, folder) for level in ("-O2", "-Os"))
        if small > float(share) * fast:
            sys.exit(f"{cpu}: {small} bytes of code with -Os, {fast} with -O2")
    subprocess.run([tenon, "run", path, "--interpret", "-o", f"{folder}/expected"], check=True)
    for cpu in ("x86-64", "x86-64-v3"):
        for level in ("-O2", "-Os"):
            command = [tenon, "run", path, f"--mcpu={cpu}", level, f"--expect={folder}/expected", "--rtol=1e-4"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
