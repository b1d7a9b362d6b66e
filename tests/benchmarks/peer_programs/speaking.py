"""How a peer program talks: it answers each request of its standard input with a line of JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any


def answer_requests(works: Mapping[str, Callable[..., dict[str, Any]]]) -> None:
    """Do the `work` that each request names, with the rest of the request as its arguments."""
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        answers.write(json.dumps(works[request.pop("work")](**request)) + "\n")
        answers.flush()
