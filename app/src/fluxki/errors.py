"""Every error as a problem of RFC 9457, with the stable code of the domain's error."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fluxki_core.domain.errors import FluxkiError, Invalid
from fluxki_core.services.unit import Replayed
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap
from msgspec import UNSET, Struct, UnsetType

log = structlog.get_logger()

PROBLEM = "application/problem+json"
RETRY_SECONDS = "2"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STATUS = {
    "analysis_required": 409,
    "stale_analysis": 409,
    "no_address": 409,
    "no_channel": 409,
    "conflict": 409,
    "idempotency_conflict": 409,
    "plugin": 409,
    "settings": 409,
    "forbidden": 403,
    "unauthenticated": 401,
    "not_found": 404,
    "invalid": 422,
    "too_large": 413,
    "too_many_requests": 429,
    "unavailable": 503,
}
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": RETRY_SECONDS}}
# Names by which callers know what a handler calls otherwise, or what has no name at all.
OUTSIDE = {"data": "", "ticket_state": "state", "idempotency_key": "Idempotency-Key", "last_event_id": "Last-Event-ID"}
_MISSING = re.compile(r"Missing required \w+ parameter '(?P<name>[^']+)'")
GONE = "client disconnected prematurely"  # Litestar's words, in an error 500
DETAILS = {404: "There is nothing at this address.", 413: "The body is larger than this call takes."}
CODES = {400: "invalid", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong. `code` never changes; `fields` says what is wrong with each field, by its path."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    fields: dict[str, str] | UnsetType = UNSET


class Malformed(FluxkiError):
    """A body that is no JSON at all."""

    code = "invalid"


class TooManyRequests(FluxkiError):
    """`seconds`: when to try again."""

    code = "too_many_requests"

    def __init__(self, text: str, seconds: int) -> None:
        super().__init__(text)
        self.seconds = seconds


def _specs(*statuses: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(
            data_container=Problem,
            generate_examples=False,
            description=HTTPStatus(status).phrase,
            media_type=PROBLEM,
        )
        for status in statuses
    }


READS = _specs(400, 401, 403, 404, 409, 422, 429, 500, 503)
"""How a call that reads may fail, for its documentation."""

WRITES = READS | _specs(413)
"""How a call that writes may fail."""


def problem(
    status: int,
    code: str,
    detail: str,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response[Problem]:
    content = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        fields=UNSET if fields is None else dict(fields),
    )
    sent = {**HEADERS.get(status, {}), **(headers or {})}
    return Response(content, status_code=status, media_type=PROBLEM, headers=sent)


def _of_domain(_: Request[Any, Any, Any], error: FluxkiError) -> Response[Problem]:
    if isinstance(error, Invalid):
        detail = "; ".join(f"{path}: {what}" if path else what for path, what in error.fields.items())
        return problem(422, error.code, detail, error.fields)
    if isinstance(error, TooManyRequests):
        return problem(429, error.code, str(error), headers={"Retry-After": str(error.seconds)})
    status = 400 if isinstance(error, Malformed) else STATUS.get(error.code, 500)
    return problem(status, error.code, str(error))


def _of_litestar(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    if isinstance(error, ValidationException):
        return _of_domain(request, Invalid(_fields(error)))
    if isinstance(error, MethodNotAllowedException):
        return problem(405, "method_not_allowed", "This address does not take this method.", headers=_allow(request))
    if error.detail == GONE:
        # Nobody hears the answer, and it is no fault of this program: phones lose their network.
        log.info("the client went away", method=request.method, path=request.url.path)
        return problem(400, "invalid", "The body ended too early.")
    if error.status_code >= 500:
        return _unknown(request, error)
    detail = DETAILS.get(error.status_code, error.detail)
    return problem(error.status_code, CODES.get(error.status_code, "invalid"), detail, headers=error.headers)


def _fields(error: ValidationException) -> dict[str, str]:
    found = [each for each in error.extra or [] if isinstance(each, dict)]
    if not found:
        missing = _MISSING.match(error.detail)
        return {missing["name"]: "This is required."} if missing else {"": error.detail}
    # What is missing is reported by its bare name.
    return {
        OUTSIDE.get(key, key): "This is required." if message == f"'{key}'" else message
        for key, message in ((str(each.get("key", "")), str(each.get("message", ""))) for each in found)
    }


def _allow(request: Request[Any, Any, Any]) -> dict[str, str]:
    allowed = []
    for method in METHODS:
        try:
            request.app.asgi_router.handle_routing(path=request.scope["path"], method=method)
        except HTTPException:
            continue
        allowed.append(method)
    return {"Allow": ", ".join(allowed)}


def _unknown(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    return problem(500, "internal", "Something went wrong here; it was written to the log.")


def _of_replay(request: Request[Any, Any, Any], replayed: Replayed) -> Response[bytes]:
    """The answer that was given when the order was carried out."""
    handler = request.route_handler
    return Response(
        replayed.body.encode(),
        status_code=handler.status_code if isinstance(handler, HTTPRouteHandler) else None,
        media_type=MediaType.JSON,
        headers={"Idempotency-Replayed": "true"},
    )


HANDLERS: ExceptionHandlersMap = {
    FluxkiError: _of_domain,
    Replayed: _of_replay,
    HTTPException: _of_litestar,
    Exception: _unknown,
}
