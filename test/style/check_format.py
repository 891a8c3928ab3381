"""check_format.py ROOT [--mend]: every C file is as clang-format leaves it."""
import subprocess
import sys

import sources

files = [str(path) for path in sources.c_files(sys.argv[1])]
action = ["-i"] if sys.argv[2:] == ["--mend"] else ["--dry-run", "-Werror", "--ferror-limit=1"]
sys.exit(subprocess.run(["clang-format-19", *action, *files]).returncode)
