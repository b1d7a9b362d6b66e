"""The engine as a child process: start, wait, stop, sessions. The default is LocalStack-compatible.

The supervisor and ``LaptopCloud`` call it. Which engine it is, and how it wants to be told, is known
alone here, in ``laptop.repairs``, which mends the default, and in ``laptop.localstack``, the other.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

from laptop import processes, repairs
from laptop.credentials import Credentials
from laptop.errors import LaptopError
from laptop.layout import ENGINE_PYTHON

if TYPE_CHECKING:
    from laptop.deploy import Deployed

REGION: Final = "us-east-1"
DEFAULT_PORT: Final = 4566
USER: Final = "alpaquero-laptop"
_CLEAN_MARKER: Final = "stopped-cleanly"

# The engine counts no policy against its root; the user's says what root would have had, so that
# every request is signed, checked and attributed.
_ADMINISTRATOR: Final = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
)


def port_from_environment() -> int:
    """The edge port that ``AWS_ENDPOINT_URL`` or ``LOCALSTACK_HOST`` asks for, else 4566."""
    url = os.environ.get("AWS_ENDPOINT_URL", "").strip()
    if url:
        return urlsplit(url).port or DEFAULT_PORT
    _, _, port = os.environ.get("LOCALSTACK_HOST", "").strip().partition(":")
    return int(port) if port.isdigit() else DEFAULT_PORT


def api_host(api_id: str, port: int) -> str:
    """The host that is an API's own on the engine; signatures for the API are made for it."""
    return f"{api_id}.execute-api.localhost:{port}"


def sent_mail(endpoint: str) -> list[dict[str, Any]]:
    """What SES was asked to send, oldest first: ``at``, ``to``, ``subject``, ``body``."""
    with urllib.request.urlopen(f"{endpoint}/_ministack/ses/messages", timeout=10) as reply:  # noqa: S310
        boxes = json.load(reply)["messages"]
    found = [message for box in boxes.values() for message in box]
    return [
        {"at": one["Timestamp"], "to": one["To"], "subject": one["Subject"], "body": one["BodyText"]}
        for one in found
    ]


def sent_sms(endpoint: str) -> list[dict[str, Any]]:
    """What SNS was asked to send to phones: ``to``, ``body``; of one number oldest first."""
    with urllib.request.urlopen(f"{endpoint}/_ministack/sns/sms-messages", timeout=10) as reply:  # noqa: S310
        boxes = json.load(reply)["sms_messages"]
    found = [message for box in boxes.values() for message in box]
    return [{"to": one["PhoneNumber"], "body": one["Message"]} for one in found]


GUARD: Final = Path(__file__).with_name("guard.py")


def key_of_function(function_arn: str, role_arn: str) -> str:
    """The access key that the engine gives a function of this role, so that its requests are known."""
    return f"ASIA{hashlib.sha256(f'{function_arn}:{role_arn}'.encode()).hexdigest()[:16].upper()}"


class Sessions:
    """boto3 clients against one endpoint, made once each; safe to share between threads.

    ``elsewhere`` has the endpoints of services that answer at another address.
    """

    def __init__(
        self, endpoint: str, key_id: str, secret_key: str, *, elsewhere: Mapping[str, str] | None = None
    ) -> None:
        from localstack_client.session import Session

        self._session = Session(
            aws_access_key_id=key_id,
            aws_secret_access_key=secret_key,
            aws_session_token="",
            region_name=REGION,
        )
        # A private stack never follows the shell's AWS_ENDPOINT_URL: its endpoint is its own.
        self._session._service_endpoint_mapping = dict.fromkeys(
            self._session._service_endpoint_mapping,
            endpoint,
        ) | dict(elsewhere or {})
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """The boto3 client of a service (``sqs``, ``dynamodb``, ...)."""
        from botocore.config import Config

        with self._lock:
            if service not in self._clients:
                config = Config(
                    max_pool_connections=32,
                    retries={"max_attempts": 3, "mode": "standard"},
                    read_timeout=120,
                    connect_timeout=5,
                )
                self._clients[service] = self._session.client(service, config=config)
            return self._clients[service]

    def resource(self, service: str) -> Any:
        """A boto3 resource (``dynamodb``)."""
        with self._lock:
            return self._session.resource(service)


