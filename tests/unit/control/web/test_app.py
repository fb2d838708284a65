"""Who sees what: every route, as a stranger and in every role."""

import re
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute

from control.account_requests import CreateToken
from control.api.launch_routes import REDEEM
from control.rights import RIGHTS, Right
from control.web.app import OPEN, routers
from control.web.visitor import Guard
from storage.errors import StorageUnavailableError

from .conftest import PEOPLE

SAFE = {"GET", "HEAD"}


def guards(route) -> list[Guard]:
    """What stands before a route, or before something that it is handed."""
    found, waiting = [], list(route.dependant.dependencies)
    for one in waiting:
        waiting += one.dependencies
        found += [one.call] if isinstance(one.call, Guard) else []
    return found


def routes() -> list:
    every = [route for router in routers() for route in router.routes]
    assert all(isinstance(one, APIRoute | APIWebSocketRoute) for one in every)
    assert len(every) > 80
    return every


def test_every_route_is_guarded_or_is_meant_for_strangers():
    unguarded = {route.path for route in routes() if not guards(route)}
    assert unguarded == OPEN - {"/openapi.json"}


async def test_a_token_does_not_reach_the_account_of_its_owner(browse, page):
    """Whoever finds one in a script must not enrol a passkey of his own, nor make another."""
    issued = page.ask(CreateToken(user="ursula", name="script"), "ursula")
    browser = browse()
    browser.headers["authorization"] = f"Bearer {issued.token}"
    own = [route for route in routes() if any(g.right is Right.ONESELF for g in guards(route))]
    assert len(own) > 12
    let = set()
    for route in own:
        for method in route.methods:
            answer = await browser.request(method, re.sub(r"\{[^}]*\}", "00", route.path))
            let |= {(method, route.path)} if answer.status_code != 403 else set()
    tokens = {("GET", "/api/v1/me/tokens"), ("DELETE", "/api/v1/me/tokens/{id}")}
    assert let == tokens | {("GET", "/")}


async def test_no_route_lets_a_stranger_in_and_none_lets_in_who_may_not(browse, log_in):
    """Every route and method, in every role; generated, so that a new one is in here, too."""
    visitors = {role: await log_in(name) for name, role in PEOPLE.items()}
    stranger, wrong = browse(), []
    for route in routes():
        if not guards(route) or isinstance(route, APIWebSocketRoute):
            continue
        [guard] = guards(route)
        path = re.sub(r"\{[^}]*\}", str(uuid4()), route.path)
        for method in route.methods:
            answer = await stranger.request(method, path)
            refused = answer.status_code == 401 or answer.headers.get(
                "location", ""
            ).startswith("/login")
            if not refused:
                wrong.append(("stranger", method, path, answer.status_code))
            for role, browser in visitors.items():
                if route.path == "/logout":
                    continue
                headers = {"x-csrf-token": browser.csrf}
                answer = await browser.request(method, path, headers=headers)
                may = guard.right in RIGHTS[role]
                if (answer.status_code == 403) == may or answer.status_code >= 500:
                    wrong.append((role, method, path, answer.status_code))
    assert wrong == []


async def test_openapi_names_the_right_of_every_call(app):
    document = app.openapi()
    calls = [
        call
        for path, methods in document["paths"].items()
        for call in methods.values()
        if path.startswith("/api/") and path not in OPEN
    ]
    assert len(document["paths"]) > 40
    assert all(call["x-right"] in {*Right} for call in calls)
    meant_for_strangers = [path for path in document["paths"] if path in OPEN]
    assert [path for path in meant_for_strangers if path.startswith("/api/")] == [REDEEM]
    assert document["paths"][REDEEM]["post"]["security"] == []


async def test_every_answer_has_the_headers_that_keep_a_browser_safe(browse):
    browser = browse()
    for path in ("/login", "/nothing", "/api/v1/users", "/healthz"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy.split("style-src")[0]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api/v1/users", "/sessions"])
async def test_another_site_cannot_make_a_browser_act(path, log_in):
    browser = await log_in("adam")
    form = {"name": "eve", "password": "a sentence of eve", "role": "admin"}
    for headers in ({}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        answer = await browser.post("/admin/users", data=form, headers=headers)
        assert answer.status_code == 403
    forged = {"x-csrf-token": browser.csrf, "origin": "https://evil.example"}
    assert (await browser.post("/admin/users", data=form, headers=forged)).status_code == 403
    assert "eve" not in (await browser.get("/admin/users")).text


async def test_a_log_in_from_another_site_is_refused(browse):
    form = {"username": "adam", "password": "x"}
    answer = await browse().post("/login", data=form, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403


async def test_what_went_wrong_is_said_to_a_script_as_json_and_to_a_person_as_a_page(log_in):
    browser = await log_in("adam")
    answer = await browser.get("/api/v1/secrets/nothing")
    assert (answer.status_code, answer.json()["kind"]) == (404, "notfound")
    answer = await browser.get("/admin/secrets/nothing")
    assert answer.status_code == 404
    assert "<h1>Not Found</h1>" in answer.text


async def test_a_database_that_is_gone_is_no_defect_of_ours(log_in, database, monkeypatch):
    browser = await log_in("adam")

    def gone(_self):
        raise StorageUnavailableError("could not connect to 10.0.0.9")

    monkeypatch.setattr(type(database), "read", gone)
    for path in ("/sessions", "/api/v1/users"):
        answer = await browser.get(path)
        assert answer.status_code == 503
        assert "try again in a moment" in answer.text
        assert "10.0.0.9" not in answer.text


async def test_a_defect_is_told_without_its_details(log_in, page, monkeypatch):
    browser = await log_in("adam")
    monkeypatch.setattr(type(page), "ask", lambda *_: 1 / 0)
    answer = await browser.get("/api/v1/users")
    assert answer.status_code == 500
    assert "division" not in answer.text
