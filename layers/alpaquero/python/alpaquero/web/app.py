"""The Chalice app every service's `api.py` makes with `service_app`: one shape for answers and errors.

    app = service_app("position")

    @app.endpoint("GET", public="/api/orders", service="/trading/orders", query=OrdersAsked)
    def orders(query: OrdersAsked) -> Page[Order]:
        return ...

Views return structs, or an `Answer` where headers go with one; their annotation is what the API's
description tells of the answer, and all else of the route stands on the decorator. Errors of
`alpaquero.errors` become their status and code, any other a 500 without its text. Every answer carries
the correlation id and the dashboard's CORS headers.
"""

from __future__ import annotations

import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from chalice.app import Chalice, Request, Response

import alpaquero
from alpaquero import cold_start, deadline, lately
from alpaquero.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    BrokerUnclear,
    InvalidRequest,
    NotAllowed,
    NotSignedIn,
    RequestError,
    Throttled,
)
from alpaquero.observability import (
    correlation,
    correlation_id,
    follow_settings,
    logger,
    memory_mb,
    name_service,
)
from alpaquero.settings import FunctionSettings, Url, load
from alpaquero.web.bodies import ErrorBody, ErrorDetail, Health
from alpaquero.web.endpoint import Endpoint
from alpaquero.web.principal import Principal, from_request_context
from alpaquero.web.request_size import USUAL_KB, refuse_oversized
from alpaquero.web.user_limit import shared_limit, shares_of

if TYPE_CHECKING:
    from alpaquero.store.health import WorkDone

T = TypeVar("T")
View = Callable[..., Any]
Check = Callable[[], object]


class Unsaid(Enum):
    """That a route names no role; None is a role's name too: everyone."""

    UNSAID = "unsaid"


UNSAID = Unsaid.UNSAID

_ENCODER = msgspec.json.Encoder(decimal_format="string")
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET,POST,PUT,PATCH,DELETE,OPTIONS",
    "Access-Control-Allow-Headers": "authorization,content-type,idempotency-key,if-match,x-correlation-id",
    "Access-Control-Max-Age": "600",
}

# What became of a broker call, as the caller sees it; the first that fits.
_BROKER_ANSWERS: tuple[tuple[type[BrokerError], int, str, str], ...] = (
    (BrokerRejected, 502, "broker_rejected", "The broker refused this: "),
    (BrokerUnavailable, 503, "broker_unavailable", "The broker does not answer; try again shortly. "),
    (BrokerUnclear, 503, "broker_unclear", "The broker's answer is unclear; look before trying again. "),
)

# What Chalice itself answers, in our words.
_CHALICE_ANSWERS = {
    405: ("method_not_allowed", "This route does not take that method; see docs/architecture.md."),
    415: ("unsupported_media_type", "Send the body as application/json."),
}


# Codes by which AWS says: later.
_HELD_BACK = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceededException",
    }
)


class WebSettings(FunctionSettings, frozen=True, kw_only=True):
    """What an API needs besides what its service needs."""

    dashboard_origin: Url


def service_app(
    service: str, dependencies: Mapping[str, Check] | None = None, *, works: bool = False
) -> ServiceApp:
    """The app of `service` (its folder's name), with `/<service>/health` answered already.

    `dependencies` are calls that raise when what they are named after does not work. A service that
    `works` notes what it did with `store.health.record_work`; its health tells when that was.
    """
    return ServiceApp(service, load(WebSettings), dependencies or {}, works=works)


class Answer(Response, Generic[T]):
    """A body of the type `T` with headers of its own."""


