from uuid import UUID

import pytest

from control.web.rendering import marked
from control.web.session_routes import PAGE_ROWS, Wanted
from storage.tables import AuditRow, SessionRow


@pytest.fixture
def sessions(database, clock):
    """More than a page of sessions, a minute apart; every third is of bea, by RDP."""
    with database.transaction() as session:
        for number in range(PAGE_ROWS + 10):
            clock.advance(60)
            session.add(
                SessionRow(
                    id=UUID(int=number + 1),
                    protocol="ssh" if number % 3 else "rdp",
                    state="finished",
                    user="ada" if number % 3 else "bea",
                    secret=f"web{number}",
                    target="10.0.0.5:22",
                    site="default",
                    engine="engine-1",
                    client_address="192.0.2.1",
                    started_at=clock.now(),
                    ended_at=clock.now(),
                    chunks=0,
                    input_bytes=0,
                    output_bytes=0,
                    chain_broken=False,
                )
            )


def shown(text: str) -> int:
    return text.count('data-label="Secret"')


async def test_a_page_shows_the_newest_and_leads_to_the_older_ones(log_in, sessions):
    browser = await log_in("audrey")
    first = (await browser.get("/sessions")).text
    assert shown(first) == PAGE_ROWS
    assert ">web59</a>" in first
    older = (await browser.get(f"/sessions?after={UUID(int=11)}")).text
    assert shown(older) == 10
    assert f'href="/sessions?after={UUID(int=11)}"' in first


async def test_filters_narrow_the_list_and_stay_in_the_address(log_in, sessions):
    browser = await log_in("audrey")
    of_bea = (await browser.get("/sessions?user=bea&protocol=rdp&state=finished")).text
    assert shown(of_bea) == 20
    assert 'name="user" value="bea"' in of_bea
    assert shown((await browser.get("/sessions?secret=web7")).text) == 1
    assert shown((await browser.get("/sessions?until=2025-12-31T00:00")).text) == 0
    assert shown((await browser.get("/sessions?since=2026-01-01T00:59")).text) == 2


async def test_nonsense_in_the_address_is_said(log_in):
    browser = await log_in("audrey")
    for query in ("since=yesterday", "after=x", f"after={UUID(int=5)}"):
        assert (await browser.get(f"/sessions?{query}")).status_code in {400, 404}


async def test_a_hit_leads_to_its_moment_and_the_search_is_in_the_audit_trail(
    log_in, sessions, world, database
):
    world.found = UUID(int=3)
    browser = await log_in("audrey")
    page = (await browser.get("/sessions?q=rm+-rf&kind=command")).text
    assert "1 hit in 1 session" in page
    assert f"/sessions/{UUID(int=3)}?t=90.5&amp;find=rm%20-rf" in page
    assert "<code><mark>rm -rf</mark></code>" in page
    with database.read() as session:
        rows = [(row.who, row.action, row.detail) for row in session.query(AuditRow)]
    assert rows[-1] == ("audrey", "session.searched", "rm -rf")


@pytest.mark.parametrize(
    ("text", "wanted", "shown"),
    [
        ("sudo rm; SUDO", "Sudo", "<mark>sudo</mark> rm; <mark>SUDO</mark>"),
        ("<b>", "<", "<mark>&lt;</mark>b&gt;"),
        ("a&b", "amp", "a&amp;b"),
        ("İi", "i", "İi"),
        ("x", "", "x"),
    ],
)
def test_what_was_looked_for_is_marked_and_stays_text(text, wanted, shown):
    assert marked(text, wanted) == shown


async def test_a_list_with_nothing_in_it_says_what_to_do(log_in):
    browser = await log_in("audrey")
    assert "as soon as somebody logs in" in (await browser.get("/sessions")).text
    assert "Nothing fits" in (await browser.get("/sessions?user=nobody")).text


def test_an_address_holds_what_is_wanted():
    wanted = Wanted(q="a b", kinds=("input", "output"), user="ada", after="x")
    assert wanted.address(after="") == "/sessions?q=a+b&user=ada&kind=input&kind=output"
