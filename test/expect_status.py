"""expect_status.py N COMMAND...: runs COMMAND and succeeds only if its exit status is N (a signal never is)."""
import subprocess
import sys

expected = int(sys.argv[1])
status = subprocess.run(sys.argv[2:]).returncode
if status != expected:
    sys.exit(f"exit status {status}, expected {expected}: {' '.join(sys.argv[2:])}")
