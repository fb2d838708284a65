"""The player's page in Chromium, with what a real ssh client did on a real server."""

import json
import re
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from peers.chromium import AUDITOR, Visit, violations
from peers.chromium import until as chromium_until
from peers.needed import wait_until
from peers.output import run
from peers.played import (
    HOSTILE,
    SECONDS_NEAR,
    Played,
    at,
    lines,
    opened,
    screen,
    shows,
    time_of,
    until,
)
from playwright.sync_api import Browser, Page, Request

pytestmark = pytest.mark.peers
AT_ONCE_MS = 200
RATE = """async () => {
  const { page } = document.querySelector("[data-play]");
  const [begun, at] = [performance.now(), page.real];
  await new Promise((wake) => setTimeout(wake, 600));
  return (page.real - at) * 1000 / (performance.now() - begun);
}"""


def test_the_commands_are_listed_and_the_chain_is_verified(visit: Visit, played: Played):
    page = opened(visit, played)
    assert [line for line in lines(page) if "first-words" in line] == ["echo first-words"]
    page.get_by_text("✓ chain verified").wait_for()
    assert page.inner_text('[data-part="count"]').endswith(" commands")
    assert visit.complaints == []


def test_a_link_with_a_time_opens_there_without_playing(visit: Visit, played: Played):
    wanted = time_of(played, "shadow-read", "output")
    page = opened(visit, played, f"?t={wanted + 0.3:.1f}")
    assert abs(at(page) - wanted) <= SECONDS_NEAR
    shows(page, "shadow-read")
    assert "last-words" not in screen(page)


def test_a_click_on_a_command_goes_there_at_once(visit: Visit, played: Played):
    page = opened(visit, played)
    took_ms = []
    for words in ("last-words", "first-words", "after-the-pause", "shadow-read", "last-words"):
        page.evaluate("document.querySelector('[data-play]').page.lastSeekMs = null")
        page.locator('[data-part="lines"] button', has_text=words).last.click()
        until(page, "page.lastSeekMs !== null")
        assert abs(at(page) - time_of(played, words)) <= SECONDS_NEAR
        took_ms.append(page.evaluate("document.querySelector('[data-play]').page.lastSeekMs"))
    assert min(took_ms) < AT_ONCE_MS, took_ms
    current = page.locator('[data-part="lines"] [aria-current="true"]')
    assert "last-words" in current.inner_text()


def test_finding_narrows_the_list_and_n_goes_through_the_hits(visit: Visit, played: Played):
    page = opened(visit, played)
    page.keyboard.press("/")
    page.keyboard.type("shadow")
    marked = page.locator('[data-part="lines"] mark')
    wait_until(lambda: set(marked.all_inner_texts()) == {"shadow"}, "more than was found")
    assert page.inner_text('[data-part="count"]') == "2 hits"
    assert all("shadow" in line for line in lines(page))
    page.keyboard.press("Escape")
    first, second = time_of(played, "shadow-read"), time_of(played, "last-words")
    for key, wanted in (("n", first), ("n", second), ("N", first)):
        page.keyboard.press(key)
        until(page, f"Math.abs(page.real - {wanted}) < {SECONDS_NEAR}")
    wait_until(lambda: "find=shadow" in page.url, "the address does not say it")


def test_output_is_found_on_the_server(visit: Visit, played: Played):
    page = opened(visit, played, "?list=output&find=after-the-pause")
    page.get_by_text(re.compile(r"\d hits?")).wait_for()
    assert any(line.startswith("after-the-pause") for line in lines(page))


def test_what_is_current_follows_the_playing(visit: Visit, played: Played):
    page = opened(visit, played, f"?t={time_of(played, 'after-the-pause') - 0.3:.1f}")
    current = page.locator('[data-part="lines"] [aria-current="true"]')
    assert "after-the-pause" not in current.inner_text()
    page.keyboard.press("k")
    current.filter(has_text="after-the-pause").wait_for()
    page.keyboard.press("k")
    until(page, "!page.screen.playing")


