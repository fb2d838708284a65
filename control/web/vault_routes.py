"""The secrets in the vault, for who may see or change them. Never what is secret of them."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from bus.contract import HostKeyPolicy
from config.model import OnLoss
from control.approval_requests import SetDemands
from control.errors import InvalidError
from control.requests import (
    AddSecret,
    EditSecret,
    ListSecrets,
    RemoveSecret,
    SecretSummary,
    SecretTested,
    ShowSecret,
    TestSecret,
)
from control.web.acting import act, converted, filled
from control.web.admin_routes import Managing, Seeing
from control.web.page import Page, ThePage
from control.web.rendering import render
from control.web.visitor import Visitor
from recorder.session_info import Capture, RecordingMode, TargetProtocol

router = APIRouter(prefix="/admin/secrets", include_in_schema=False)

_BACK: Final = "/admin/secrets"
_CHOICES: Final[dict[str, list[str]]] = {
    "protocol": [*TargetProtocol],
    "host_key_policy": [*HostKeyPolicy],
    "record": [*RecordingMode],
    "capture": [*Capture],
    "on_loss": [*OnLoss],
}
_SECRET_FIELDS: Final = ("password", "private_key", "passphrase")
"""Left as they are where the field is empty."""


@router.get("")
def secrets(request: Request, page: ThePage, visitor: Seeing) -> Response:
    """Show the vault."""
    found = page.list(ListSecrets(), visitor.name, SecretSummary)
    return render(request, "vault.html", secrets=found)


@router.get("/new")
def ask_secret(request: Request, visitor: Managing) -> Response:
    """Show the form for another one."""
    return _form(request, None)


@router.post("")
async def add_secret(request: Request, page: ThePage, visitor: Managing) -> Response:
    """Put a secret into the vault."""
    given = _fields(dict(await request.form()), "name", "protocol")
    asked = converted(given, AddSecret)
    return await page.run(act, page, visitor, asked, _BACK, "added")


@router.get("/{name}")
def show_secret(request: Request, page: ThePage, visitor: Seeing, name: str) -> Response:
    """Show one, and the form to change it for who may."""
    return _form(request, page.one(ShowSecret(name=name), visitor.name, SecretSummary))


@router.post("/{name}")
async def edit_secret(
    request: Request, page: ThePage, visitor: Managing, name: str
) -> Response:
    """Change one."""
    given = _fields(dict(await request.form())) | {"name": name}
    asked = converted(given, EditSecret)
    return await page.run(act, page, visitor, asked, f"{_BACK}/{name}", "saved")


@router.post("/{name}/demands")
def set_demands(
    page: ThePage,
    visitor: Managing,
    name: str,
    demands: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Say what it demands before it is used."""
    wanted = SetDemands(secret=name, demands=tuple(demands))
    return act(page, visitor, wanted, f"{_BACK}/{name}", "saved")


@router.post("/{name}/test")
def test_secret(request: Request, page: ThePage, visitor: Managing, name: str) -> Response:
    """Log on to its target once."""
    tested = page.one(TestSecret(name=name), visitor.name, SecretTested)
    return _form(request, _shown(page, visitor, name), tested)


@router.post("/{name}/remove")
def remove_secret(
    page: ThePage, visitor: Managing, name: str, typed: Annotated[str, Form()] = ""
) -> Response:
    """Forget one; its sessions end."""
    if typed.strip() != name:
        raise InvalidError("type the name of the secret into the field to remove it")
    return act(page, visitor, RemoveSecret(name=name), _BACK, "removed")


def _shown(page: Page, visitor: Visitor, name: str) -> SecretSummary:
    return page.one(ShowSecret(name=name), visitor.name, SecretSummary)


def _form(
    request: Request, secret: SecretSummary | None, tested: SecretTested | None = None
) -> Response:
    return render(request, "vault_secret.html", secret=secret, tested=tested, choices=_CHOICES)


def _fields(form: dict[str, Any], *more: str) -> dict[str, Any]:
    """Return the fields of the form as a request has them; raise `InvalidError`."""
    texts = {name: str(value) for name, value in form.items()}
    plain = ("host", "username", "host_key_policy", "record", "capture", *more)
    given: dict[str, Any] = {name: texts[name].strip() for name in plain if texts.get(name)}
    given |= {name: filled(texts.get(name)) for name in ("domain", "site")}
    given |= {name: texts[name] for name in _SECRET_FIELDS if texts.get(name)}
    if "private_key" in given:
        given["private_key"] = given["private_key"].replace("\r\n", "\n").strip() + "\n"
        given["private_key"] = given["private_key"].encode()
    lines = texts.get("host_keys", "").splitlines()
    given["host_keys"] = tuple(line.strip() for line in lines if line.strip())
    if channels := tuple(texts.get("channels", "").replace(",", " ").split()):
        given["channels"] = channels
    if texts.get("on_loss"):
        given["on_loss"] = texts["on_loss"]
    given["mask_typed"] = texts.get("mask_typed") == "true"
    try:
        given["port"] = int(texts.get("port", ""))
    except ValueError as error:
        raise InvalidError("the port is no number") from error
    return given
