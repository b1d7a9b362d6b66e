"""The whole laptop cloud as one context manager: engine, exchange, deploy, repairs.

``alpaquero up``, the demo and the tests bring it up here::

    with LaptopCloud(state=folder, ports="free", schedules=False) as cloud:
        cloud.exchange.step()
        cloud.invoke("SignalPlan", {"job": "plan"})

``Stack`` is the part that also serves a process that only finds a running cloud: its sessions,
outputs and functions, read from ``stack.json``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from laptop import checkpoint, credentials, deploy, processes, repairs
from laptop.engine import GUARD, Engine, Sessions, engine_class, port_from_environment
from laptop.errors import LaptopError, NotRunningError
from laptop.layout import TEMPLATE, StateFolder, write_private

if TYPE_CHECKING:
    from laptop.exchange.client import ExchangeAdmin

STACK: Final = "alpaquero"
ENVIRONMENT: Final = "local"
ACCOUNT: Final = "paper"  # the default of the template's parameter
LOG_GROUP: Final = f"/{STACK}/{ENVIRONMENT}"
BOOK: Final = "book.sqlite"
# A stack that an upgrade was refused for and that is as it was before.
_AS_IT_WAS: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})

# The ports of the design; each moves by ALPAQUERO_PORT_<NAME>.
SERVICE_PORTS: Final[Mapping[str, int]] = {
    "position": 9001,
    "trading": 9002,
    "signal": 9003,
    "risk": 9004,
    "market_data": 9005,
    "historical_data": 9006,
    "analytics": 9007,
    "notification": 9008,
    "configuration": 9009,
    "health_monitor": 9010,
}
DEFAULT_PORTS: Final[Mapping[str, int]] = {
    "gateway": 9000,
    **SERVICE_PORTS,
    "dashboard": 9100,
    "engine": 4566,
    "exchange": 9200,
}


def chosen_ports(which: Literal["default", "free"], own: Mapping[str, int] | None = None) -> dict[str, int]:
    """The port of every part: free ones, or the design's with the environment's changes.

    ``own`` are ports of the engine's, as ``Engine.own_ports``.

    Raises
    ------
    LaptopError
        When a variable holds no port number.
    """
    ports = dict(DEFAULT_PORTS) | dict(own or {})
    if which == "free":
        return dict(zip(ports, processes.free_ports(len(ports)), strict=True))
    ports["engine"] = port_from_environment()
    for name in ports:
        variable = f"ALPAQUERO_PORT_{name.upper()}"
        value = os.environ.get(variable)
        if value is not None:
            if not value.isdigit() or not 0 < int(value) < 65536:
                raise LaptopError(f"{variable}={value} is no port: give a number from 1 to 65535")
            ports[name] = int(value)
    return ports


@dataclass(frozen=True)
class ExchangeOptions:
    """How the paper exchange replays; the names are those of its command line."""

    seed: int = 1
    clock: Literal["running", "stepped"] = "running"
    seconds_per_session: float = 60
    data: Path | None = None
    synthetic: int | None = None
    start: str | None = None
    sessions: int | None = None
    partial_fills: str | None = None

    def arguments(self) -> list[str]:
        """Its command line, without what the cloud itself decides."""
        given: list[tuple[str, object]] = [
            ("--seed", self.seed),
            ("--clock", self.clock),
            ("--seconds-per-session", self.seconds_per_session),
            ("--data", self.data),
            ("--synthetic", self.synthetic),
            ("--from", self.start),
            ("--sessions", self.sessions),
            ("--partial-fills", self.partial_fills),
        ]
        return [str(part) for name, value in given if value is not None for part in (name, value)]


class InvocationError(LaptopError):
    """A function answered an invocation with an error."""


@dataclass(frozen=True)
class Child:
    """A process as ``stack.json`` records it: the pid alone may be another program's by now."""

    name: str
    pid: int
    started_at: float

    @classmethod
    def of(cls, name: str, pid: int) -> Child:
        """The record of a process that runs now."""
        return cls(name, pid, processes.identity(pid) or time.time())

    @property
    def runs(self) -> bool:
        return processes.is_same(self.pid, self.started_at)


