"""A cold start without garbage collection; `alpaquero` begins it, the wrappers of handlers end it.

Importing botocore and making a first client creates some hundred thousand objects that all stay. Python
looks through them again and again for garbage, a sixth of the whole start. What is there when the first
event is served is set aside for good, so that no later collection walks through it either.
"""

from __future__ import annotations

import gc
import os


def begin() -> None:
    """No collection until `over`; does nothing outside of Lambda."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        gc.disable()


def over() -> None:
    """Collections as usual from now on, of what comes after; asked at each event, works at the first."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
