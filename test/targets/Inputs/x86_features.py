"""x86_features.py PROGRAM CLANG: the features of each processor as tenon's table has them, and as clang has them."""
import re
import subprocess
import sys

MACROS = {"sse4.1": "SSE4_1", "sse4.2": "SSE4_2", "cx16": "GCC_HAVE_SYNC_COMPARE_AND_SWAP_16", "sahf": "LAHF_SAHF"}
program, clang = sys.argv[1:]
lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
table = dict(line.split(": ", 1) for line in lines if re.match(r"[\w-]+: ", line))
known = {feature for features in table.values() for feature in features.split(",") if feature}
macros = {MACROS.get(feature, feature.upper()): feature for feature in known}
# What LLVM uses only where the source asks for it.
ASKED = {"ADX", "AES", "PCLMUL", "SHA", "SHA512", "SM3", "SM4", "VAES", "VPCLMULQDQ", "PRFCHW", "SSE4A", "MOVDIRI", "CMPCCXADD", "AMX_TILE",
         "AMX_INT8", "AMX_BF16", "AMX_FP16", "AVX512VP2INTERSECT"}
wrong = 0
for cpu, features in table.items():
    text = subprocess.run([clang, "--target=x86_64-linux-gnu", f"-march={cpu}", "-dM", "-E", "-x", "c", "/dev/null"], capture_output=True, text=True, check=True).stdout
    defined = set(re.findall(r"#define __(\w+?)__ 1\b", text)) | set(re.findall(r"#define __(GCC_HAVE_SYNC_COMPARE_AND_SWAP_16)\b", text))
    said = {macros[name] for name in defined if name in macros}
    vector = {name for name in defined if re.match(r"AVX|SSE4|SSSE|AMX|GFNI|BMI|FMA", name)} - set(macros) - ASKED
    if said != set(filter(None, features.split(","))) or vector:
        print(f"{cpu}: the table says {features}; clang has {sorted(said)}, unknown {sorted(vector)}")
        wrong += 1
print(f"{len(table)} processors, {wrong} differ")
