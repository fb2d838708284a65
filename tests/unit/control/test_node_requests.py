import datetime as dt

from control.node_requests import Status
from control.wire import decode_answer, encode_item


def test_how_a_node_is_reaches_the_operator_whole():
    status = Status(
        running=True,
        version="1",
        role="engine",
        pid=7,
        live_sessions=1,
        spool_bytes=2,
        unshipped_chunks=3,
        unindexed_chunks=0,
        listening={"ssh": ("0.0.0.0:2222",)},
        engine="engine-1",
        broker=False,
        last_receipt_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )
    assert decode_answer(encode_item(status)) == status
