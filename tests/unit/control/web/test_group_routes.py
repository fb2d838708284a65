import pytest
from unit.control.conftest import web1


@pytest.fixture
async def adam(page, log_in):
    page.ask(web1(), "adam")
    return await log_in("adam")


async def test_a_group_is_made_filled_and_forgotten(adam, log_in):
    for path, fields in (
        ("", {"name": "operators"}),
        ("/operators/join", {"user": "ursula"}),
        ("/operators/grant", {"secret": "web1"}),
    ):
        answer = await adam.send_form("/admin/groups" + path, **fields)
        assert answer.status_code == 303, answer.text
    ursula = await log_in("ursula")
    assert "web1" in (await ursula.get("/secrets")).text
    assert "operators" in (await adam.get("/admin/access")).text
    assert "ursula" in (await adam.get("/admin/groups")).text
    await adam.send_form("/admin/groups/operators/leave", user="ursula")
    assert "web1" not in (await ursula.get("/secrets")).text
    await adam.send_form("/admin/groups/operators/revoke", secret="web1")
    await adam.send_form("/admin/groups/operators/remove")
    assert "There is no group yet" in (await adam.get("/admin/groups")).text


async def test_who_may_only_look_changes_nothing(adam, log_in):
    await adam.send_form("/admin/groups", name="operators")
    audrey = await log_in("audrey")
    seen = (await audrey.get("/admin/groups")).text
    assert "operators" in seen
    assert "/admin/groups/operators/" not in seen
    answer = await audrey.send_form("/admin/groups/operators/join", user="audrey")
    assert answer.status_code == 403
    assert (await (await log_in("ursula")).get("/admin/groups")).status_code == 403
