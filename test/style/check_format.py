"""check_format.py ROOT: every C file is as clang-format leaves it (`clang-format-19 -i FILE` mends it)."""
import subprocess
import sys

import sources

files = [str(path) for path in sources.c_files(sys.argv[1])]
sys.exit(subprocess.run(["clang-format-19", "--dry-run", "-Werror", "--ferror-limit=1", *files]).returncode)
