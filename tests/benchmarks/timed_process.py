"""Runs a command and prints as JSON the seconds it took and the most memory it held, in MB.

A process of its own: Linux counts in a child's peak what its parent held when it was started, and this
one holds little. Standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from time import perf_counter


def main(command: list[str]) -> int:
    """Run the command; its exit code."""
    began = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    megabytes = usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
    sys.stdout.write(json.dumps({"seconds": seconds, "megabytes": megabytes}))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