@dataclass(frozen=True)
class StackRecord:
    """What ``stack.json`` says of a cloud that is up."""

    ports: dict[str, int]
    outputs: dict[str, str]
    resources: dict[str, str]
    children: list[Child]
    supervisor: Child
    started_at: float
    seconds_to_ready: float | None = None
    urls: dict[str, str] = field(default_factory=dict)
    engine: str = Engine.name

    def keep(self, path: Path) -> None:
        """Write it, mode 0600."""
        write_private(path, json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, path: Path) -> StackRecord | None:
        """The record, or None when no cloud was ever up here."""
        if not path.exists():
            return None
        raw = json.loads(path.read_text())
        raw["children"] = [Child(**child) for child in raw["children"]]
        raw["supervisor"] = Child(**raw["supervisor"])
        return cls(**raw)


class Stack:
    """A deployed stack: sessions, outputs, functions, rules. It starts and stops nothing."""

    def __init__(
        self,
        state: StateFolder,
        ports: Mapping[str, int],
        sessions: Sessions,
        *,
        outputs: Mapping[str, str],
        resources: Mapping[str, str],
        engine: str = Engine.name,
    ) -> None:
        self.engine_class = engine_class(engine)
        self.state = state
        self.ports = dict(ports)
        self.sessions = sessions
        self.outputs = dict(outputs)
        self.resources = dict(resources)

    @classmethod
    def find(cls, state: StateFolder) -> Stack:
        """The stack that is up in this state folder.

        ``AWS_ENDPOINT_URL`` and ``LOCALSTACK_HOST`` move its edge port, as they do for ``up``.

        Raises
        ------
        NotRunningError
            When none is.
        """
        record = StackRecord.load(state.stack_file)
        secrets = credentials.load(state.credentials_file)
        if record is None or secrets is None or not any(child.runs for child in record.children):
            raise NotRunningError(
                f"nothing is up in {state.root}: start it with `alpaquero up` or `make run`"
            )
        endpoint = f"http://{processes.LOOPBACK}:{record.ports['engine']}"
        elsewhere = engine_class(record.engine).elsewhere(record.ports)
        sessions = Sessions(endpoint, secrets.key_id, secrets.secret_key, elsewhere=elsewhere)
        return cls(
            state,
            record.ports,
            sessions,
            outputs=record.outputs,
            resources=record.resources,
            engine=record.engine,
        )

    def sent_mail(self) -> list[dict[str, Any]]:
        """What SES was asked to send, oldest first: ``at``, ``to``, ``subject``, ``body``."""
        return self.engine_class.sent_mail(self.endpoint)

    def sent_sms(self) -> list[dict[str, Any]]:
        """What SNS was asked to send to phones: ``to``, ``body``; of one number oldest first."""
        return self.engine_class.sent_sms(self.endpoint)

    @property
    def endpoint(self) -> str:
        """The engine's edge."""
        return f"http://{processes.LOOPBACK}:{self.ports['engine']}"

    @property
    def exchange_url(self) -> str:
        """The paper exchange, trading and data alike."""
        return f"http://{processes.LOOPBACK}:{self.ports['exchange']}"

    def client(self, service: str) -> Any:
        """A boto3 client against the engine, as the laptop's own user."""
        return self.sessions.client(service)

    def resource(self, service: str) -> Any:
        """A boto3 resource against the engine."""
        return self.sessions.resource(service)

    @cached_property
    def credentials(self) -> credentials.Credentials:
        """The stack's keys and the dashboard's sign-in."""
        found = credentials.load(self.state.credentials_file)
        if found is None:
            raise NotRunningError(
                f"{self.state.credentials_file} is missing: start the stack with `alpaquero up`"
            )
        return found

    @cached_property
    def exchange(self) -> ExchangeAdmin:
        """The exchange's admin routes."""
        from laptop.exchange.client import ExchangeAdmin

        return ExchangeAdmin(self.exchange_url, self.credentials.exchange_admin_token)

    def api_url(self, output: str = "PublicApi") -> str:
        """The engine's own address of a REST or WebSocket API's stage."""
        return f"{self.endpoint}/_aws/execute-api/{self.outputs[output]}/v1"

    def physical(self, logical_id: str) -> str:
        """The physical id of a resource (a function's or table's name, a queue's URL).

        Raises
        ------
        LaptopError
            When the template has no such resource.
        """
        if logical_id not in self.resources:
            known = ", ".join(sorted(self.resources))
            raise LaptopError(f"there is no resource {logical_id}: name one of {known}")
        return self.resources[logical_id]

    def invoke(self, logical_id: str, event: Mapping[str, Any]) -> Any:
        """Call a function and wait for its answer.

        Raises
        ------
        InvocationError
            When the function raised; the message is the function's.
        """
        reply = self.client("lambda").invoke(
            FunctionName=self.physical(logical_id), Payload=json.dumps(event).encode()
        )
        answer = json.loads(reply["Payload"].read() or b"null")
        if reply.get("FunctionError"):
            message = answer.get("errorMessage") if isinstance(answer, dict) else answer
            raise InvocationError(f"{logical_id} failed: {message}; see `alpaquero logs`")
        return answer

    @cached_property
    def schedules(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """For each scheduled job (``plan``, ``sync``, ...) its function's name and its rule's event."""
        events = self.client("events")
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        for rule in events.list_rules()["Rules"]:
            if not rule.get("ScheduleExpression"):
                continue
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                event = json.loads(target.get("Input", "{}"))
                if "job" in event:
                    found[event["job"]] = (target["Arn"].split(":function:")[-1], event)
        return found

    def tick(self, job: str) -> Any:
        """Send a job the very event its rule sends, and wait for its answer.

        Raises
        ------
        LaptopError
            When no rule has such a job, or the function raised.
        """
        if job not in self.schedules:
            raise LaptopError(f"no schedule runs {job}: name one of {', '.join(sorted(self.schedules))}")
        name, event = self.schedules[job]
        logical = next((key for key, value in self.resources.items() if value == name), name)
        if logical == name:
            raise LaptopError(
                f"the schedule of {job} names {name}, which is not of this stack: run `alpaquero up` again"
            )
        return self.invoke(logical, event)

    @cached_property
    def tables(self) -> dict[str, str]:
        """Logical id to physical name of each table."""
        return checkpoint.table_names(self.sessions, STACK)

    @property
    def checkpoints(self) -> checkpoint.Checkpoints:
        return checkpoint.Checkpoints(self.state.checkpoint)

    def checkpoint(self, *, label: str = "", with_exchange: bool = False) -> None:
        """Copy the tables (and the exchange's book, in the same checkpoint) to the state folder."""
        self.checkpoints.take(
            self.sessions,
            self.tables,
            label=label,
            copy_book=self.exchange.checkpoint if with_exchange else None,
        )


class LaptopCloud(Stack):
    """Brings a whole cloud up, and down again with its state saved.

    Parameters
    ----------
    state
        Its folder; ``.alpaquero`` by default.
    ports
        ``free`` for a private cloud, ``default`` for the design's ports, or a full mapping.
    exchange
        How the exchange replays; None for a cloud without one.
    schedules
        Whether the template's schedules fire.
    parameters
        Further parameters of the template.
    template, artifacts
        What to deploy instead of the repository's own (tests of the engine); ``artifacts`` as
        ``laptop.build.Built`` has them.
    fresh
        Forget every earlier state of the folder first.
    resume_book
        After an unclean stop, put the exchange's book back as the checkpoint has it.
    guard
        What starts the engine, as ``laptop.engine.Engine`` takes it.
    engine
        Which engine, as ``laptop.engine.engine_class`` knows them.
    say
        Called with a line for each step.
    """

    def __init__(
        self,
        state: Path | str | None = None,
        *,
        ports: Literal["default", "free"] | Mapping[str, int] = "free",
        exchange: ExchangeOptions | None = None,
        with_exchange: bool = True,
        schedules: bool = False,
        parameters: Mapping[str, str] | None = None,
        template: Path = TEMPLATE,
        artifacts: Mapping[str, Path] | None = None,
        fresh: bool = False,
        resume_book: bool = False,
        guard: Path = GUARD,
        engine: str = Engine.name,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        folder = StateFolder.at(state)
        if fresh:
            for path in (folder.engine, folder.exchange, folder.checkpoint):
                shutil.rmtree(path, ignore_errors=True)
        secrets = credentials.load_or_generate(folder.credentials_file)
        kind = engine_class(engine)
        numbers = chosen_ports(ports, kind.own_ports) if isinstance(ports, str) else dict(ports)
        if ports == "free":
            numbers = _ports_of_last_time(folder, set(numbers)) or numbers
        self._options = (exchange or ExchangeOptions()) if with_exchange else None
        self._schedules = schedules
        self._given = dict(parameters or {})
        self._template = template
        self._artifacts = artifacts
        self._resume_book = resume_book
        self._say = say
        self._engine = kind(
            folder.engine,
            numbers["engine"],
            log=folder.logs / "engine.log",
            credentials=secrets,
            guard=guard,
            ports=numbers,
        )
        self._exchange: subprocess.Popen[bytes] | None = None
        self.was_resumed = False
        self._must_put_back = False
        super().__init__(
            folder,
            numbers,
            self._sessions_of(secrets),
            outputs={},
            resources={},
            engine=engine,
        )

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def up(self) -> None:
        """Start everything; on an error some children may still run: call ``kill``."""
        artifacts = self._artifacts if self._artifacts is not None else self._built()
        self._must_put_back = self._prepare_state()
        self._say("starting the exchange and the engine")
        if self._options is not None:
            self._start_exchange(self._options)
        self._engine.start()
        self._become_user()
        if self._exchange is not None:
            processes.wait_until(
                self._exchange_answers,
                what="the exchange",
                log=self.state.logs / "exchange.log",
                process=self._exchange,
            )
        self._put_secrets()
        self._say("deploying template.yaml")
        try:
            self.deploy(artifacts)
        except Exception:
            if self.was_resumed and deploy.status_of(self.client("cloudformation"), STACK) in _AS_IT_WAS:
                # Nothing changed: the release before starts again from what is saved here.
                self.down()
            raise
        self._migrate()
        self.record()

    def _check_schema(self, tables: Mapping[str, str]) -> None:
        """Refuses tables that newer code wrote."""
        from laptop.moving import schema

        if "Settings" in tables:
            schema.check(self.client("dynamodb"), tables["Settings"])

    def _migrate(self) -> None:
        from laptop.moving import schema

        if "Settings" in self.tables:
            schema.migrate(self.client("dynamodb"), self.tables, say=self._say)

    def _keep_what_is_left(self, tables: Mapping[str, str]) -> None:
        """Hole 28: a created table takes the place of one of its name, which a deleted stack left."""
        self._say(f"keeping the records of {len(tables)} tables that a deleted stack left")
        self.checkpoints.take(
            self.sessions,
            tables,
            label=self.checkpoints.label or "",
            copy_book=self.exchange.checkpoint if self._exchange is not None else None,
        )
        self._must_put_back = True

    def _put_back(self) -> None:
        from laptop.retell import fills_again

        count = self.checkpoints.restore(self.sessions, self.tables)
        self._say(f"put {count} records of the last checkpoint back")
        if "Books" in self.tables:
            fills_again(self.sessions, self.tables["Books"])
        self._must_put_back = False

    def _built(self) -> Mapping[str, Path]:
        from laptop.build import build

        return build("local", say=self._say).artifacts

    def _prepare_state(self) -> bool:
        """Settle what to keep of an earlier run; True when a checkpoint must be put back."""
        last = StackRecord.load(self.state.stack_file)
        if last is not None and last.supervisor.runs and last.supervisor.pid != os.getpid():
            raise LaptopError(f"a stack is already up in {self.state.root}: `alpaquero down` stops it")
        # A queue's address holds the engine's port, so a saved state serves that port alone.
        moved = last is not None and last.ports["engine"] != self._engine.port
        if self._engine.has_state and not moved:
            self._engine.before_restart()
            self.was_resumed = True
            return False
        self._engine.forget()
        checkpoints = self.checkpoints
        if self._resume_book and checkpoints.book is not None:
            shutil.rmtree(self.state.exchange, ignore_errors=True)
            self.state.exchange.mkdir(parents=True)
            shutil.copyfile(checkpoints.book, self.state.exchange / BOOK)
        return checkpoints.current is not None

    def _start_exchange(self, options: ExchangeOptions) -> None:
        processes.require_free({"exchange": self.ports["exchange"]})
        self.state.exchange.mkdir(parents=True, exist_ok=True)
        secrets = self.credentials
        # By file, because every user of the machine can list command lines.
        token, secret = self.state.exchange / "admin-token", self.state.exchange / "secret"
        faults = self.state.exchange / "faults-token"
        write_private(token, secrets.exchange_admin_token)
        write_private(secret, secrets.exchange_secret)
        write_private(faults, secrets.exchange_faults_token)
        command = [sys.executable, "-m", "laptop.exchange", "--state", str(self.state.exchange)]
        command += ["--port", str(self.ports["exchange"]), "--admin-token-file", str(token)]
        command += ["--faults-token-file", str(faults)]
        command += [f"--key={secrets.exchange_key}", "--secret-file", str(secret)]
        command += options.arguments()
        self._exchange = processes.start(
            command, environment=processes.base_environment(), log=self.state.logs / "exchange.log"
        )

    def _exchange_answers(self) -> bool:
        import httpx

        try:
            headers = {"authorization": f"Bearer {self.credentials.exchange_admin_token}"}
            return httpx.get(
                f"{self.exchange_url}/admin/status", headers=headers, timeout=2, trust_env=False
            ).is_success
        except httpx.HTTPError:
            return False

    def _become_user(self) -> None:
        secrets = self._engine.user()
        credentials.keep(self.state.credentials_file, secrets)
        self.__dict__.pop("credentials", None)
        self.sessions = self._sessions_of(secrets)

    def _sessions_of(self, secrets: credentials.Credentials) -> Sessions:
        elsewhere = self._engine.elsewhere(self._engine.ports)
        return Sessions(self._engine.endpoint, secrets.key_id, secrets.secret_key, elsewhere=elsewhere)

    @property
    def _secret_names(self) -> dict[str, str]:
        return {
            "TradingSecret": f"{STACK}/{ENVIRONMENT}/trading",
            "DataSecret": f"{STACK}/{ENVIRONMENT}/data",
        }

    @property
    def _faults_secret(self) -> dict[str, str]:
        """Nothing where there is no exchange of ours to spoil."""
        return {} if self._options is None else {"FaultsSecret": f"{STACK}/{ENVIRONMENT}/faults"}

    def _put_secrets(self) -> None:
        """The exchange's key, under both names the functions ask for, and what opens its faults alone."""
        manager = self.client("secretsmanager")
        value = json.dumps(
            {"key_id": self.credentials.exchange_key, "secret_key": self.credentials.exchange_secret}
        )
        values = dict.fromkeys(self._secret_names.values(), value)
        faults = json.dumps({"token": self.credentials.exchange_faults_token})
        values |= dict.fromkeys(self._faults_secret.values(), faults)
        present = {item["Name"] for item in manager.list_secrets()["SecretList"]}
        for name, value in values.items():
            if name in present:
                manager.put_secret_value(SecretId=name, SecretString=value)
            else:
                manager.create_secret(Name=name, SecretString=value)

    def parameters(self) -> dict[str, str]:
        """What the template is told of this laptop; only what it declares is passed."""
        origin = f"http://localhost:{self.ports['dashboard']}"
        known = {
            "Environment": ENVIRONMENT,
            "AlpacaTradingUrl": self.exchange_url,
            "AlpacaDataUrl": self.exchange_url,
            **self._secret_names,
            **self._faults_secret,
            "Schedules": "ENABLED" if self._schedules else "DISABLED",
            "SignalRate": "rate(1 minute)",
            "DashboardOrigin": origin,
            "MailTo": self.credentials.email,
            **self._engine.parameters(),
        }
        declared = deploy.declared_parameters(self._template)
        return {key: value for key, value in known.items() if key in declared} | self._given

    def deploy(self, artifacts: Mapping[str, Path]) -> None:
        """Bring the stack to the template and mend what the engine drops.

        A stack that was deleted finds again what its tables held.

        Raises
        ------
        DeployError
            When a resource was refused; a `RolledBackError` when all is as before.
        alpaquero.store.schema.NewerSchema
            When newer code wrote its tables; nothing was deployed.
        """
        is_new = deploy.is_made_anew(deploy.status_of(self.client("cloudformation"), STACK))
        names = checkpoint.left_tables if is_new else checkpoint.table_names
        tables = names(self.sessions, STACK)
        self._check_schema(tables)
        if tables and is_new:
            self._keep_what_is_left(tables)
        deployed = repairs.deploy_mended(
            self.sessions,
            self._template,
            stack=STACK,
            artifacts=artifacts,
            parameters=self.parameters(),
            mend=self._engine.after_deploy,
        )
        # A route that changed gave its API a new id (hole 17): always read them again.
        self.outputs = dict(deployed.outputs)
        self.resources = dict(deployed.resources)
        for name in ("tables", "schedules"):
            self.__dict__.pop(name, None)
        if self._must_put_back:
            self._put_back()

    def ended(self) -> str | None:
        """The name of a part that ended by itself, or None while all run."""
        for name, process in self._engine.processes().items():
            if process.poll() is not None:
                return f"the {name}"
        if self._exchange is not None and self._exchange.poll() is not None:
            return "the exchange"
        return None

    def children(self) -> list[Child]:
        """The processes this cloud started."""
        started = {**self._engine.processes(), "exchange": self._exchange}
        return [Child.of(name, process.pid) for name, process in started.items() if process is not None]

    def record(
        self, *, extra: list[Child] | None = None, seconds_to_ready: float | None = None
    ) -> StackRecord:
        """Write ``stack.json`` so that the command line finds the stack."""
        own = Child.of("supervisor", os.getpid())
        record = StackRecord(
            ports=self.ports,
            outputs=self.outputs,
            resources=self.resources,
            children=self.children() + (extra or []),
            supervisor=own,
            started_at=own.started_at,
            seconds_to_ready=seconds_to_ready,
            urls={
                "dashboard": f"http://localhost:{self.ports['dashboard']}",
                "api": f"http://localhost:{self.ports['gateway']}/api",
                "exchange": self.exchange_url,
                "engine": self.endpoint,
            },
            engine=self._engine.name,
        )
        record.keep(self.state.stack_file)
        return record

    def down(self) -> None:
        """Take a last checkpoint, stop the children and let the engine save its state."""
        try:
            if self.resources and self._engine.runs:
                self.checkpoint(with_exchange=self._exchange is not None and self._exchange.poll() is None)
        finally:
            if self._exchange is not None:
                processes.stop(self._exchange)
                self._exchange = None
            self._engine.stop()

    def kill(self) -> None:
        """End every child at once, unsaved, as a power cut would."""
        if self._exchange is not None:
            self._exchange.kill()
            self._exchange.wait()
            self._exchange = None
        self._engine.kill()


def _ports_of_last_time(folder: StateFolder, wanted: set[str]) -> dict[str, int] | None:
    """A private cloud's ports when it last ran, while they are free: then its state serves again."""
    last = StackRecord.load(folder.stack_file)
    if last is None or set(last.ports) != wanted:
        return None
    return last.ports if all(processes.port_is_free(port) for port in last.ports.values()) else None
