import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control.account_requests import CreateToken
from control.api.routes import request_of
from control.api.table import CALLS
from control.errors import InvalidError
from control.requests import IssueCredential, ListSessions, SearchSessions


def call(method: str, path: str):
    [found] = [one for one in CALLS if (one.method, one.path) == (method, path)]
    return found


def test_a_query_is_text_and_json_says_what_is_a_number():
    assert request_of(call("GET", "/sessions"), {"limit": "5", "live": "true"}, {}, "a") == (
        ListSessions(limit=5, live=True)
    )
    with pytest.raises(InvalidError, match="Expected `int`"):
        request_of(
            call("POST", "/credentials"), {"secret": "x", "user": "y", "uses": "5"}, {}, "a"
        )


def test_what_is_one_s_own_is_not_another_s():
    mine = call("POST", "/me/credentials")
    assert request_of(mine, {"secret": "web"}, {}, "ada") == (
        IssueCredential(secret="web", user="ada")
    )
    with pytest.raises(InvalidError, match="no field 'user'"):
        request_of(mine, {"secret": "web", "user": "bea"}, {}, "ada")


def test_a_field_that_nobody_knows_is_named():
    with pytest.raises(InvalidError, match="no field 'colour' here; there are: text, kinds"):
        request_of(call("GET", "/search"), {"text": "a", "colour": "red"}, {}, "ada")


def test_a_list_in_a_query_is_one():
    wanted = request_of(call("GET", "/search"), {"text": "a", "kinds": ["input"]}, {}, "ada")
    assert wanted == SearchSessions(text="a", kinds=("input",))


@pytest.mark.parametrize("body", [b"[]", b"{", b'"x"', b"\xff", b"[" * 9000])
async def test_a_body_that_is_no_object_is_said(log_in, body):
    browser = await log_in("adam")
    headers = {"x-csrf-token": browser.csrf}
    answer = await browser.post("/api/v1/users", content=body, headers=headers)
    assert answer.status_code == 400


async def test_answers_are_what_the_command_line_prints(log_in):
    browser = await log_in("adam")
    [adam, *_] = (await browser.get("/api/v1/users")).json()
    assert set(adam) >= {"name", "role", "disabled", "created_at"}
    assert msgspec.json.decode((await browser.get("/api/v1/sessions")).content) == []


def test_nothing_that_fits_its_description_makes_it_fail(app, page):
    """Every call of the API, with whatever schemathesis thinks of."""
    import schemathesis  # noqa: PLC0415 - takes a second, and only this test wants it

    token = page.ask(CreateToken(user="adam", name="fuzz", ttl_s=None), "adam").token
    headers = {"authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    mine = [one for one in operations if one.path.startswith("/api/") and fuzzed(one.path)]
    assert len(mine) > 40
    failed: set[tuple[str, str, int]] = set()
    seen: set[int] = set()

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=st.sampled_from(mine).flatmap(lambda one: one.as_strategy()))
    def call_it(case: schemathesis.Case) -> None:
        answer = case.call(headers=headers)
        seen.add(answer.status_code)
        if answer.status_code >= 500:
            failed.add((case.method, case.path, answer.status_code))

    call_it()
    assert failed == set()
    assert {200, 404} <= seen


def fuzzed(path: str) -> bool:
    """Not what would take the caller's own account, and what makes keys again and again."""
    return "/keys/" not in path and not path.startswith("/api/v1/users/{name}")