def test_the_link_that_is_copied_holds_the_time(visit: Visit, played: Played):
    page = opened(visit, played, "?t=3")
    page.get_by_role("button", name="Copy link at this time").click()
    until(page, "page.find('say').textContent !== ''")
    [shared] = parse_qs(urlsplit(page.url).query)["t"]
    assert abs(float(shared) - 3) < 0.2


def test_a_click_on_the_strip_goes_to_that_share_of_time(visit: Visit, played: Played):
    page = opened(visit, played)
    box = page.locator('[data-part="strip"]').bounding_box()
    assert box is not None
    for share in (0.75, 0.25):
        page.mouse.click(box["x"] + box["width"] * share, box["y"] + 10)
        until(page, f"Math.abs(page.real / page.duration - {share}) < 0.02")


def test_eight_times_as_fast_is_eight_times_as_fast(visit: Visit, played: Played):
    page = opened(visit, played, "?t=0")
    page.select_option('[data-part="speed"]', "8")
    until(page, "page.screen.speed === 8")
    rates = []
    while len(rates) < 5 and not any(rate > 7 for rate in rates):
        page.evaluate("document.querySelector('[data-play]').page.go(0)")
        page.keyboard.press("k")
        until(page, "page.real > 0.5")
        # By the browser's own clock, which a busy machine holds up as well: hence the tries.
        rates.append(page.evaluate(RATE))
        page.keyboard.press("k")
        until(page, "!page.screen.playing")
    assert 7 < max(rates) < 9, rates


def test_idle_time_is_skipped_and_hits_still_land(visit: Visit, played: Played):
    wanted = time_of(played, "after-the-pause", "output")
    page = opened(visit, played, f"?t={wanted + 0.3:.1f}")
    long = page.evaluate(
        "document.querySelector('[data-play]').page.screen.player.getDuration()"
    )
    page.keyboard.press("i")
    until(page, f"page.screen.player.getDuration() < {long} - 3")
    until(page, f"Math.abs(page.real - {wanted + 0.3}) < {SECONDS_NEAR}")
    shows(page, "after-the-")
    page.locator('[data-part="lines"] button', has_text="first-words").click()
    until(page, f"Math.abs(page.real - {time_of(played, 'first-words')}) < {SECONDS_NEAR}")


def test_the_wall_clock_is_that_of_the_session_in_utc(visit: Visit, played: Played):
    page = opened(visit, played)
    page.keyboard.press("a")
    started = str(played.recording.row["started_at"])
    until(page, f"page.find('clock').textContent.startsWith('{started[11:17]}')")


def test_keys_are_explained(visit: Visit, played: Played):
    page = opened(visit, played)
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()


def test_nothing_that_was_recorded_becomes_markup(visit: Visit, played: Played):
    for name in ("commands", "keys", "output", "titles"):
        page = opened(
            visit, played, f"?list={name}&find={'script' if name != 'titles' else ''}"
        )
        if name != "titles":
            assert any("<script>" in line for line in lines(page)), name
        assert page.locator(".play script, .play b, .play-lines img").count() == 0
        assert page.title() != "owned"
    assert "<b>title</b>" in lines(page)
    page.keyboard.press("k")
    shows(page, "onerror")
    assert page.locator(".ap-term img, .ap-term script").count() == 0
    assert page.title() != "owned"
    assert visit.complaints == []


def test_the_page_is_accessible(visit: Visit, played: Played):
    page = opened(visit, played)
    assert violations(page) == []
    page.keyboard.press("?")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    page = opened(visit, played)
    assert violations(page, "color-contrast") == []
    page.emulate_media(color_scheme="light")


def test_a_narrow_screen_does_not_scroll_sideways(visit: Visit, played: Played):
    visit.page.set_viewport_size({"width": 390, "height": 844})
    page = opened(visit, played)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    visit.page.set_viewport_size({"width": 1280, "height": 900})


