"""Starts a function: its layers' site directories, as Lambda has them, then Lambda's own runtime client.

`executor` runs this file with the function's handler; it imports nothing of this package.
"""

from __future__ import annotations

import os
import runpy
import site
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.pop(0)  # this file's folder, which is none of the function's business
    for layer in filter(None, os.environ.pop("ALPAQUERO_LAYERS").split(os.pathsep)):
        for folder in sorted(Path(layer).glob("python/lib/python3*/site-packages")):
            site.addsitedir(str(folder))
    runpy.run_module("awslambdaric", run_name="__main__")
