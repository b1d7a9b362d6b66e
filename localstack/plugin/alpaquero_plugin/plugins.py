"""What LocalStack is told to load: the entry points of `alpaquero_plugin-1.dist-info` name these.

`laptop.localstack` asks for each by an environment variable.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from localstack.runtime.hooks import on_infra_start
from localstack.runtime.server.core import RuntimeServerPlugin
from localstack.services.lambda_.invocation.plugins import (
    RuntimeExecutorPlugin,
)
from localstack.services.plugins import Service, aws_provider


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    """Functions as processes, in place of containers."""

    name = "alpaquero"

    def load(self, *_args: object, **_options: object) -> Any:
        """The executor's class."""
        from alpaquero_plugin.executor import ProcessExecutor

        return ProcessExecutor


class LoopbackServerPlugin(RuntimeServerPlugin):
    """LocalStack's server on the addresses of `GATEWAY_LISTEN`; the stock one listens on every interface."""

    name = "alpaquero"

    def load(self, *_args: object, **_options: object) -> Any:
        """The server."""
        from localstack.runtime.server.twisted import TwistedRuntimeServer
        from rolo.serving.twisted import TwistedGateway
        from twisted.internet import reactor

        class LoopbackServer(TwistedRuntimeServer):
            def register(self, gateway: Any, listen: Any, _ssl_creds: Any = None) -> None:
                site = TwistedGateway(gateway)
                for place in listen:
                    reactor.listenTCP(place.port, site, interface=place.host)

        return LoopbackServer()


def _in_memory(api: type) -> Any:
    """A service that moto answers: the stock DynamoDB is a Java program, fetched at first use."""
    from localstack.services.moto import MotoFallbackDispatcher

    provider = type("Provider", (api,), {})
    return Service.for_provider(provider(), dispatch_table_factory=MotoFallbackDispatcher)


@aws_provider(api="dynamodb", name="alpaquero")
def dynamodb() -> Any:
    """DynamoDB in memory."""
    from localstack.aws.api.dynamodb import DynamodbApi

    return _in_memory(DynamodbApi)


@aws_provider(api="dynamodbstreams", name="alpaquero")
def dynamodbstreams() -> Any:
    """The streams of the same tables."""
    from localstack.aws.api.dynamodbstreams import DynamodbstreamsApi

    return _in_memory(DynamodbstreamsApi)


@on_infra_start()
def extend() -> None:
    """Authorizers, the guard against web pages, and what a deploy or a log lacks otherwise."""
    from localstack.services.apigateway.next_gen.execute_api import (
        handlers,
    )

    from alpaquero_plugin.authorizer import authorize

    handlers.preprocess_request.append(authorize)
    _guard()
    _log_group()
    _conditions()
    _senders()
    _refusals()


def _guard() -> None:
    """Refuse other hosts and web pages, as the guard before the default engine does."""
    from localstack.aws import handlers
    from localstack.http import Response

    sys.path.insert(0, str(Path(os.environ["ALPAQUERO_GUARD"]).parent))
    from guard import refusal

    sys.path.pop(0)

    def check(chain: Any, context: Any, response: Response) -> None:
        headers = {name.lower(): value for name, value in context.request.headers.items()}
        why = refusal(context.request.path, headers)
        if why is not None:
            response.status_code = 403
            response.set_json({"message": why})
            chain.stop()

    handlers.preprocess_request.append(check)


def _log_group() -> None:
    """Write a function's log to the group that its `LoggingConfig` names."""
    from localstack.services.lambda_.invocation.execution_environment import (
        ExecutionEnvironment,
    )

    stock = ExecutionEnvironment.get_log_group_name

    def named(self: Any) -> str:
        return str(self.function_version.config.logging_config.get("LogGroup") or stock(self))

    ExecutionEnvironment.get_log_group_name = named


def _conditions() -> None:
    """Leave a resource unread whose condition does not hold; what it refers to may not be there either."""
    from localstack.services.cloudformation.engine.v2 import (
        change_set_model_preproc as reader,
    )

    stock = reader.ChangeSetModelPreproc.visit_node_resource

    def visited(self: Any, node_resource: Any) -> Any:
        condition = node_resource.condition_reference
        if not reader.is_nothing(condition):
            held = self._resolve_resource_condition_reference(condition)
            if not any(one for one in (held.before, held.after) if not reader.is_nothing(one)):
                return reader.PreprocEntityDelta(before=reader.Nothing, after=reader.Nothing)
        return stock(self, node_resource)

    reader.ChangeSetModelPreproc.visit_node_resource = visited


def _senders() -> None:
    """Make the stack's sender known to SES; LocalStack knows the resource by name alone."""
    from localstack.services.cloudformation.resource_provider import (
        OperationStatus,
        ProgressEvent,
    )
    from localstack.services.ses.resource_providers.aws_ses_emailidentity import (
        SESEmailIdentityProvider,
    )

    def create(_self: Any, request: Any) -> Any:
        wanted = request.desired_state
        request.aws_client_factory.ses.verify_email_identity(EmailAddress=wanted["EmailIdentity"])
        return ProgressEvent(OperationStatus.SUCCESS, resource_model=wanted)

    def delete(_self: Any, request: Any) -> Any:
        request.aws_client_factory.ses.delete_identity(Identity=request.previous_state["EmailIdentity"])
        return ProgressEvent(OperationStatus.SUCCESS, resource_model=request.previous_state)

    SESEmailIdentityProvider.create = create
    SESEmailIdentityProvider.delete = delete


def _refusals() -> None:
    """Answer a refused request in the template's words, with its headers."""
    from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
        get_gateway_response_or_default,
    )
    from localstack.services.apigateway.next_gen.execute_api.handlers.gateway_exception import (
        GatewayExceptionHandler,
    )

    from alpaquero_plugin.refusals import headers, worded

    stock = GatewayExceptionHandler.create_exception_response

    def answered(self: Any, exception: Any, context: Any) -> Any:
        answer = stock(self, exception, context)
        given = context.deployment.rest_api.gateway_responses
        wanted = get_gateway_response_or_default(exception.type, given)
        template = (wanted.get("responseTemplates") or {}).get("application/json")
        if template and given:
            answer.data = worded(template, context.context_variables or {}, str(exception.message or ""))
            answer.headers.update(headers(wanted.get("responseParameters") or {}))
        return answer

    GatewayExceptionHandler.create_exception_response = answered
