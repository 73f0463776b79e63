import threading

from sessions.quickfix.outbox import Outbox

DEADLINE_S = 10.0


def test_bodies_are_sent_in_order_and_counted():
    sent: list[str] = []
    outbox = Outbox("s", sent.append, messages_max=10_000, on_overflow=lambda _: None)
    for start in range(0, 1000, 10):
        outbox.put([str(n) for n in range(start, start + 10)])
    outbox.close()
    assert outbox.join(DEADLINE_S)
    assert sent == [str(n) for n in range(1000)]
    assert (outbox.messages_sent, outbox.waiting) == (1000, 0)


def test_a_stuck_session_overflows_at_its_bound_without_blocking_and_loses_nothing():
    gate = threading.Event()
    sent: list[str] = []
    overflows: list[int] = []

    def send_one(body: str) -> None:
        gate.wait(DEADLINE_S)
        sent.append(body)

    outbox = Outbox("s", send_one, messages_max=5, on_overflow=lambda box: overflows.append(box.waiting))
    for n in range(8):
        outbox.put([str(n)])
    assert overflows == [6, 7, 8]
    gate.set()
    outbox.close()
    assert outbox.join(DEADLINE_S)
    assert sent == [str(n) for n in range(8)]


def test_an_outbox_without_messages_has_no_thread_to_wait_for():
    outbox = Outbox("s", lambda _: None, messages_max=5, on_overflow=lambda _: None)
    assert outbox.native_thread_id is None
    outbox.close()
    assert outbox.join(0)
