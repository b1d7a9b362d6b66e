"""What the engine drops or forgets, each with the proof that its repair mends it.

A test here fails when an upgrade of the engine closes a hole: then its repair may go.
"""

from __future__ import annotations

import json
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from laptop import checkpoint, repairs
from laptop.deploy import deploy, status_of
from laptop.engine import api_host
from laptop.layout import ENGINE_PYTHON
from tests.contract.engine.conftest import STACK, Bare
from tests.waiting import soon

PAGE = "http://localhost:9100"


def closed(hole: int, what: str, repair: str) -> str:
    """What to do once a hole is closed."""
    return f"the engine now {what} (hole {hole}): delete repair {repair} and this test"


def call(bare: Bare, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> Any:
    """An API request by path; the status, the headers and the body."""
    url = f"{bare.engine.endpoint}/_aws/execute-api/{bare.id('Api')}/v1{path}"
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            return reply.status, dict(reply.headers), reply.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def document(bare: Bare) -> dict[str, Any]:
    """The OpenAPI document that SAM made of the template."""
    template = repairs.processed(bare.sessions, STACK, bare.deployed.resources)
    found: dict[str, Any] = template["Api"]["Properties"]["Body"]
    return found


def redeploy(bare: Bare) -> None:
    """Make changes of the API take effect."""
    bare.client("apigateway").create_deployment(restApiId=bare.id("Api"), stageName="v1")


def test_time_to_live_is_dropped_and_mended(bare: Bare) -> None:
    """A table's TimeToLiveSpecification is ignored by the deploy and set by the repair."""
    describe = bare.client("dynamodb").describe_time_to_live
    before = describe(TableName=bare.id("Table"))["TimeToLiveDescription"]
    assert before["TimeToLiveStatus"] == "DISABLED", closed(3, "keeps TTL", "mend_time_to_live")
    template = repairs.processed(bare.sessions, STACK, bare.deployed.resources)

    repairs.mend_time_to_live(bare.sessions, template, bare.deployed.resources)
    repairs.mend_time_to_live(bare.sessions, template, bare.deployed.resources)

    after = describe(TableName=bare.id("Table"))["TimeToLiveDescription"]
    assert ("ENABLED", "expires_at") == (after["TimeToLiveStatus"], after["AttributeName"])


def test_gateway_responses_are_dropped_and_mended(bare: Bare) -> None:
    """The template's own error bodies are lost in the import and put back by the repair."""
    status, _, body = call(bare, "/position/positions")
    assert status == 403
    assert b"no_token" not in body, closed(16, "keeps gateway responses", "put_gateway_responses")

    repairs.put_gateway_responses(bare.client("apigateway"), bare.id("Api"), document(bare))
    redeploy(bare)

    assert call(bare, "/position/positions")[2] == b'{"error":{"code":"no_token"}}'


def test_gateway_responses_need_a_new_deployment(bare: Bare) -> None:
    """A changed gateway response shows no effect before the stage is deployed again."""
    gateway = bare.client("apigateway")
    templates = {"application/json": '{"error":{"code":"changed"}}'}
    gateway.put_gateway_response(
        restApiId=bare.id("Api"), responseType="RESOURCE_NOT_FOUND", responseTemplates=templates
    )
    gateway.put_gateway_response(
        restApiId=bare.id("Api"),
        responseType="MISSING_AUTHENTICATION_TOKEN",
        statusCode="403",
        responseTemplates=templates,
    )
    before = call(bare, "/position/positions")[2]
    redeploy(bare)
    after = call(bare, "/position/positions")[2]
    repairs.put_gateway_responses(gateway, bare.id("Api"), document(bare))
    redeploy(bare)
    assert b"changed" not in before, (
        "the engine now applies gateway responses at once: spare the new deployment"
    )
    assert b"changed" in after


def test_models_and_validators_are_dropped_and_mended(bare: Bare) -> None:
    """A body of another type than its model passes the bare engine and is refused after the repair."""
    order = {"method": "POST", "body": b"[]", "content_type": "application/json"}
    assert call(bare, "/orders", **order)[0] == 200, closed(
        16, "validates bodies", "put_models_and_validators"
    )

    repairs.put_models_and_validators(bare.client("apigateway"), bare.id("Api"), document(bare))
    repairs.put_models_and_validators(bare.client("apigateway"), bare.id("Api"), document(bare))
    redeploy(bare)

    assert call(bare, "/orders", **order)[0] == 400
    for left_to_the_function in (b'{"symbol": "IBM"}', b"{}"):
        assert call(bare, "/orders", **(order | {"body": left_to_the_function}))[0] == 200


def test_preflight_headers_are_dropped_and_mended(bare: Bare) -> None:
    """SAM's preflight answers 200 without CORS headers until the repair puts them back."""
    asked = {"method": "OPTIONS", "Origin": PAGE, "Access_Control_Request_Method": "POST"}
    assert "Access-Control-Allow-Origin" not in call(bare, "/orders", **asked)[1], closed(
        2, "sends the preflight's headers", "put_mock_responses"
    )

    repairs.put_mock_responses(bare.client("apigateway"), bare.id("Api"), document(bare))
    redeploy(bare)

    headers = call(bare, "/orders", **asked)[1]
    assert headers["Access-Control-Allow-Origin"] == PAGE
    assert headers["Access-Control-Allow-Methods"] == "GET,POST,OPTIONS"


def test_a_resource_policy_is_dropped_and_mended(bare: Bare) -> None:
    """A caller of no account is let in by the bare engine, and refused once the repair has put the policy."""
    assert call(bare, "/shut")[0] == 200, closed(25, "keeps the resource policy", "put_resource_policy")

    repairs.put_resource_policy(bare.client("apigateway"), bare.id("Api"), document(bare))
    redeploy(bare)

    assert (call(bare, "/shut")[0], call(bare, "/open")[0]) == (403, 200)


def test_a_routes_own_limit_is_lost_and_mended(bare: Bare) -> None:
    """A limit of a single route, named as AWS wants it, holds only after the repair."""
    assert [call(bare, "/slow")[0] for _ in range(3)] == [200] * 3, closed(
        26, "keeps a route's limits", "mend_method_settings"
    )

    repairs.mend_method_settings(
        bare.sessions, repairs.processed(bare.sessions, STACK, bare.deployed.resources)
    )

    assert 429 in [call(bare, "/slow")[0] for _ in range(3)]


def test_a_stray_stage_is_left_and_deleted(bare: Bare) -> None:
    """SAM's deployment leaves a stage named Stage, which the repair deletes."""
    gateway = bare.client("apigateway")

    def stages() -> set[str]:
        return {stage["stageName"] for stage in gateway.get_stages(restApiId=bare.id("Api"))["item"]}

    assert stages() == {"v1", "Stage"}, closed(24, "leaves no stray stage", "delete_stray_stage")

    repairs.delete_stray_stage(gateway, bare.id("Api"))
    repairs.delete_stray_stage(gateway, bare.id("Api"))

    assert stages() == {"v1"}


def test_a_pushs_own_address_fails_and_the_engines_works(bare: Bare) -> None:
    """The address a socket's event names is not reachable, the one by path is: a parameter gives it."""
    api = bare.id("SocketApi")
    near = f"{bare.engine.endpoint}/_aws/execute-api/{api}/v1"
    with connect(f"{near.replace('http', 'ws', 1)}?ticket=none") as socket:
        context = soon(lambda: bare.note("socket"))
        far = f"https://{context['domainName']}/{context['stage']}"
        refused = bare.invoke("Push", {"endpoint": far, "connection": context["connectionId"]})
        assert "errorMessage" in refused, (
            "the engine now serves a socket's own address (hole 10): drop SocketCallbackBase"
        )
        bare.invoke("Push", {"endpoint": near, "connection": context["connectionId"]})
        assert socket.recv(timeout=60) == '{"type":"Hello"}'
    push = {"endpoint": near, "connection": context["connectionId"]}
    assert soon(lambda: "Gone" in bare.invoke("Push", push).get("errorMessage", ""))


def test_a_restart_forgets_streams_and_keeps_messages_hidden_and_is_mended(bare: Bare) -> None:
    """It delivers no stream record, and nothing that was taken, until the saved state is mended."""
    sqs, taken = bare.client("sqs"), {"QueueUrl": bare.id("TakenQueue")}
    sqs.send_message(**taken, MessageBody="taken")
    assert len(sqs.receive_message(**taken, VisibilityTimeout=600)["Messages"]) == 1
    assert _publishes(bare, "before", seconds=60)
    bare.restart()
    assert not _publishes(bare, "lost", seconds=1.5), closed(18, "resumes stream mappings", "before_restart")
    assert bare.counts("TakenQueue") == (0, 1), closed(29, "shows what was taken again", "before_restart")
    bare.engine.stop()
    repairs.before_restart(bare.state.engine)
    bare.restart()
    assert bare.counts("TakenQueue") == (1, 0)
    assert _publishes(bare, "after", seconds=60)


def _publishes(bare: Bare, key: str, *, seconds: float) -> bool:
    """Whether an outbox item's insert reaches the stream's function."""
    bare.client("dynamodb").put_item(
        TableName=bare.id("Table"), Item={"pk": {"S": "paper"}, "sk": {"S": f"OUTBOX#{key}"}}
    )
    return bool(soon(lambda: bare.note(f"stream#OUTBOX#{key}"), seconds=seconds))


def test_state_is_saved_by_a_stop_and_lost_by_a_kill(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SIGTERM keeps what was written, SIGKILL loses it, and the engine's folder tells which it was."""
    bare = Bare(tmp_path_factory.mktemp("killed"))
    try:
        bare.engine.start()
        keys = bare.engine.user()
        assert not bare.engine.has_state
        bare.engine.stop()
        assert bare.engine.has_state
        bare.engine.start()
        assert bare.engine.user().key_id == keys.key_id
        bare.engine.kill()
        assert not bare.engine.has_state
    finally:
        bare.engine.stop()


def test_twelve_digit_keys_pass_unchecked(bare: Bare) -> None:
    """The engine lets its well-known root keys pass, so only loopback and CORS keep strangers out."""
    from laptop.engine import Sessions

    queues = Sessions(bare.engine.endpoint, "test", "anything").client("sqs").list_queues()
    assert queues["QueueUrls"], "the engine now refuses the key `test` (hole 23): say so in docs/decisions.md"


def test_a_failing_handler_costs_its_worker_but_not_the_batch(bare: Bare) -> None:
    """An exception is reported as HandlerError without a trace, so handlers log their own (hole 5)."""
    answer = bare.invoke("Push", {})
    assert answer["errorType"] == "Runtime.HandlerError", closed(5, "names the error's type", "(none)")
    assert "stackTrace" not in answer


def test_requests_at_once_find_their_answers(bare: Bare) -> None:
    """Four callers at once each get an answer, from workers of their own."""
    statuses: list[int] = []
    callers = [threading.Thread(target=lambda: statuses.append(call(bare, "/open")[0])) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert [200] * 4 == statuses


def test_an_apis_own_host_is_routed(bare: Bare) -> None:
    """The host that signatures are made for reaches the API with its stage in the path."""
    request = urllib.request.Request(f"{bare.engine.endpoint}/v1/open")  # noqa: S310
    request.add_header("Host", api_host(bare.id("Api"), bare.engine.port))
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
        assert json.load(reply)["path"] == "/open"


ENDS_WORK = """
from types import SimpleNamespace
from ministack.core import lambda_runtime as runtime
killed = []
runtime.kill_workers = killed.extend
runtime._workers["1:us-east-1:work:$LATEST"] = [SimpleNamespace(in_use=True)]
runtime.invalidate_worker("work", qualifier="$LATEST")
print(len(killed))
"""


def test_a_deploy_ends_workers_in_use() -> None:
    """The engine by itself kills what a changed function is at."""
    asked = [ENGINE_PYTHON, "-c", ENDS_WORK]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.strip() == "1", closed(27, "lets work end", "laptop.finishing")


@pytest.mark.parametrize("changed", ["code", "configuration"])
def test_a_deploy_lets_work_end(bare: Bare, changed: str) -> None:
    """A message whose function is deployed meanwhile is worked on to its end, and not hidden for a minute."""
    client, name = bare.client("lambda"), bare.id("Work")
    now = client.get_function_configuration(FunctionName=name)
    held = f"held {changed}"
    bare.client("sqs").send_message(QueueUrl=bare.id("SlowQueue"), MessageBody=held)
    assert soon(lambda: bare.counts("SlowQueue") == (0, 1))

    if changed == "code":
        client.update_function_code(FunctionName=name, ZipFile=bare.artifacts["functions/probe"].read_bytes())
    else:
        environment = {"Variables": now["Environment"]["Variables"] | {"CHANGED": "yes"}}
        client.update_function_configuration(FunctionName=name, Environment=environment)

    assert bare.counts("SlowQueue") == (0, 1)
    bare.release(held)
    assert soon(lambda: bare.counts("SlowQueue") == (0, 0), seconds=30)  # a killed one comes after 60
    assert bare.note("work") == [held]


TABLE = """Resources:
  Kept:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
"""


def test_a_stack_made_anew_empties_the_table_that_the_deleted_one_left(bare: Bare, tmp_path: Path) -> None:
    """A created table takes the place of one of its name, items and all; AWS gives it another name."""
    template = tmp_path / "template.yaml"
    template.write_text(TABLE)
    made = deploy(bare.sessions, template, stack="kept", artifacts={}).resources["Kept"]
    bare.client("dynamodb").put_item(TableName=made, Item={"pk": {"S": "one"}})
    cloudformation = bare.client("cloudformation")
    cloudformation.delete_stack(StackName="kept")
    assert soon(lambda: status_of(cloudformation, "kept") is None)
    assert checkpoint.left_tables(bare.sessions, "kept") == {"Kept": made}
    assert len(checkpoint.scan(bare.client("dynamodb"), made)) == 1

    again = deploy(bare.sessions, template, stack="kept", artifacts={}).resources["Kept"]

    emptied = again == made and checkpoint.scan(bare.client("dynamodb"), made) == []
    assert emptied, closed(28, "keeps a retained table", "LaptopCloud._keep_what_is_left")
