from structlog.testing import capture_logs

from config.model import ControlSettings, RDPSettings, Settings
from proxyd.control import opened_database
from proxyd.page import NodePage
from recorder.clock import SystemClock


def test_a_key_that_cannot_be_read_costs_the_signatures_and_not_the_page(state, tmp_path):
    settings = Settings(
        state_dir=state,
        control=ControlSettings(listen="127.0.0.1:0"),
        rdp=RDPSettings(
            signing_certificate_file=tmp_path / "publisher.pem",
            signing_key_file=tmp_path / "publisher.key",
        ),
    )
    with opened_database(settings) as database, capture_logs() as logged:
        page = NodePage(settings, database, None, None, SystemClock())
        with page.listening() as listener:
            assert listener is not None
            page.reload()
    said = [entry for entry in logged if entry["event"] == "rdp_files.unsigned"]
    assert len(said) == 2
    assert "publisher.key cannot be read" in said[0]["error"]
    assert "LoadCredential=rdp-signing-key" in said[0]["next_step"]
