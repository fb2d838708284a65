"""Engine and control node as processes of their own, a real broker between them."""

from peers.site import Site


def test_a_session_through_an_engine_is_recorded_by_the_control_node(site: Site):
    login = site.control.login("web")
    output = login.run("echo hello; exit 3")
    assert (output.status, output.stdout) == (3, b"hello\n")
    recording = site.control.recorded()
    assert recording.row["complete"]
    assert recording.export("output") == b"hello\n"
