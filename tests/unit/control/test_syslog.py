import datetime as dt
import re

from hypothesis import given
from hypothesis import strategies as st

from control.audit_requests import AuditEntry
from control.syslog import MAX_BYTES, framed, message

RFC5424 = re.compile(
    rb"<(\d{1,3})>1 (\S+) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) - ([\x21-\x7e]{1,32}) "
    rb"\[([^\s=\]\"]{1,32}) "
    rb"((?:(?:[a-z]+)=\"(?:[^\"\\\]]|\\[\"\\\]])*\" ?)+)\] "
    rb"\xef\xbb\xbf(.*)",
    re.DOTALL,
)
PARAMETER = re.compile(r'([a-z]+)="((?:[^"\\\]]|\\.)*)"')
texts = st.text(max_size=300)
entries = st.builds(
    AuditEntry,
    id=st.integers(1, 2**63 - 1),
    at=st.datetimes(timezones=st.just(dt.UTC)),
    who=texts,
    action=texts,
    subject=texts,
    detail=st.text(max_size=300) | st.text("\\]x\n", min_size=3000, max_size=4000),
)


def entry(**fields: object) -> AuditEntry:
    values: dict[str, object] = {
        "id": 7,
        "at": dt.datetime(2026, 11, 25, 4, 5, 6, tzinfo=dt.UTC),
        "who": "root",
        "action": "secret.added",
        "subject": "web1",
        "detail": "10.0.0.5:22",
    }
    return AuditEntry(**(values | fields))  # type: ignore[arg-type]


def test_a_message_is_what_the_standard_shows():
    assert message(entry(), "bastion") == (
        b"<109>1 2026-11-25T04:05:06.000000Z bastion proxyd - secret.added "
        b'[proxyd@32473 id="7" who="root" subject="web1" detail="10.0.0.5:22"] '
        b"\xef\xbb\xbfroot secret.added web1"
    )


def test_a_refusal_is_a_warning():
    assert message(entry(action="credential.denied"), "bastion").startswith(b"<108>1 ")


@given(entries, texts)
def test_every_row_is_one_message_that_a_parser_takes_apart(row: AuditEntry, hostname: str):
    sent = message(row, hostname)
    assert len(sent) <= MAX_BYTES
    found = RFC5424.fullmatch(sent)
    assert found
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", sent.decode())
    data = {
        name: re.sub(r"\\(.)", r"\1", value)
        for name, value in PARAMETER.findall(found[7].decode())
    }
    assert data["id"] == str(row.id)
    if row.who.isprintable():
        assert data["who"] == row.who


def test_a_detail_that_was_cut_says_so():
    sent = message(entry(detail="x" * 20_000), "bastion")
    assert b"[cut: the whole" in sent.replace(b"\\]", b"]")
    assert sent.endswith(b"root secret.added web1")


@given(st.lists(entries, max_size=5))
def test_messages_on_a_stream_are_told_apart_by_their_lengths(rows: list[AuditEntry]):
    sent = [message(row, "bastion") for row in rows]
    stream, found = b"".join(map(framed, sent)), []
    while stream:
        length, _, stream = stream.partition(b" ")
        found.append(stream[: int(length)])
        stream = stream[int(length) :]
    assert found == sent
