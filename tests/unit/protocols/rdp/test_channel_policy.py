import pytest

from control.secrets import CHANNELS, DEFAULT_CHANNELS
from protocols.rdp.channel_policy import DEFAULT, WORDS, clipboard_terms, static_channels
from protocols.rdp.clipboard_policy import ClipboardTerms, May
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
    assert clipboard_terms(frozenset(words)) == terms


def test_control_takes_the_words_that_engines_know() -> None:
    assert set(CHANNELS[TargetProtocol.RDP]) == WORDS.keys()
    assert DEFAULT_CHANNELS[TargetProtocol.RDP] == DEFAULT