class Engine:
    """The default engine with its state in ``folder``, listening on loopback ``port``.

    Parameters
    ----------
    folder
        Its state, objects and temporary files; nothing is written elsewhere.
    port
        Its edge port.
    log
        The file its output goes to.
    credentials
        The root key it is started with.
    guard
        What starts the engine behind a guard; measurements give one that also counts.
    ports
        The stack's ports, with those of ``own_ports``.
    """

    name: ClassVar[str] = "ministack"
    # Ports that this engine needs beside the design's.
    own_ports: ClassVar[Mapping[str, int]] = {}

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        log: Path,
        credentials: Credentials,
        guard: Path = GUARD,
        ports: Mapping[str, int] | None = None,
    ) -> None:
        self._guard = guard
        self.ports = dict(ports or {})
        self._folder = folder
        self._log = log
        self._credentials = credentials
        self.port = port
        self.endpoint = f"http://{processes.LOOPBACK}:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def elsewhere(ports: Mapping[str, int]) -> dict[str, str]:  # noqa: ARG004 -- the other engine's needs them
        """The endpoints of services that the engine does not answer itself."""
        return {}

    @staticmethod
    def after_deploy(sessions: Sessions, stack: str, deployed: Deployed) -> None:
        """Mend what a deploy left out."""
        repairs.after_deploy(sessions, stack, deployed)

    @staticmethod
    def sent_mail(endpoint: str) -> list[dict[str, Any]]:
        """What SES was asked to send, as `sent_mail` has it."""
        return sent_mail(endpoint)

    @staticmethod
    def sent_sms(endpoint: str) -> list[dict[str, Any]]:
        """What SNS was asked to send to phones, as `sent_sms` has it."""
        return sent_sms(endpoint)

    def before_restart(self) -> None:
        """Mend the saved state; the engine must be stopped."""
        repairs.before_restart(self._folder)

    def parameters(self) -> dict[str, str]:
        """What the template is told of this engine."""
        return {
            "TokenKeysBase": self.endpoint,
            "SocketCallbackBase": f"{self.endpoint}/_aws/execute-api",  # hole 10
        }

    def processes(self) -> dict[str, subprocess.Popen[bytes]]:
        """What it started, by name."""
        return {} if self.process is None else {"engine": self.process}

    @property
    def has_state(self) -> bool:
        """Whether an earlier run left a state that was saved whole."""
        return (self._folder / _CLEAN_MARKER).exists()

    @property
    def runs(self) -> bool:
        """Whether this object's process is alive."""
        return self.process is not None and self.process.poll() is None

    def forget(self) -> None:
        """Drop a state that cannot be trusted; the engine must be stopped."""
        shutil.rmtree(self._folder, ignore_errors=True)

    _missing: ClassVar[str] = "the engine's environment is missing: run `make setup`"
    _patience: ClassVar[float] = 30

    def _command(self) -> list[str | Path]:
        return [ENGINE_PYTHON, self._guard]

    def _root(self) -> Sessions:
        return Sessions(self.endpoint, self._credentials.root_key_id, self._credentials.root_secret)

    def _environment(self) -> dict[str, str]:
        temporary = self._folder / "tmp"
        return processes.base_environment() | {
            "BIND_HOST": processes.LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._folder / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._folder / "objects"),
            "TMPDIR": str(temporary),
            "IOT_MTLS_ENABLED": "0",  # hole 19
            "SFTP_ENABLED": "0",
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": self._credentials.root_key_id,
            "AWS_SECRET_ACCESS_KEY": self._credentials.root_secret,
            "AWS_ENDPOINT_URL": self.endpoint,  # the functions call back here
            "MINISTACK_REGION": REGION,
            "LAMBDA_WARM_TTL_SECONDS": "20",
            "LOG_LEVEL": "WARNING",
            "TZ": "UTC",
        }

    def start(self, *, extra: Mapping[str, str] | None = None) -> None:
        """Start it and wait until it answers.

        Raises
        ------
        LaptopError
            When its environment is missing, its port is taken or it does not come up.
        """
        command = self._command()
        if not Path(command[0]).exists():
            raise LaptopError(self._missing)
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)  # hole 20
        for name in ("state", "objects", "tmp"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        processes.require_free({"engine": self.port})
        (self._folder / _CLEAN_MARKER).unlink(missing_ok=True)
        self.process = processes.start(
            command,
            environment=self._environment() | dict(extra or {}),
            log=self._log,
            folder=self._folder,
        )
        processes.wait_until(
            self.answers, what="the engine", log=self._log, process=self.process, seconds=self._patience
        )

    def answers(self) -> bool:
        """Whether its health route answers."""
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_localstack/health", timeout=2) as reply:  # noqa: S310
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """End it so that it saves its state, and note that it did."""
        if self.process is None:
            return
        workers = processes.descendants(self.process.pid)
        code = processes.stop(self.process, seconds=30)
        processes.end(workers)
        if code == 0:
            (self._folder / _CLEAN_MARKER).touch()
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)
        self.process = None

    def kill(self) -> None:
        """End it at once, unsaved, as a power cut would."""
        if self.process is not None:
            workers = processes.descendants(self.process.pid)
            self.process.kill()
            self.process.wait()
            processes.end(workers, seconds=0)
            self.process = None

    def user(self) -> Credentials:
        """Make the IAM user who deploys and signs, unless he is there; gives the credentials with his key."""
        iam = self._root().client("iam")
        names = {user["UserName"] for user in iam.list_users()["Users"]}
        if USER in names and self._credentials.key_id:
            return self._credentials
        if USER not in names:
            iam.create_user(UserName=USER)
            iam.put_user_policy(UserName=USER, PolicyName="administrator", PolicyDocument=_ADMINISTRATOR)
        key = iam.create_access_key(UserName=USER)["AccessKey"]
        self._credentials = self._credentials.with_user(key["AccessKeyId"], key["SecretAccessKey"])
        return self._credentials


def engine_class(name: str) -> type[Engine]:
    """The engine of a name.

    Raises
    ------
    LaptopError
        When there is none.
    """
    if name == Engine.name:
        return Engine
    if name == "localstack":
        from laptop.localstack import LocalStack

        return LocalStack
    raise LaptopError(f"there is no engine {name}: name {Engine.name} or localstack")
