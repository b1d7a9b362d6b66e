"""One AWS session a function, shared by boto3 and pynamodb; `broker`, `store`, `events` and handlers use it.

Each botocore session parses the endpoint tables and service descriptions again, 8 to 12 MB and
some 50 ms for a first client. Left alone, pynamodb opens a session for each table.
"""

from __future__ import annotations

import threading
from functools import cache, lru_cache
from typing import Any

import botocore
import botocore.session
from botocore.config import Config

from alpaquero import __version__

# All tries of one call end well before API Gateway's 29 s, so that the caller hears why: 3 x 8 s.
CONNECT_SECONDS, READ_SECONDS, TRIES = 2, 8, 3

_building = threading.Lock()


@lru_cache(maxsize=1)
def session() -> botocore.session.Session:
    """The session; region, credentials and endpoint come from the environment, as on Lambda."""
    made = botocore.session.get_session()
    made.set_default_client_config(
        Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            # Else botocore makes up a long one for each request, a tenth of what the request costs us.
            user_agent=f"alpaquero/{__version__} botocore/{botocore.__version__}",
        )
    )
    return made


def client(service: str, **options: Any) -> Any:
    """A new boto3 client of `service`; keep it, for building one takes milliseconds."""
    with _building:  # botocore builds clients in one thread at a time
        return _boto3_session(session()).client(service, **options)


@cache  # there is one to keep, but for tests that change the session
def _boto3_session(shared: botocore.session.Session) -> Any:
    """One boto3 session of `shared`: a second one would add S3's transfer methods again, which raises."""
    import boto3

    return boto3.Session(botocore_session=shared)
