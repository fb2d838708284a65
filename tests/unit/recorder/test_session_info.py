import msgspec
import pytest
from samples.chunks import INFO

from config.model import OnLoss
from recorder.session_info import Capture, RecordingMode, RecordingTerms, SessionInfo, Target


def test_a_session_comes_back_as_it_went():
    encoded = msgspec.msgpack.encode(INFO)
    assert msgspec.msgpack.decode(encoded, type=SessionInfo) == INFO


@pytest.mark.parametrize("port", [0, 65536])
def test_a_target_has_a_port_that_exists(port: int):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"host": "h", "port": port, "protocol": "ssh"}, Target)


def test_everything_is_recorded_and_required_unless_agreed_otherwise():
    terms = RecordingTerms()
    assert (terms.mode, terms.on_loss) == (RecordingMode.EVERYTHING, OnLoss.REQUIRE)
    assert (terms.capture, terms.mask_typed) == (Capture.TEXT, True)
