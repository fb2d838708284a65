"""Routes for every call of the table: read the fields, check them, carry it out, answer."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from control.api.described import IN_QUERY, fields_in_path, open_fields, operation
from control.api.table import CALLS, PREFIX, Call
from control.errors import InvalidError
from control.web.page import Page, ThePage
from control.web.visitor import Visitor, require


def make_router() -> APIRouter:
    """Return the routes of the API."""
    router = APIRouter(prefix=PREFIX)
    for call in CALLS:
        noun = call.path.split("/")[1]
        router.add_api_route(
            call.path,
            _endpoint(call),
            methods=[call.method],
            tags=[noun],
            summary=_first_line(call.request),
            operation_id=f"{call.method.lower()}{call.path.translate(_TO_UNDERSCORE)}",
            response_model=None,
            openapi_extra=operation(call),
        )
    return router


def request_of(
    call: Call, given: dict[str, Any], path: dict[str, str], who: str, login: bytes = b""
) -> Any:  # noqa: ANN401 - one of many structs
    """Return the request; raise `InvalidError` for what it cannot be.

    `given` is what came in the query or in the body; `login` names what `who` asks by. Pure.
    """
    unknown = sorted(set(given) - set(open_fields(call)))
    if unknown:
        known = ", ".join(open_fields(call)) or "none"
        raise InvalidError(f"there is no field {unknown[0]!r} here; there are: {known}")
    values = given | {name: path[name] for name in fields_in_path(call)}
    if call.own:
        values[call.own] = who
    if call.login:
        values[call.login] = login
    try:
        # A query and a path are text; JSON says itself what is a number.
        return msgspec.convert(values, call.request, strict=call.method not in IN_QUERY)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise InvalidError(f"the request makes no sense: {error}") from error


def _endpoint(call: Call) -> Callable[..., Awaitable[Response]]:
    async def endpoint(
        request: Request,
        page: ThePage,
        visitor: Annotated[Visitor, require(call.right, proof=call.proof, person=call.person)],
    ) -> Response:
        if call.method in IN_QUERY:
            given = _in_query(call, request)
        else:
            given = _in_body(await request.body())
        login = visitor.logged_in.digest
        asked = request_of(call, given, request.path_params, visitor.name, login)
        return await page.run(_answer, page, asked, visitor.name)

    endpoint.__doc__ = call.request.__doc__
    return endpoint


def _answer(page: Page, asked: Any, who: str) -> Response:  # noqa: ANN401 - one of many structs
    body = msgspec.json.encode(page.ask(asked, who))
    return Response(body, HTTPStatus.OK, media_type="application/json")


def _in_query(call: Call, request: Request) -> dict[str, Any]:
    hints = msgspec.inspect.type_info(call.request)
    many = {
        field.name
        for field in getattr(hints, "fields", ())
        if isinstance(field.type, msgspec.inspect.VarTupleType)
    }
    query = request.query_params
    return {name: query.getlist(name) if name in many else query[name] for name in query}


def _in_body(body: bytes) -> dict[str, Any]:
    try:
        given = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidError("the body is no JSON: send a JSON object") from error
    if not isinstance(given, dict):
        raise InvalidError("the body is no JSON object")
    return given


def _first_line(request: type[Struct]) -> str:
    return (request.__doc__ or "").splitlines()[0]


_TO_UNDERSCORE: Final = str.maketrans({"/": "_", "{": None, "}": None, "-": "_"})
