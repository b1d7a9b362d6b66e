"""Runs a Lambda environment as a process of this Python, from the function's code and its layers.

LocalStack's own executor wants a container engine. `plugins` names this one to LocalStack.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from localstack.services.lambda_.invocation.executor_endpoint import (
    StatusErrorException,
)
from localstack.services.lambda_.invocation.lambda_models import (
    InvocationResult,
)
from localstack.services.lambda_.invocation.runtime_executor import (
    RuntimeExecutor,
)

from alpaquero_plugin.runtime_api import LOOPBACK, Answer, Invocation, Worker, error
from localstack import config

_RUNTIME_CLIENT = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client")
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_FROM_SHELL = ("PATH", "LANG", "SSL_CERT_FILE")


def runtime_folder() -> Path:
    """A folder with Lambda's runtime client alone, so that functions do not see LocalStack's packages."""
    import awslambdaric

    packages = Path(awslambdaric.__file__).parents[1]
    folder = Path(os.environ["TMPDIR"]) / "lambda-runtime"
    folder.mkdir(exist_ok=True)
    for found in packages.iterdir():
        link = folder / found.name
        if found.name.split(".")[0] in _RUNTIME_CLIENT and not link.exists():
            link.symlink_to(found)
    return folder


class ProcessExecutor(RuntimeExecutor):
    """One environment of one version of a function. LocalStack gives it one event at a time."""

    def __init__(self, id: str, function_version: Any) -> None:  # noqa: A002 -- LocalStack names it
        super().__init__(id, function_version)
        self._environment: dict[str, str] = {}
        self._worker: Worker | None = None

    def start(self, env_vars: dict[str, Any]) -> None:
        """Start the process and wait until it has loaded its handler."""
        self._environment = {name: str(value) for name, value in env_vars.items() if value is not None}
        self._begin()

    def _begin(self) -> Worker:
        settings = self.function_version.config
        task = str(settings.code.get_unzipped_code_location())
        layers = [str(layer.code.get_unzipped_code_location()) for layer in settings.layers]
        inside = [f"{layer}/python" for layer in layers]
        environment = {name: os.environ[name] for name in _FROM_SHELL if name in os.environ}
        environment |= {"HOME": os.environ["TMPDIR"], "TMPDIR": os.environ["TMPDIR"]} | self._environment
        environment |= {
            "LAMBDA_TASK_ROOT": task,
            "PYTHONPATH": os.pathsep.join([task, *inside, str(runtime_folder())]),
            "ALPAQUERO_LAYERS": os.pathsep.join(layers),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TZ": "UTC",
        }
        # Without `site` no package of the machine is seen: what a layer lacks is missing here too.
        python = getattr(sys, "_base_executable", sys.executable)
        command = [python, "-S", str(_BOOTSTRAP), settings.handler]
        worker = Worker(command, environment, task)
        try:
            failure = worker.wait_ready(config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT)
        except TimeoutError:
            worker.stop()
            raise
        if failure is not None:
            worker.stop()
            raise StatusErrorException(worker.output.take(), payload=failure.body)
        self._worker = worker
        return worker

    def stop(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def invoke(self, payload: dict[str, str]) -> Any:
        """Send an event; the result has the answer and what the function printed."""
        settings, request_id = self.function_version.config, payload["invoke-id"]
        worker = self._worker
        if worker is None or not worker.runs:
            self.stop()
            worker = self._begin()
        before, began = worker.output.take(), time.perf_counter()
        answer = self._asked(worker, payload, request_id, settings.timeout)
        milliseconds = (time.perf_counter() - began) * 1000
        printed = [
            before,
            f"START RequestId: {request_id} Version: {self.function_version.id.qualifier}\n",
            worker.output.take(),
            f"END RequestId: {request_id}\n",
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t",
            f"Memory Size: {settings.memory_size} MB\n",
        ]
        return InvocationResult(request_id, answer.body, is_error=answer.is_error, logs="".join(printed))

    def _asked(self, worker: Worker, payload: dict[str, str], request_id: str, seconds: int) -> Answer:
        headers = {
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": payload["invoked-function-arn"],
            "Lambda-Runtime-Trace-Id": payload["trace-id"],
        }
        try:
            return worker.invoke(Invocation(request_id, payload["payload"].encode(), headers), seconds)
        except TimeoutError:
            # Lambda too ends the environment; the next event begins in a new one.
            worker.stop()
            return error(
                "Sandbox.Timedout",
                f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds",
            )

    def get_address(self) -> str:
        """Where LocalStack reaches the environment."""
        return LOOPBACK

    def get_endpoint_from_executor(self) -> str:
        """Where the environment reaches LocalStack."""
        return LOOPBACK

    def get_runtime_endpoint(self) -> str:
        """Its Runtime API is the worker's own; LocalStack's is not used."""
        return f"http://{LOOPBACK}"

    def get_logs(self) -> str:
        """What was printed and is in no invocation's result."""
        return "" if self._worker is None else self._worker.output.take()

    @classmethod
    def prepare_version(cls, function_version: Any) -> None:
        """Unpack the code and the layers."""
        function_version.config.code.prepare_for_execution()
        for layer in function_version.config.layers:
            layer.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: Any) -> None:
        """Nothing is left: LocalStack removes the unpacked code itself."""