def json_response(body: T, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer[T]:
    """`body` as JSON: Decimals as texts, times in UTC with a Z."""
    return Answer(
        body=_ENCODER.encode(body).decode(),
        status_code=status,
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def error_response(
    status: int, code: str, message: str, details: Mapping[str, str] | None = None
) -> Response:
    """The one shape of an error, in both APIs and at the gateway."""
    error = ErrorDetail(
        code=code, message=message, details=dict(details or {}), correlation_id=correlation_id()
    )
    return json_response(ErrorBody(error=error), status)


def to_cursor(sort_key: str) -> str:
    """An opaque cursor for the page after the item with `sort_key`."""
    return urlsafe_b64encode(sort_key.encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> str:
    """The sort key in a cursor. Raises `InvalidRequest` for what we never gave out."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise InvalidRequest("cursor is not one we gave; use `next` of the page before", "cursor") from None


def after(cursor: str | None) -> str | None:
    """The sort key in the cursor of a query, None on the first page. Raises `InvalidRequest`."""
    return None if cursor is None else from_cursor(cursor)


class ServiceApp(Chalice):
    """A Chalice app whose routes are registered once for both APIs."""

    def __init__(
        self, service: str, settings: WebSettings, dependencies: Mapping[str, Check], *, works: bool = False
    ) -> None:
        super().__init__(app_name=service, configure_logs=False)
        self._works = works
        self.service = service
        self.settings = settings
        self._dependencies = dependencies
        self._most_kb: dict[tuple[str, str], int] = {}
        self._limit = shared_limit()
        self.endpoints: list[Endpoint] = []
        self.endpoint("GET", service=f"/{service}/health")(self._health)

    def endpoint(
        self,
        method: str,
        *,
        public: str | None = None,
        service: str | None = None,
        role: str | Unsaid | None = UNSAID,
        people: bool = False,
        most_kb: int = USUAL_KB,
        query: type[msgspec.Struct] | None = None,
        headers: type[msgspec.Struct] | None = None,
        body: Any = None,
        status: int = 200,
        refuses: Sequence[int] = (),
        content: str | Sequence[str] = "application/json",
    ) -> Callable[[View], View]:
        """Registers a view under its public path, its path on the services' API, or both.

        The structs `query`, `headers` and `body` are what the route takes, and the view gets them by
        these names. `status` is that of every answer of the view, `refuses` the statuses of its
        errors that do not follow from the rest (404 does from a path with a name in it, 400 from what
        is taken), `content` the media types it answers with.

        A body of more than `most_kb` KB is refused before anything reads it. `role` is the least a
        caller needs; None opens the route to everyone (sign-in, `/health`). Reads are a viewer's unless
        it says otherwise; a route that may change something must say. `people` keeps programs out, which
        sign in with a key.
        The template must name the same paths. A public path answers the browser's preflight too.
        """
        if isinstance(role, Unsaid):
            if method != "GET":
                raise TypeError(f"{method} {public or service}: say the least role a caller needs, role=...")
            role = "viewer"
        least = role

        def register(view: View) -> View:
            declared = Endpoint(
                method=method,
                public=public,
                service=service,
                role=least,
                view=view,
                query=query,
                headers=headers,
                body=body,
                status=status,
                refuses=tuple(refuses),
                content=(content,) if isinstance(content, str) else tuple(content),
                people=people,
            )
            self.endpoints.append(declared)

            def answer(**path: str) -> Response:
                return self._answer(declared, path)

            answer.__name__ = view.__name__
            for path in (public, service):
                if path is not None:
                    self._most_kb[method, path] = most_kb
                    self.route(path, methods=[method], name=f"{method} {path}")(answer)
            if public is not None and "OPTIONS" not in self.routes[public]:
                self.route(public, methods=["OPTIONS"], name=f"OPTIONS {public}")(_preflight)
            return view

        return register

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answers one API Gateway proxy event; never raises."""
        started = time.perf_counter()
        request_context = event.get("requestContext") or {}
        headers = {str(name).lower(): value for name, value in (event.get("headers") or {}).items()}
        logger.clear_state()
        cold_start.over()
        deadline.begin(context)
        lately.begin(anew="no-cache" in (headers.get("cache-control") or ""))
        name_service(self.service)
        correlation(headers.get("x-correlation-id") or request_context.get("requestId"))
        follow_settings(context)
        answer = self._handled(event, context, request_context.get("resourcePath"))
        answer["headers"] = {**answer.get("headers", {}), **self._common_headers(headers.get("origin"))}
        logger.info(
            "answered",
            method=request_context.get("httpMethod"),
            route=request_context.get("resourcePath"),
            status=answer["statusCode"],
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        return answer

    def principal(self) -> Principal:
        """The caller. Raises `NotSignedIn` when API Gateway vouches for none."""
        caller = from_request_context(self._request.context)
        if caller is None:
            raise NotSignedIn("Sign in and send the access token as Authorization: Bearer.")
        return caller

    def require(self, role: str, *, people: bool = False) -> Principal:
        """The caller, who has at least `role`, and no key where it is for `people`.

        Raises `NotSignedIn` or `NotAllowed`.
        """
        caller = self.principal()
        if people and caller.is_program:
            raise NotAllowed("This is for people: a program's key does not open it; sign in.")
        if not caller.may(role):
            raise NotAllowed(f"This needs the role {role} and you have {caller.role}; ask an admin.")
        return caller

    def header(self, name: str) -> str | None:
        """A request header, whatever its letter case."""
        value = self._request.headers.get(name)
        return None if value is None else str(value)

    @property
    def _request(self) -> Request:
        if self.current_request is None:
            raise LookupError("there is no request outside of a view")
        return self.current_request

    def _handled(self, event: Any, context: Any, route: str | None) -> dict[str, Any]:
        try:
            if route not in self.routes:
                return _event_answer(error_response(404, "not_found", "There is no such route."))
            method = event["requestContext"].get("httpMethod", "")
            refuse_oversized(event, self._most_kb.get((method, route), USUAL_KB))
            answer: dict[str, Any] = super().__call__(event, context)
        except RequestError as error:
            return _event_answer(_refusal(error))
        except Exception:
            logger.exception("the request could not be handled")
            return _event_answer(_internal_error())
        if answer["statusCode"] in _CHALICE_ANSWERS:
            code, message = _CHALICE_ANSWERS[answer["statusCode"]]
            return _event_answer(error_response(answer["statusCode"], code, message))
        return answer

    def _answer(self, endpoint: Endpoint, path: dict[str, str]) -> Response:
        try:
            if endpoint.role is not None:
                caller = self.require(endpoint.role, people=endpoint.people)
                logger.append_keys(username=caller.username)
                if not caller.is_signed:
                    self._limit.admit(caller.username, *shares_of(caller.requests_a_day))
            answer = endpoint.view(**path, **endpoint.arguments(self._request))
            if not isinstance(answer, Response):
                return json_response(answer, endpoint.status)
            if endpoint.status != 200:
                answer.status_code = endpoint.status
            return answer
        except RequestError as error:
            return _refusal(error)
        except BrokerError as error:
            logger.exception("the broker call failed")
            return _broker_answer(error)
        except Exception as error:
            logger.exception("the view failed")
            return _unavailable() if _is_of_aws(error) else _internal_error()

    def _common_headers(self, origin: str | None) -> dict[str, str]:
        headers = {"X-Correlation-Id": correlation_id(), "Cache-Control": "no-store", "Vary": "Origin"}
        if origin == self.settings.dashboard_origin:
            headers["Access-Control-Allow-Origin"] = self.settings.dashboard_origin
            headers["Access-Control-Allow-Credentials"] = "true"
            headers["Access-Control-Expose-Headers"] = "ETag,Retry-After,X-Correlation-Id"
        return headers

    def _health(self) -> Health:
        """How the service is: what it needs, its version and memory, and when it last worked."""
        states = {name: _state_of(name, check) for name, check in self._dependencies.items()}
        found: list[WorkDone | None] = []
        if self._works:
            states["work"] = _state_of("work", lambda: found.append(_last_work_of(self.service)))
        work = next(iter(found), None)
        return Health(
            status="ok" if all(state == "ok" for state in states.values()) else "degraded",
            service=self.service,
            version=alpaquero.__version__,
            dependencies=states,
            last_work_at=work.at if work else None,
            last_work=work.detail if work else None,
            memory_mb=memory_mb(),
        )


def _refusal(error: RequestError) -> Response:
    answer = error_response(error.status, error.code, error.message, error.details)
    if isinstance(error, Throttled):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    return answer


def _preflight(**_path: str) -> Response:
    return Response(body="", status_code=204, headers=dict(_PREFLIGHT))


def _last_work_of(service: str) -> WorkDone | None:
    from alpaquero.store import health

    return health.last_work_of(service)


def _state_of(name: str, check: Check) -> str:
    try:
        check()
    except Exception as error:
        logger.exception("a dependency does not work", dependency=name)
        return f"failed: {type(error).__name__}"
    return "ok"


def _event_answer(response: Response) -> dict[str, Any]:
    answer: dict[str, Any] = response.to_dict()
    return answer


def _internal_error() -> Response:
    return error_response(
        500, "internal", "Something went wrong here; the log has it under the correlation id."
    )


def _is_of_aws(error: BaseException | None) -> bool:
    """Whether a service of AWS did not answer, or not now; pynamodb's errors bring the cause."""
    from botocore import exceptions as aws

    while error is not None:
        if isinstance(error, aws.ClientError):
            status = error.response["ResponseMetadata"].get("HTTPStatusCode", 500)
            return int(status) >= 500 or error.response["Error"].get("Code") in _HELD_BACK
        if isinstance(error, aws.HTTPClientError | aws.ConnectionError):
            return True
        error = getattr(error, "cause", None) or error.__cause__
    return False


def _unavailable() -> Response:
    return error_response(
        503, "unavailable", "A service of AWS that this needs does not answer; try again shortly."
    )


def _broker_answer(error: BrokerError) -> Response:
    for kind, status, code, opening in _BROKER_ANSWERS:
        if isinstance(error, kind):
            reason = error.message if isinstance(error, BrokerRejected) else ""
            return error_response(status, code, f"{opening}{reason}".strip())
    return _internal_error()
