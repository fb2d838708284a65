"""Following a launch link: the one call of the API that needs no log-in.

The token comes in the body, never in an address, which ends up in logs.
"""

from http import HTTPStatus
from typing import Final

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from control.api.described import redemption
from control.api.table import PREFIX
from control.errors import InvalidError
from control.launch_operations import LinkRefused
from control.launch_requests import RedeemLaunchLink
from control.web.log_in_routes import origin
from control.web.page import ThePage

REDEEM: Final = f"{PREFIX}/launches/redeem"
_MAX_BODY_BYTES: Final = 1024
_REFUSED: Final = "this link starts nothing (any more): make another on the page"

router = APIRouter(tags=["launches"])

_redeeming = CapacityLimiter(2)
"""Strangers' links take threads of their own: the page's go on serving others."""


@router.post(
    REDEEM,
    summary="Follow a launch link",
    operation_id="post_launches_redeem",
    response_model=None,
    openapi_extra=redemption(),
)
async def redeem(request: Request, page: ThePage) -> Response:
    """Use a link up, and return what a client is started with."""
    token = _token_in(await request.body())
    launched = await anyio.to_thread.run_sync(
        page.operations.launches.redeem, token, origin(request), limiter=_redeeming
    )
    if isinstance(launched, LinkRefused):
        return _refused(launched)
    return Response(msgspec.json.encode(launched), media_type="application/json")


def _token_in(body: bytes) -> str:
    if len(body) > _MAX_BODY_BYTES:
        raise InvalidError("this is more than a token")
    try:
        return msgspec.json.decode(body, type=RedeemLaunchLink).token
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # What was sent may hold a token: it is not repeated.
        raise InvalidError("send a JSON object with a `token`, and nothing else") from None


def _refused(refused: LinkRefused) -> Response:
    if not refused.wait_s:
        return JSONResponse({"error": _REFUSED, "kind": "refused"}, HTTPStatus.GONE)
    seconds = max(1, round(refused.wait_s))
    text = f"too many links that start nothing came from there: wait {seconds} seconds"
    return JSONResponse(
        {"error": text, "kind": "wait"},
        HTTPStatus.TOO_MANY_REQUESTS,
        headers={"Retry-After": str(seconds)},
    )
