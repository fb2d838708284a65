"""What a load balancer asks."""

from fastapi import APIRouter
from starlette.responses import JSONResponse

from control.web.page import ThePage

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Whether the page answers")
def healthz() -> dict[str, str]:
    """Say that it answers."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Whether the node is ready",
    responses={503: {"description": "It is not, and says why not"}},
)
def readyz(page: ThePage) -> JSONResponse:
    """Say whether the node can do its work."""
    problems = page.not_ready()
    status = "not ready" if problems else "ready"
    body = {"status": status, "problems": list(problems)}
    return JSONResponse(body, 503 if problems else 200)
