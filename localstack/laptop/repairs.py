"""Mends what the engine drops or forgets, so that ``template.yaml`` can stay what AWS wants.

``LaptopCloud`` and ``laptop.redeploy`` call ``deploy_mended``, ``LaptopCloud`` ``before_restart``. One
function a hole; the numbers and each hole's proof are in ``tests/contract/engine``, whose tests fail when
an upgrade closes a hole. Every repair may run twice.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from laptop import deploy
from laptop.errors import RolledBackError

if TYPE_CHECKING:
    from laptop.deploy import Deployed
    from laptop.engine import Sessions

Resource = dict[str, Any]
Mend = Callable[["Sessions", str, "Deployed"], None]

_NAME: Final = re.compile(r"\$\{(\w+)\}")
_STRAY_STAGE: Final = "Stage"
_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "patch", "head"})
_PARAMETER_PLACES: Final = {"query": "querystring", "header": "header", "path": "path"}


class _Tolerant(yaml.SafeLoader):
    """YAML with CloudFormation's tags, which say nothing to a repair."""


_Tolerant.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


def deploy_mended(
    sessions: Sessions,
    template: Path,
    *,
    stack: str,
    artifacts: Mapping[str, Path],
    parameters: Mapping[str, str],
    mend: Mend | None = None,
) -> Deployed:
    """Deploy, and mend what that left out; a roll-back leaves out the same.

    ``mend`` is the engine's own ``after_deploy``, the default engine's unless given.

    Raises
    ------
    DeployError
        As `laptop.deploy.deploy` does; after a `RolledBackError` the stack serves as it did before.
    """
    mend = mend or after_deploy
    try:
        deployed = deploy.deploy(sessions, template, stack=stack, artifacts=artifacts, parameters=parameters)
    except RolledBackError:
        mend(sessions, stack, deploy.described(sessions, stack))
        raise
    if deployed.changed:
        mend(sessions, stack, deployed)
    return deployed


def after_deploy(sessions: Sessions, stack: str, deployed: Deployed) -> None:
    """Everything that a deploy leaves out."""
    template = processed(sessions, stack, deployed.resources)
    mend_time_to_live(sessions, template, deployed.resources)
    mend_rest_apis(sessions, template, deployed.resources)
    mend_method_settings(sessions, template)


def processed(sessions: Sessions, stack: str, ids: Mapping[str, str]) -> dict[str, Resource]:
    """The stack's resources as CloudFormation made them of the SAM template, references resolved."""
    cloudformation = sessions.client("cloudformation")
    body = cloudformation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    template = body if isinstance(body, dict) else yaml.load(body, _Tolerant)  # noqa: S506 -- a safe loader
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    names = {name: str(item.get("Default", "")) for name, item in (template.get("Parameters") or {}).items()}
    names |= {item["ParameterKey"]: item["ParameterValue"] for item in described.get("Parameters", [])}
    names["AWS::AccountId"] = described["StackId"].split(":")[4]
    resources: dict[str, Resource] = resolved(template["Resources"], names | dict(ids))
    return resources


