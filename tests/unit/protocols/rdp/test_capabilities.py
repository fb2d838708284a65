import pytest
from samples.rdp import active

from protocols.rdp.capabilities import confirm_active, demand_active
from protocols.rdp.wire.capability_sets import Active, Capability

FULL = [
    (Capability.GENERAL, bytes(10) + b"\x1d\x04" + bytes(8)),
    (Capability.ORDER, b"\xff" * 84),
    (Capability.BITMAP_CACHE, b"\xff" * 36),
    (Capability.BITMAP_CACHE_2, bytes(36)),
    (Capability.BITMAP_CACHE_HOST, bytes(4)),
    (Capability.GLYPH_CACHE, b"\xff" * 48),
    (Capability.OFFSCREEN_CACHE, b"\xff" * 8),
    (Capability.NINE_GRID, bytes(8)),
    (Capability.GDI_PLUS, bytes(36)),
    (Capability.VIRTUAL_CHANNEL, b"\x02\0\0\0\x40\x06\0\0"),
    (Capability.SURFACE_COMMANDS, b"\x52\0\0\0" + bytes(4)),
    (Capability.BITMAP_CODECS, bytes(60)),
    (Capability.FRAME_ACKNOWLEDGE, b"\x14\0\0\0"),
    (0x06, bytes(4)),
]


def after(change, *, confirm: bool) -> dict[int, bytes]:
    changed = change(active(FULL, confirm=confirm))
    return dict(Active.read(changed, confirm=confirm).sets)


def test_a_client_offers_only_what_can_be_drawn_later():
    sets = after(confirm_active, confirm=True)
    assert set(sets) == {
        Capability.GENERAL,
        Capability.ORDER,
        Capability.GLYPH_CACHE,
        Capability.VIRTUAL_CHANNEL,
        Capability.SURFACE_COMMANDS,
        Capability.FRAME_ACKNOWLEDGE,
        Capability.BITMAP_CACHE,
        Capability.BITMAP_CACHE_HOST,
        Capability.OFFSCREEN_CACHE,
        0x06,
    }
    order = sets[Capability.ORDER]
    assert (order[30:32], order[32:64], order[66:68]) == (b"\x0a\0", bytes(32), bytes(2))
    assert sets[Capability.GLYPH_CACHE][44:46] == bytes(2)
    assert sets[Capability.SURFACE_COMMANDS][:4] == bytes(4)
    assert sets[Capability.VIRTUAL_CHANNEL] == bytes(4) + b"\x40\x06\0\0"


def test_caches_that_a_client_must_speak_of_have_no_place_in_them():
    sets = after(confirm_active, confirm=True)
    assert sets[Capability.BITMAP_CACHE] == bytes(36)
    assert sets[Capability.OFFSCREEN_CACHE] == bytes(8)
    newer = active([(Capability.BITMAP_CACHE_2, b"\xff" * 36)], confirm=True)
    [only] = Active.read(confirm_active(newer), confirm=True).sets
    assert only == (Capability.BITMAP_CACHE, bytes(36))


@pytest.mark.parametrize(
    ("change", "confirm"), [(confirm_active, True), (demand_active, False)]
)
def test_neither_side_takes_single_windows(change, confirm):
    windows = {
        Capability.REMOTE_PROGRAMS: b"\3\0\0\0",
        Capability.WINDOW_LIST: b"\2\0\0\0\3\x0c\0",
        Capability.DESKTOP_COMPOSITION: b"\1\0",
    }
    changed = change(active(windows.items(), confirm=confirm))
    assert Active.read(changed, confirm=confirm).sets == ()


def test_frame_acknowledge_stays_for_xorgxrdp():
    sets = after(confirm_active, confirm=True)
    assert sets[Capability.FRAME_ACKNOWLEDGE] == b"\x14\0\0\0"


@pytest.mark.parametrize(
    ("change", "confirm"), [(confirm_active, True), (demand_active, False)]
)
def test_neither_side_takes_auto_reconnect_cookies(change, confirm):
    assert after(change, confirm=confirm)[Capability.GENERAL][10:12] == b"\x15\x04"


def test_a_target_offers_no_codecs_and_a_set_of_xrdps_own_passes():
    sets = after(demand_active, confirm=False)
    assert Capability.BITMAP_CODECS not in sets
    assert Capability.BITMAP_CACHE_HOST not in sets
    assert sets[0x06] == bytes(4)
    assert sets[Capability.VIRTUAL_CHANNEL][:4] == bytes(4)


def test_a_set_that_is_cut_short_is_left_out():
    for kind in (Capability.ORDER, Capability.GENERAL, Capability.OFFSCREEN_CACHE):
        changed = confirm_active(active([(kind, b"\xff" * 3)], confirm=True))
        assert Active.read(changed, confirm=True).sets == ()
