from protocols.rdp.channel_policy import DEFAULT, static_channels


def test_the_clipboard_is_all_there_is_by_default():
    assert static_channels(frozenset(DEFAULT)) == {"cliprdr"}


def test_words_add_up_and_unknown_ones_open_nothing():
    assert static_channels(frozenset({"drives", "dynamic"})) == {"rdpdr", "drdynvc"}
    assert static_channels(frozenset({"shell"})) == frozenset()
    assert static_channels(frozenset()) == frozenset()