def resolved(value: Any, names: Mapping[str, str]) -> Any:
    """The value with each ``Ref`` and ``Fn::Sub`` of a known name replaced; others stay as they are."""
    if isinstance(value, list):
        return [resolved(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return names.get(value["Ref"], value)
    if set(value) == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
        return _NAME.sub(lambda found: names.get(found[1], found[0]), value["Fn::Sub"])
    return {key: resolved(item, names) for key, item in value.items()}


def _of_type(template: Mapping[str, Resource], kind: str) -> Iterator[tuple[str, Resource]]:
    for name, resource in template.items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties") or {}


def mend_time_to_live(sessions: Sessions, template: Mapping[str, Resource], ids: Mapping[str, str]) -> None:
    """Hole 3: ``TimeToLiveSpecification`` is ignored; the API call works."""
    dynamodb = sessions.client("dynamodb")
    for name, properties in _of_type(template, "AWS::DynamoDB::Table"):
        wanted = properties.get("TimeToLiveSpecification")
        if not wanted or name not in ids:
            continue
        now = dynamodb.describe_time_to_live(TableName=ids[name])["TimeToLiveDescription"]
        if now["TimeToLiveStatus"] == "DISABLED":
            dynamodb.update_time_to_live(
                TableName=ids[name],
                TimeToLiveSpecification={"AttributeName": wanted["AttributeName"], "Enabled": True},
            )


def mend_rest_apis(sessions: Sessions, template: Mapping[str, Resource], ids: Mapping[str, str]) -> None:
    """Holes 2, 16, 24 and 25 in each REST API, then a new deployment, without which they show no effect."""
    gateway = sessions.client("apigateway")
    for name, document in rest_apis(template):
        if name not in ids:
            continue
        api = ids[name]
        put_gateway_responses(gateway, api, document)
        put_models_and_validators(gateway, api, document)
        put_mock_responses(gateway, api, document)
        delete_stray_stage(gateway, api)
        put_resource_policy(gateway, api, document)
        for stage in gateway.get_stages(restApiId=api)["item"]:
            gateway.create_deployment(restApiId=api, stageName=stage["stageName"])


def rest_apis(template: Mapping[str, Resource]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each REST API of a processed template with the OpenAPI document that it was imported from."""
    for name, properties in _of_type(template, "AWS::ApiGateway::RestApi"):
        if properties.get("Body"):
            yield name, properties["Body"]


def put_gateway_responses(gateway: Any, api: str, document: Mapping[str, Any]) -> None:
    """Hole 16: the import of SAM's document drops ``x-amazon-apigateway-gateway-responses``."""
    for kind, wanted in (document.get("x-amazon-apigateway-gateway-responses") or {}).items():
        status = {"statusCode": str(wanted["statusCode"])} if wanted.get("statusCode") else {}
        gateway.put_gateway_response(
            restApiId=api,
            responseType=kind,
            responseParameters=wanted.get("responseParameters") or {},
            responseTemplates=wanted.get("responseTemplates") or {},
            **status,
        )


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each path, METHOD and operation of an OpenAPI document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, method.upper(), operation


def resource_ids(gateway: Any, api: str) -> dict[str, str]:
    """The id of each path of a REST API."""
    return {item["path"]: item["id"] for item in gateway.get_resources(restApiId=api, limit=500)["items"]}


def put_models_and_validators(gateway: Any, api: str, document: Mapping[str, Any]) -> None:
    """Hole 16: models and request validators are dropped, so any body passes.

    A model comes back as far as its type: the engine would refuse a body without a word on the field
    (it has no ``$context.error.validationErrorString``), which the function's answer names.
    """
    present = {model["name"] for model in gateway.get_models(restApiId=api)["items"]}
    for name, schema in (document.get("definitions") or {}).items():
        if name not in present:
            gateway.create_model(
                restApiId=api,
                name=name,
                contentType="application/json",
                schema=json.dumps({"type": schema["type"]}),
            )
    validators = {item["name"]: item["id"] for item in gateway.get_request_validators(restApiId=api)["items"]}
    for name, wanted in (document.get("x-amazon-apigateway-request-validators") or {}).items():
        if name not in validators:
            validators[name] = gateway.create_request_validator(
                restApiId=api,
                name=name,
                validateRequestBody=wanted["validateRequestBody"],
                validateRequestParameters=wanted["validateRequestParameters"],
            )["id"]
    resources = resource_ids(gateway, api)
    for path, method, operation in operations(document):
        validator = operation.get("x-amazon-apigateway-request-validator")
        if validator:
            place = {"restApiId": api, "resourceId": resources[path], "httpMethod": method}
            _validate(gateway, place, operation, validators[validator])


def _validate(gateway: Any, place: Mapping[str, str], operation: Mapping[str, Any], validator: str) -> None:
    """Put one method again with its validator, and its integration as it was."""
    now = gateway.get_method(**place)
    parameters = operation.get("parameters", [])
    bodies = [item["schema"]["$ref"].split("/")[-1] for item in parameters if item["in"] == "body"]
    required = {
        f"method.request.{_PARAMETER_PLACES[item['in']]}.{item['name']}": bool(item.get("required"))
        for item in parameters
        if item["in"] in _PARAMETER_PLACES
    }
    authorizer = {"authorizerId": now["authorizerId"]} if now.get("authorizerId") else {}
    gateway.put_method(
        **place,
        authorizationType=now["authorizationType"],
        apiKeyRequired=now.get("apiKeyRequired", False),
        requestValidatorId=validator,
        requestModels={"application/json": bodies[0]} if bodies else {},
        requestParameters=required,
        **authorizer,
    )
    integration = now["methodIntegration"]
    gateway.put_integration(
        **place,
        type=integration["type"],
        integrationHttpMethod=integration["httpMethod"],
        uri=integration["uri"],
    )


def put_mock_responses(gateway: Any, api: str, document: Mapping[str, Any]) -> None:
    """Hole 2: the preflight's mock answers 200 without its CORS headers."""
    resources = resource_ids(gateway, api)
    for path, method, operation in operations(document):
        integration = operation.get("x-amazon-apigateway-integration") or {}
        if str(integration.get("type", "")).lower() != "mock":
            continue
        place = {"restApiId": api, "resourceId": resources[path], "httpMethod": method}
        gateway.put_integration(
            **place, type="MOCK", requestTemplates=integration.get("requestTemplates") or {}
        )
        for response in (integration.get("responses") or {}).values():
            headers = response.get("responseParameters") or {}
            status = str(response["statusCode"])
            gateway.put_method_response(
                **place, statusCode=status, responseParameters=dict.fromkeys(headers, False)
            )
            gateway.put_integration_response(
                **place,
                statusCode=status,
                responseParameters=headers,
                responseTemplates=response.get("responseTemplates") or {},
            )


def delete_stray_stage(gateway: Any, api: str) -> None:
    """Hole 24: SAM leaves a stage named ``Stage`` that answers without the stage's settings."""
    if _STRAY_STAGE in {stage["stageName"] for stage in gateway.get_stages(restApiId=api)["item"]}:
        gateway.delete_stage(restApiId=api, stageName=_STRAY_STAGE)


def put_resource_policy(gateway: Any, api: str, document: Mapping[str, Any]) -> None:
    """Hole 25: the import drops ``x-amazon-apigateway-policy``, which says whose requests count."""
    wanted = document.get("x-amazon-apigateway-policy")
    if wanted:
        gateway.update_rest_api(
            restApiId=api,
            patchOperations=[{"op": "replace", "path": "/policy", "value": json.dumps(wanted)}],
        )


def mend_method_settings(sessions: Sessions, template: Mapping[str, Resource]) -> None:
    """Hole 26: limits of a single route are kept under a name with ``~1`` in it, where nothing looks."""
    gateway = sessions.client("apigateway")
    for _, properties in _of_type(template, "AWS::ApiGateway::Stage"):
        for setting in properties.get("MethodSettings") or []:
            place = f"/{setting['ResourcePath'].lstrip('/')}/{setting['HttpMethod']}/throttling"
            limits = {"rateLimit": "ThrottlingRateLimit", "burstLimit": "ThrottlingBurstLimit"}
            if "~1" in place:
                gateway.update_stage(
                    restApiId=properties["RestApiId"],
                    stageName=properties["StageName"],
                    patchOperations=[
                        {"op": "replace", "path": f"{place}/{field}", "value": str(setting[name])}
                        for field, name in limits.items()
                    ],
                )


def before_restart(engine_folder: Path) -> None:
    """What the engine, which must be stopped, is to forget of the state that it saved."""
    _forget(engine_folder / "state" / "lambda.json", stream_positions)
    _forget(engine_folder / "state" / "sqs.json", interrupted_work)


def _forget(saved: Path, part: Callable[[dict[str, Any]], bool]) -> None:
    if saved.exists():
        state = json.loads(saved.read_text())
        if part(state["payload"]):
            saved.write_text(json.dumps(state))


def stream_positions(state: dict[str, Any]) -> bool:
    """Hole 18: a stream mapping's saved position outlives the stream, which a restart empties.

    Without a saved position the mapping starts at the stream's beginning, as the template says.
    """
    return bool(state.pop("dynamodb_stream_positions", None))


def interrupted_work(state: dict[str, Any]) -> bool:
    """Hole 29: who had taken a message ended with the engine, and it stays hidden, minutes for a sync.

    On AWS nobody stops all workers. A message that was put back for later comes at once, too: a try more.
    """
    now, changed = time.time(), False
    for queue in state["queues"]["data"].values():
        for message in queue["messages"]:
            if message["receive_count"] and message["visible_at"] > now:
                message["visible_at"], changed = now, True
    return changed
