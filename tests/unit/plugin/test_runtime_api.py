"""A function's process behind its Runtime API: answers, errors, what it prints, and how it may end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alpaquero_plugin.runtime_api import Answer, Invocation, Worker

# Lambda's own runtime client does the same; this one needs the standard library alone.
CLIENT = """
import json, os, sys, time, urllib.request
API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
def post(path, body):
    urllib.request.urlopen(urllib.request.Request(API + path, data=json.dumps(body).encode()))
if sys.argv[1] == "unloadable":
    post("init/error", {"errorType": "Runtime.ImportModuleError", "errorMessage": "no module"})
    sys.exit(1)
if sys.argv[1] == "dead":
    sys.exit(3)
while True:
    event = urllib.request.urlopen(API + "invocation/next")
    name = event.headers["Lambda-Runtime-Aws-Request-Id"]
    asked = json.loads(event.read())
    print("asked", asked["do"], flush=True)
    if asked["do"] == "die":
        os._exit(4)
    if asked["do"] == "hang":
        time.sleep(60)
    if asked["do"] == "print":
        sys.stdout.write("x" * asked["characters"] + "end\\n")
        sys.stdout.flush()
    if asked["do"] == "raise":
        post(f"invocation/{name}/error", {"errorType": "ValueError", "errorMessage": "no"})
    else:
        post(f"invocation/{name}/response", {"name": name, "deadline": event.headers["Deadline"]})
"""

Start = Callable[..., Worker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker; in the end it is stopped."""
    program = tmp_path / "client.py"
    program.write_text(CLIENT)
    started: list[Worker] = []

    def begin(how: str = "well") -> Worker:
        worker = Worker([sys.executable, "-S", str(program), how], {}, str(tmp_path))
        started.append(worker)
        return worker

    yield begin
    for worker in started:
        worker.stop()
        assert not worker.runs


def ask(worker: Worker, do: str, *, name: str = "r1", seconds: float = 20, characters: int = 0) -> Answer:
    """The worker's answer to one event."""
    event = json.dumps({"do": do, "characters": characters}).encode()
    return worker.invoke(Invocation(name, event, {"Deadline": "17"}), seconds)


def test_events_are_answered_one_after_the_other(start: Start) -> None:
    """One process answers many events, each with its own id and headers."""
    worker = start()
    assert worker.wait_ready(20) is None
    for name in ("r1", "r2", "r3"):
        answer = ask(worker, "answer", name=name)
        assert (json.loads(answer.body), answer.is_error) == ({"name": name, "deadline": "17"}, False)


def test_an_error_is_told_and_does_not_end_the_process(start: Start) -> None:
    """The function's own error is passed on; the next event finds the same process."""
    worker = start()
    answer = ask(worker, "raise")
    assert (json.loads(answer.body)["errorType"], answer.is_error) == ("ValueError", True)
    assert not ask(worker, "answer").is_error


def test_all_that_was_printed_before_the_answer_is_there(start: Start) -> None:
    """More than a pipe holds is read while the function prints; the newest part is kept."""
    worker = start()
    assert worker.wait_ready(20) is None
    worker.output.take()
    ask(worker, "print", characters=400_000)
    printed = worker.output.take()
    assert printed.endswith("xend\n")
    assert len(printed) == 256 * 1024
    assert worker.output.take() == ""


@pytest.mark.parametrize(
    ("how", "kind"), [("unloadable", "Runtime.ImportModuleError"), ("dead", "ExitError")]
)
def test_a_handler_that_cannot_be_loaded_is_an_error(start: Start, how: str, kind: str) -> None:
    """Whether the process says why or only ends."""
    failure = start(how).wait_ready(20)
    assert failure is not None
    assert kind in json.loads(failure.body)["errorType"]


def test_a_process_that_dies_is_an_error(start: Start) -> None:
    """Its event is answered at once, and so is one that comes later."""
    worker = start()
    for _ in range(2):
        answer = ask(worker, "die")
        assert json.loads(answer.body)["errorType"] == "Runtime.ExitError"
        assert answer.is_error


def test_an_event_is_given_up_after_its_time(start: Start) -> None:
    """A function that does not answer is waited for no longer than it may take."""
    worker = start()
    assert worker.wait_ready(20) is None
    with pytest.raises(TimeoutError):
        ask(worker, "hang", seconds=0.2)
