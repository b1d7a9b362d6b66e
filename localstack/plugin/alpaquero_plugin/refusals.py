"""The gateway's own answers as the template words them; LocalStack keeps the wording and does not use it.

`plugins` puts it into LocalStack's handler of refusals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_VARIABLE = re.compile(r"\$context\.([\w.]+)")
_HEADER = "gatewayresponse.header."


def worded(template: str, variables: Mapping[str, Any], message: str) -> str:
    """The template with each ``$context`` variable put in; ``messageString`` comes in quotes, as on AWS.

    Examples
    --------
    >>> worded('[$context.error.messageString, "$context.requestId"]', {"requestId": "1"}, "no")
    '["no", "1"]'
    """
    special = {"error.message": message, "error.messageString": json.dumps(message)}

    def value(found: re.Match[str]) -> str:
        if found[1] in special:
            return special[found[1]]
        at: Any = variables
        for part in found[1].split("."):
            at = at.get(part, "") if isinstance(at, Mapping) else ""
        return str(at)

    return _VARIABLE.sub(value, template)


def headers(parameters: Mapping[str, str]) -> dict[str, str]:
    """The headers that a gateway response gives; a fixed value stands in single quotes."""
    return {
        name.removeprefix(_HEADER): value.strip("'")
        for name, value in parameters.items()
        if name.startswith(_HEADER) and value.startswith("'")
    }
