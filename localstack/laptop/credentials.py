"""The laptop's generated keys and passwords, kept in ``credentials.json`` (mode 0600).

Made on the first run, by ``LaptopCloud`` or ``alpaquero exchange``; the command line reads them. To
their owner alone are printed the dashboard's sign-in and, by ``alpaquero exchange``, the exchange's key.
"""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from laptop.layout import write_private

_SYMBOLS = "-_.+"


@dataclass(frozen=True)
class Credentials:
    """Everything secret of one stack.

    ``root_*`` open the engine itself and serve only to make the user; ``key_id`` and
    ``secret_key`` are the user's, who deploys and signs, and are empty until he is made.
    ``exchange_faults_token`` opens the exchange's switchboard of faults and nothing else of it.
    """

    root_key_id: str
    root_secret: str
    exchange_key: str
    exchange_secret: str
    exchange_admin_token: str
    email: str
    password: str
    key_id: str = ""
    secret_key: str = ""
    exchange_faults_token: str = ""

    def with_user(self, key_id: str, secret_key: str) -> Credentials:
        """The same with the IAM user's key."""
        return replace(self, key_id=key_id, secret_key=secret_key)


def password() -> str:
    """A new random password that fits Cognito's rules."""
    alphabet = string.ascii_letters + string.digits + _SYMBOLS
    body = "".join(secrets.choice(alphabet) for _ in range(16))
    # One of each class, whatever the draw: Cognito's default policy asks for them.
    classes = (string.ascii_lowercase, string.ascii_uppercase, string.digits, _SYMBOLS)
    return body + "".join(secrets.choice(one) for one in classes)


def generate(*, email: str = "owner@alpaquero.local") -> Credentials:
    """Fresh random credentials."""
    return Credentials(
        root_key_id=f"AKIA{secrets.token_hex(8).upper()}",
        root_secret=secrets.token_urlsafe(30),
        exchange_key=f"PK{secrets.token_hex(9).upper()}",
        exchange_secret=secrets.token_urlsafe(30),
        exchange_admin_token=secrets.token_urlsafe(24),
        exchange_faults_token=secrets.token_urlsafe(24),
        email=email,
        password=password(),
    )


def load(path: Path) -> Credentials | None:
    """The kept credentials, or None before the first run."""
    if not path.exists():
        return None
    return Credentials(**json.loads(path.read_text()))


def keep(path: Path, credentials: Credentials) -> None:
    """Write them for their owner alone."""
    write_private(path, json.dumps(asdict(credentials), indent=2))


def load_or_generate(path: Path) -> Credentials:
    """The kept credentials, made on the first run; what an older release did not know is added."""
    credentials = load(path)
    if credentials is None:
        credentials = generate()
    elif not credentials.exchange_faults_token:
        credentials = replace(credentials, exchange_faults_token=secrets.token_urlsafe(24))
    else:
        return credentials
    keep(path, credentials)
    return credentials
