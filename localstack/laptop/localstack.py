"""LocalStack itself as the engine, a process without containers; ``make run ENGINE=localstack``.

``laptop.engine.engine_class`` gives it. Its free core has no Cognito and no WebSocket APIs, so an issuer
of the laptop's own signs people in and the dashboard polls; docs/localstack.md says what else differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from laptop import issuer, processes, repairs
from laptop.engine import GUARD, REGION, Engine, Sessions
from laptop.layout import LOCALSTACK_PLUGIN, LOCALSTACK_PYTHON

if TYPE_CHECKING:
    from laptop.deploy import Deployed

_FROM_SHELL: Final = ("LOCALSTACK_AUTH_TOKEN",)  # releases after 4.14 want one
_AUTHTYPE: Final = "x-amazon-apigateway-authtype"
# LocalStack reads the account from the key's id; a number is the account itself.
_ROOT: Final = "000000000000"


class LocalStack(Engine):
    """LocalStack's free core with the plugins of ``localstack/plugin``, and the issuer beside it.

    It keeps nothing over a stop: a start puts the last checkpoint into a new stack.
    """

    name: ClassVar[str] = "localstack"
    own_ports: ClassVar[Mapping[str, int]] = {"issuer": 9300}
    _missing: ClassVar[str] = (
        "LocalStack's environment is missing: run `make run ENGINE=localstack`, which makes it"
    )
    _patience: ClassVar[float] = 90
    _issuer: subprocess.Popen[bytes] | None = None

    @staticmethod
    def elsewhere(ports: Mapping[str, int]) -> dict[str, str]:
        """Cognito's calls go to the issuer."""
        return {"cognito-idp": issuer.url(ports["issuer"])}

    @staticmethod
    def after_deploy(sessions: Sessions, stack: str, deployed: Deployed) -> None:
        """Mend what the import of SAM's OpenAPI documents drops: gateway responses, AWS_IAM; the stray stage.

        The functions are the default engine's repairs where it has the same hole.
        """
        template = repairs.processed(sessions, stack, deployed.resources)
        gateway = sessions.client("apigateway")
        for name, document in repairs.rest_apis(template):
            api = deployed.resources[name]
            repairs.put_gateway_responses(gateway, api, document)
            _want_signatures(gateway, api, document)
            repairs.delete_stray_stage(gateway, api)
            for stage in gateway.get_stages(restApiId=api)["item"]:
                gateway.create_deployment(restApiId=api, stageName=stage["stageName"])

    @staticmethod
    def sent_mail(endpoint: str) -> list[dict[str, Any]]:
        """What SES was asked to send."""
        return [
            {
                "at": one["Timestamp"],
                "to": one["Destination"].get("ToAddresses", []),
                "subject": one["Subject"],
                "body": one["Body"]["text_part"],
            }
            for one in _read(f"{endpoint}/_aws/ses")["messages"]
        ]

    @staticmethod
    def sent_sms(endpoint: str) -> list[dict[str, Any]]:
        """What SNS was asked to send to phones."""
        boxes = _read(f"{endpoint}/_aws/sns/sms-messages?region={REGION}")["sms_messages"]
        found = [message for box in boxes.values() for message in box]
        return [{"to": one["PhoneNumber"], "body": one["Message"]} for one in found]

    def parameters(self) -> dict[str, str]:
        """What the template is told of this engine."""
        return {
            "LocalIssuer": issuer.url(self.ports["issuer"]),
            "Socket": "DISABLED",
            "SocketCallbackBase": f"{self.endpoint}/_aws/execute-api",
        }

    def processes(self) -> dict[str, subprocess.Popen[bytes]]:
        """LocalStack and the issuer."""
        return super().processes() | ({} if self._issuer is None else {"issuer": self._issuer})

    @property
    def has_state(self) -> bool:
        """Never: it keeps nothing over a stop."""
        return False

    def start(self, *, extra: Mapping[str, str] | None = None) -> None:
        """Start it and the issuer, and wait until both answer."""
        port, log = self.ports["issuer"], self._log.with_name("issuer.log")
        processes.require_free({"issuer": port})
        super().start(extra=extra)
        self._issuer = processes.start(
            [sys.executable, "-m", "laptop.issuer", "--state", self._state, "--port", str(port)],
            environment=processes.base_environment(),
            log=log,
        )
        processes.wait_until(self._issuer_answers, what="the issuer", log=log, process=self._issuer)

    def stop(self) -> None:
        """End both."""
        super().stop()
        if self._issuer is not None:
            processes.stop(self._issuer)
            self._issuer = None
        self.forget()

    def kill(self) -> None:
        """End both at once."""
        super().kill()
        if self._issuer is not None:
            self._issuer.kill()
            self._issuer.wait()
            self._issuer = None

    @property
    def _state(self) -> Path:
        return self._folder.parent

    def _issuer_answers(self) -> bool:
        try:
            return bool(_read(f"{issuer.url(self.ports['issuer'])}{issuer.KEYS_PATH}")["keys"])
        except OSError:
            return False

    def _root(self) -> Sessions:
        return Sessions(self.endpoint, _ROOT, self._credentials.root_secret)

    def _command(self) -> list[str | Path]:
        return [LOCALSTACK_PYTHON, "-m", "localstack.runtime.main"]

    def _environment(self) -> dict[str, str]:
        token = {name: os.environ[name] for name in _FROM_SHELL if os.environ.get(name)}
        return (
            processes.base_environment()
            | token
            | {
                "HOME": str(self._folder / "objects"),
                "TMPDIR": str(self._folder / "tmp"),
                "FILESYSTEM_ROOT": str(self._folder / "state"),
                "PYTHONPATH": str(LOCALSTACK_PLUGIN),
                "ALPAQUERO_GUARD": str(GUARD),
                "OVERRIDE_IN_DOCKER": "0",
                "GATEWAY_LISTEN": f"{processes.LOOPBACK}:{self.port}",
                "LOCALSTACK_HOST": f"localhost:{self.port}",
                "GATEWAY_SERVER": "alpaquero",
                "LAMBDA_RUNTIME_EXECUTOR": "alpaquero",
                "LAMBDA_KEEPALIVE_MS": "60000",
                "PROVIDER_OVERRIDE_DYNAMODB": "alpaquero",
                "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "alpaquero",
                # Nothing is fetched and nobody is told.
                "SKIP_SSL_CERT_DOWNLOAD": "1",
                "DISABLE_EVENTS": "1",
                "DNS_ADDRESS": "0",
                "AWS_DEFAULT_REGION": REGION,
                "TZ": "UTC",
            }
        )


def _want_signatures(gateway: Any, api: str, document: Mapping[str, Any]) -> None:
    """A method whose security is AWS_IAM comes out open to anyone; the plugin checks the signature then."""
    schemes = document.get("securityDefinitions") or document.get("components", {}).get("securitySchemes", {})
    signed = {name for name, scheme in schemes.items() if scheme.get(_AUTHTYPE) == "awsSigv4"}
    ids = repairs.resource_ids(gateway, api)
    for path, method, operation in repairs.operations(document):
        if any(name in signed for wanted in operation.get("security") or () for name in wanted):
            gateway.update_method(
                restApiId=api,
                resourceId=ids[path],
                httpMethod=method,
                patchOperations=[{"op": "replace", "path": "/authorizationType", "value": "AWS_IAM"}],
            )


def _read(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as reply:  # noqa: S310 -- loopback alone
        return json.load(reply)
