"""One AWS session a function, shared by boto3 and pynamodb; `broker`, `store`, `events` and handlers use it.

Each botocore session parses the endpoint tables and service descriptions again, 8 to 12 MB and
some 50 ms for a first client. Left alone, pynamodb opens a session for each table.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import botocore.session

_building = threading.Lock()


@lru_cache(maxsize=1)
def session() -> botocore.session.Session:
    """The session; region, credentials and endpoint come from the environment, as on Lambda."""
    return botocore.session.get_session()


def client(service: str, **options: Any) -> Any:
    """A new boto3 client of `service`; keep it, for building one takes milliseconds."""
    import boto3

    with _building:  # botocore builds clients in one thread at a time
        shared: Any = boto3.Session(botocore_session=session())
        return shared.client(service, **options)
