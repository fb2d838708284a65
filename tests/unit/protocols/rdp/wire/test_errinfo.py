from protocols.rdp.wire.errinfo import ErrorInfo


def test_the_codes_are_those_of_the_specification():
    assert ErrorInfo.ADMINISTRATOR_DISCONNECT == 1
    assert ErrorInfo.DENIED == 7