def test_whoever_wants_little_motion_gets_no_playing_by_itself(visit: Visit, played: Played):
    visit.page.emulate_media(reduced_motion="reduce")
    page = opened(visit, played, "?t=2")
    page.wait_for_timeout(400)
    assert abs(at(page) - 2) < 0.1
    visit.page.emulate_media(reduced_motion="no-preference")


def test_an_export_is_the_one_of_the_command_line(visit: Visit, played: Played):
    page = opened(visit, played)
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Output, exactly").click()
    assert Path(download.value.path()).read_bytes() == played.recording.export("output")


def test_files_that_crossed_are_handed_out(visit: Visit, played: Played):
    page = opened(visit, played)
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Files that crossed").click()
    assert download.value.suggested_filename.endswith(".files.zip")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert json.loads(archive.read("files.json")) == []


@pytest.fixture(scope="module")
def bundle(visit: Visit, played: Played, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, as it comes out of the page."""
    page = opened(visit, played)
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Bundle").click()
    path = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    download.value.save_as(path)
    return path


def test_a_bundle_proves_itself_without_the_daemon(bundle: Path, played: Played):
    verified = run([*played.daemon.argv[:1], "session", "verify", str(bundle)])
    assert (verified.status, verified.stdout) == (0, b"")


def test_a_bundle_plays_from_disk_without_a_network(
    chromium: Browser, bundle: Path, played: Played, tmp_path: Path
):
    with zipfile.ZipFile(bundle) as archive:
        archive.extract("player.html", tmp_path)
    with chromium.new_context(offline=True) as context:
        page, complaints = context.new_page(), list[str]()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"file://{tmp_path}/player.html")
        page.wait_for_selector('[data-part="state"][data-ready]', state="attached")
        page.locator('[data-part="lines"] button', has_text="last-words").click()
        shows(page, "after-the")
        page.keyboard.press("i")
        until(page, "page.screen.player.getDuration() < page.duration - 3")
        page.fill('[data-part="find"]', "script")
        page.get_by_text("1 hit").wait_for()
        assert HOSTILE in lines(page)[0]
        assert (page.title() != "owned", complaints) == (True, [])


def test_a_bundle_lets_choose_among_its_terminals(
    chromium: Browser, played: Played, three_channels: str, tmp_path: Path
):
    path = tmp_path / "bundle.zip"
    export = ("session", "export", three_channels, "--format", "bundle", "--out")
    played.daemon.cli(*export, str(path))
    with zipfile.ZipFile(path) as archive:
        archive.extract("player.html", tmp_path)
    with chromium.new_context(offline=True) as context:
        page = context.new_page()
        page.goto(f"file://{tmp_path}/player.html?t=8")
        shows(page, "first-screen")
        for name, text in (
            ("2 (terminal", "second-screen"),
            ("0 (command", "said-by-a-command"),
        ):
            page.get_by_role("link", name=name).click()
            page.wait_for_selector('[data-part="state"][data-ready]', state="attached")
            page.evaluate("document.querySelector('[data-play]').page.go(8)")
            shows(page, text)
            assert page.locator("nav [aria-current=page]").inner_text().startswith(name)


def test_of_three_hours_only_what_is_looked_at_is_fetched(visit: Visit, long: str):
    fetched: list[str] = []

    def note(request: Request) -> None:
        fetched.extend(re.findall(r"/segments/\d+", request.url))

    visit.page.on("request", note)
    page = visit.go(f"/sessions/{long}?t=5410")
    page.wait_for_selector('[data-part="state"][data-ready]', state="attached")
    shows(page, "minute-90")
    page.evaluate("document.querySelector('[data-play]').page.go(10570)")
    shows(page, "minute-176")
    page.evaluate("document.querySelector('[data-play]').page.go(70)")
    shows(page, "minute-0")
    visit.page.remove_listener("request", note)
    assert len(fetched) <= 8, fetched


def test_a_desktop_is_a_video_beside_what_was_typed(visit: Visit, desktop: str):
    visit.complaints.clear()
    page = visit.go(f"/sessions/{desktop}")
    page.wait_for_selector('[data-part="state"][data-ready]', state="attached")
    video = page.locator("video")
    wait_until(lambda: video.evaluate("one => one.duration > 1"), "no video", seconds=60)
    # Shown as far as it was made; once it is whole it comes in parts.
    wait_until(lambda: video.evaluate("one => one.currentSrc.endsWith('.mp4')"), "not whole")
    wait_until(lambda: video.evaluate("one => Number.isFinite(one.duration)"), "no length")
    page.evaluate("document.querySelector('[data-play]').page.go(1.5)")
    wait_until(lambda: video.evaluate("one => !one.seeking && one.readyState > 1"), "no frame")
    assert video.evaluate("one => one.videoWidth") > 600
    assert "<i>ana</i>" in page.inner_text("h1")
    assert visit.complaints == []


def test_a_desktop_is_sent_in_the_parts_that_are_asked_for(visit: Visit, desktop: str):
    address = f"{visit.address}/sessions/{desktop}/video.mp4"
    whole = visit.context.request.get(address).body()
    part = visit.context.request.get(address, headers={"range": "bytes=4-7"})
    assert (part.status, part.body()) == (206, b"ftyp")
    assert part.headers["content-range"] == f"bytes 4-7/{len(whole)}"


def test_who_plays_and_exports_is_in_the_audit_trail(visit: Visit, played: Played):
    opened(visit, played)
    trail = played.daemon.json("audit", "list")
    acts = {
        (row["action"], row["who"]) for row in trail if row["subject"] == played.recording.id
    }
    assert {("session.played", AUDITOR[0]), ("session.exported", AUDITOR[0])} <= acts


def test_a_user_gets_a_refusal_and_nothing_of_the_recording(chromium: Browser, played: Played):
    visit = Visit.begun(chromium, played.daemon)
    visit.log_in("alice", "Correct-Horse-9-Battery")
    base = f"/sessions/{played.recording.id}"
    for path in ("", "/play/index.json", "/play/lines.json?kind=command", "/export/text"):
        answer = visit.context.request.get(visit.address + base + path)
        assert answer.status == 403, path
        assert "first-words" not in answer.text()
    visit.context.close()


def test_the_keyboard_alone_does_all_of_it(chromium: Browser, played: Played):
    visit = Visit.begun(chromium, played.daemon)
    page = visit.go(f"/sessions/{played.recording.id}")
    chromium_until(page, "document.activeElement.id == 'username'")
    name, password = AUDITOR
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-part="state"][data-ready]', state="attached")
    page.keyboard.press("/")
    page.keyboard.type("after-the-pause")
    # Of a part of the words, more is found.
    wait_until(lambda: {"after-the-pause" in line for line in lines(page)} == {True}, "no hit")
    page.keyboard.press("Enter")
    until(page, f"Math.abs(page.real - {time_of(played, 'after-the-pause')}) < {SECONDS_NEAR}")
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    until(page, "page.screen.playing")
    page.keyboard.press("k")
    tab_to(page, "Export")
    page.keyboard.press("Enter")
    tab_to(page, "Transcript")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert "after-the-pause" in Path(download.value.path()).read_text()
    visit.context.close()


def tab_to(page: Page, words: str) -> None:
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == words:
            return
    pytest.fail(f"Tab never reaches {words}")


def test_odd_questions_get_an_answer_and_no_defect(visit: Visit, played: Played):
    base = f"{visit.address}/sessions/{played.recording.id}"
    ask = visit.context.request
    statuses = {
        "/play/index.json?channel=99": 404,
        "/play/index.json?idle=x": 400,
        "/play/index.json?idle=0": 400,
        "/play/segments/99": 404,
        "/play/segments/x": 400,
        "/export/nothing": 404,
        "/export/video": 404,
        "/play/lines.json": 400,
    }
    assert {path: ask.get(base + path).status for path in statuses} == statuses
    assert json.loads(ask.get(f"{base}/play/lines.json?kind=x").text()) == []
