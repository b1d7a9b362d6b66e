"""A cold start at less cost; `alpaquero` begins it, the wrappers of handlers end it.

Importing botocore and making a first client creates some hundred thousand objects that all stay. Python
looks through them again and again for garbage, a sixth of the whole start. What is there when the first
event is served is set aside for good, so that no later collection walks through it either.

CPython keeps the frames of calls in chunks of 16 KB and gives a chunk back as soon as it is empty. A busy
loop that lies just at the end of one asks the kernel for a chunk, and gives it back, at each call. Below a
dozen imports of ours that was where urllib3 compiles its patterns: 6,000 times, a fifth of a cold start. So
botocore, which every function needs, is imported first, where few calls lie above it.
"""

from __future__ import annotations

import gc
import os


def begin() -> None:
    """No collection until `over`, and botocore before all else; does nothing outside of Lambda."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        gc.disable()
        import botocore.session  # noqa: F401 - for its place in time


def over() -> None:
    """Collections as usual from now on, of what comes after; asked at each event, works at the first."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
