import pytest

from control.secrets import CHANNELS, DEFAULT_CHANNELS
from protocols.rdp.channel_policy import DEFAULT, WORDS, channel_terms, static_channels
from protocols.rdp.channel_terms import ChannelTerms
from protocols.rdp.clipboard_policy import ClipboardTerms, May
from protocols.rdp.device_policy import DeviceTerms
from recorder.session_info import TargetProtocol


def test_the_clipboard_is_all_there_is_by_default():
    assert static_channels(frozenset(DEFAULT)) == {"cliprdr"}


def test_words_add_up_and_unknown_ones_open_nothing():
    assert static_channels(frozenset({"drives", "dynamic"})) == {"rdpdr", "drdynvc"}
    assert static_channels(frozenset({"shell"})) == frozenset()
    assert static_channels(frozenset()) == frozenset()


@pytest.mark.parametrize(
    ("words", "to_target", "to_client"),
    [
        ((), May.NOTHING, May.NOTHING),
        (DEFAULT, May.TEXT, May.TEXT),
        (("clipboard-in",), May.TEXT, May.NOTHING),
        (("clipboard-out",), May.NOTHING, May.TEXT),
        (("clipboard", "clipboard-rich-out"), May.TEXT, May.ALL_BUT_FILES),
        (("clipboard-rich",), May.ALL_BUT_FILES, May.ALL_BUT_FILES),
        (("clipboard-rich-in",), May.ALL_BUT_FILES, May.NOTHING),
    ],
)
def test_what_may_be_copied_is_said_each_way(
    words: tuple[str, ...], to_target: May, to_client: May
) -> None:
    terms = ClipboardTerms(to_target=to_target, to_client=to_client)
    assert channel_terms(frozenset(words)).clipboard == terms


@pytest.mark.parametrize(
    ("word", "devices"),
    [
        ("drives", DeviceTerms(to_target=True, to_client=True)),
        ("drives-in", DeviceTerms(to_target=True)),
        ("drives-out", DeviceTerms(to_client=True)),
        ("printers", DeviceTerms(printers=True)),
        ("audio", DeviceTerms()),
        ("clipboard", DeviceTerms()),
    ],
)
def test_what_may_cross_by_devices_is_said_each_way(word: str, devices: DeviceTerms) -> None:
    assert channel_terms(frozenset({word})).devices == devices


def test_playing_sound_and_hearing_it_are_apart() -> None:
    assert channel_terms(frozenset({"audio"})).dynamic == {"AUDIO_PLAYBACK_DVC"}
    assert channel_terms(frozenset({"microphone"})).dynamic == {"AUDIO_INPUT"}
    assert static_channels(frozenset({"microphone"})) == {"drdynvc"}
    assert static_channels(frozenset({"audio"})) == {"rdpsnd", "snddbg", "rdpdr", "drdynvc"}


def test_a_new_size_of_the_desktop_is_all_that_dynamic_channels_are_for() -> None:
    display = "Microsoft::Windows::RDS::DisplayControl"
    assert channel_terms(frozenset({"dynamic"})).dynamic == {display, "ECHO"}


def test_no_words_let_nothing_cross() -> None:
    assert channel_terms(frozenset()) == ChannelTerms(
        clipboard=ClipboardTerms(to_target=May.NOTHING, to_client=May.NOTHING)
    )


def test_control_takes_the_words_that_engines_know() -> None:
    assert set(CHANNELS[TargetProtocol.RDP]) == WORDS.keys()
    assert DEFAULT_CHANNELS[TargetProtocol.RDP] == DEFAULT
