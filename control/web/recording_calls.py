"""The calls of the API that hand out what is no struct: exports, and a verification.

The same functions answer the page; a token or a cookie is good for both.
"""

from typing import Any, Final

from fastapi import APIRouter

from control.rights import Right
from control.web.playback_routes import export, verify

router = APIRouter(prefix="/api/v1/sessions/{session_id}", tags=["sessions"])

_FILE: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def _described(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "x-right": str(Right.SEE_RECORDINGS),
        "security": [{"bearer": []}, {"cookie": []}],
        "responses": {"200": {"description": "Done", "content": content}},
    }


router.add_api_route(
    "/export/{format_}",
    export,
    summary="A recording as a file",
    response_model=None,
    openapi_extra=_described(_FILE),
)
router.add_api_route(
    "/verify",
    verify,
    summary="Check every chunk, now",
    response_model=None,
    openapi_extra=_described({"application/json": {"schema": {"type": "object"}}}),
)
