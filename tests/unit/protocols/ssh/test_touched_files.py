import hashlib

from protocols.contents import Stream
from protocols.ssh.touched_files import TouchedFiles
from recorder.events import FileTouched


def test_what_was_done_is_taken_once_and_in_order():
    touched = TouchedFiles()
    touched.note("mkdir", "/srv", outcome="ok")
    touched.note("remove", "/srv/a", outcome="no such file")
    assert [each.operation for each in touched.take()] == ["mkdir", "remove"]
    assert touched.take() == []


def test_an_event_says_when_and_on_which_channel():
    touched = TouchedFiles(7)
    touched.at_ms = 1000
    renamed = touched.note("rename", "/a", outcome="ok", new_path="/b")
    touched.at_ms = 2000
    assert touched.take() == [renamed]
    assert renamed == FileTouched(
        at_ms=1000, channel=7, operation="rename", path="/a", new_path="/b"
    )


def test_contents_that_crossed_are_told_with_their_size_and_digest():
    touched = TouchedFiles()
    stream = touched.new_stream()
    stream.take(b"contents")
    upload = touched.crossed("upload", "/srv/a", stream, stream.digest(), outcome="ok")
    assert touched.take() == [upload]
    digest = hashlib.sha256(b"contents").digest()
    assert (upload.path, upload.size_bytes, upload.sha256) == ("/srv/a", 8, digest)


def test_who_wants_the_contents_takes_them_from_his_own_stream():
    class Keeping(Stream):
        def __init__(self) -> None:
            super().__init__()
            self.contents = b""

        def take(self, piece: memoryview | bytes) -> None:
            super().take(piece)
            self.contents += piece

    class KeptFiles(TouchedFiles):
        new_stream = Keeping

    stream = KeptFiles().new_stream()
    stream.at(0)(memoryview(b"contents"))
    assert (stream.contents, stream.size_bytes) == (b"contents", 8)
