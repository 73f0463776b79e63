import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sessions.fix_text import body_of, parse
from sessions.port import EngineError
from sessions.quickfix_settings import SENDING_TIME_TOLERANCE_S
from tests.sessions.house import House, free_port, open_house, wait_for
from tests.sessions.raw_client import RawClient, frame, order_body, timestamp

REPOSITORY = Path(__file__).parents[2]
VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
FIRMA1 = "FIX.4.4:FIRMA1"
REQUEST = "262=r1|263=1|264=0|265=1|267=2|269=0|269=1|146=2|55=TEST1|55=TEST2|"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as opened:
        yield opened


@contextmanager
def logged_on(house: House, session_id: str = FIRMA1, *, next_seq: int = 1) -> Iterator[RawClient]:
    begin_string, _, comp_id = session_id.partition(":")
    with RawClient(house.port, begin_string, comp_id, next_seq=next_seq) as client:
        assert client.log_on().msg_type == "A"
        yield client
        client.log_out()
    wait_for(lambda: session_id not in house.engine.sessions_up)


def report(exec_id: object) -> str:
    return f"35=8|6=0|11=a|14=0|17={exec_id}|37=1|39=0|54=1|55=TEST1|150=0|151=100|"


def cl_ord_ids(house: House) -> list[str]:
    return [parse(message.text)["11"] for message in house.orders.messages]


def assert_nothing_else_comes(client: RawClient) -> None:
    """What comes next is the answer to a TestRequest, so nothing was on its way before it."""
    client.send("1", "112=anything else?|")
    message = client.receive()
    assert (message.msg_type, message["112"]) == ("0", "anything else?")


# Logging on


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_each_version_logs_on_sends_an_order_and_gets_its_report(house: House, begin_string: str):
    session_id = f"{begin_string}:FIRMA1"
    with logged_on(house, session_id) as client:
        client.order("a")
        wait_for(lambda: house.orders.messages)
        house.send(session_id, report("E1"))
        assert client.expect("8")["17"] == "E1"
    wait_for(lambda: len(house.orders.calls) == 3)
    assert house.orders.calls == [("up", session_id), ("message", session_id), ("down", session_id)]
    (message,) = house.orders.messages
    assert message.session_id == session_id
    assert message.session_epoch == house.engine.epoch(session_id)
    assert parse(message.text)["34"] == "2"
    assert abs(message.received_ns - time.time_ns()) < 60 * 10**9


def test_market_data_sessions_have_their_own_application(house: House):
    with logged_on(house, "FIX.4.4:MD1") as client:
        client.send("V", REQUEST)
        wait_for(lambda: house.marketdata.messages)
    assert house.orders.calls == []


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_gets_a_logout_that_says_so(house: House, password: str):
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
        client.send("A", f"98=0|108=30|553=FIRMA1|{f'554={password}|' if password else ''}")
        assert "Password(554)" in client.expect("5")["58"]
        client.expect_disconnect()
    assert house.engine.logons_refused == {"credentials": 1}
    assert house.orders.calls == []


def test_a_heartbeat_interval_out_of_range_is_refused(house: House):
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
        assert "HeartBtInt(108)" in client.log_on(heart_bt_int=0)["58"]
    assert house.engine.logons_refused == {"heartbeat": 1}


@pytest.mark.parametrize(("begin_string", "comp_id"), [("FIX.4.4", "NOBODY"), ("FIX.4.3", "FIRMA1")])
def test_an_unknown_session_is_disconnected(house: House, begin_string: str, comp_id: str):
    with RawClient(house.port, begin_string, comp_id) as client:
        client.send("A", "98=0|108=30|553=x|554=x|")
        client.expect_disconnect()
        assert client.received == []


def test_an_order_before_the_logon_reaches_nobody(house: House):
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
        client.order("a")
        client.expect_disconnect()
    with logged_on(house) as client:
        client.order("b")
        wait_for(lambda: house.orders.messages)
    assert cl_ord_ids(house) == ["b"]


def test_a_sending_time_far_off_is_rejected_and_ends_the_session(house: House):
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
        client.log_on()
        client.order("a", sent=timestamp(-SENDING_TIME_TOLERANCE_S - 10))
        assert client.expect("3")["373"] == "10"
        client.expect("5")
    assert house.orders.messages == []


# Sending and resending


def test_what_is_sent_while_the_client_is_away_is_resent_with_its_number(house: House):
    with logged_on(house) as client:
        seen = len(client.received)
    number = house.engine.next_outbound(FIRMA1)
    assert number == seen + 2  # the Logout's number too
    house.send(FIRMA1, report("E1"), report("E2"))
    wait_for(lambda: house.engine.next_outbound(FIRMA1) == number + 2)
    with logged_on(house, next_seq=client.next_seq) as client:
        assert int(client.received[-1]["34"]) == number + 2
        client.send("2", f"7={number}|16=0|")
        for offset, exec_id in enumerate(("E1", "E2")):
            resent = client.expect("8")
            assert (resent["34"], resent["43"], resent["17"]) == (str(number + offset), "Y", exec_id)
            assert "122" in resent.fields
        assert client.expect("4")["123"] == "Y"


def test_market_data_is_not_resent_but_filled(house: House):
    with logged_on(house, "FIX.4.4:MD1") as client:
        house.send("FIX.4.4:MD1", "35=Y|262=r1|281=0|", "35=Y|262=r2|281=0|")
        client.expect("Y")
        client.expect("Y")
        client.send("2", "7=2|16=3|")
        fill = client.expect("4")
        assert (fill["123"], fill["34"], fill["36"]) == ("Y", "2", "4")
        assert_nothing_else_comes(client)


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_groups_keep_their_order(house: House, begin_string: str):
    session_id = f"{begin_string}:MD1"
    snapshot = "268=3|269=0|270=101.00|271=5|346=1|83=7|269=1|270=102.00|271=7|346=2|269=0|270=100.00|271=1|346=1|"
    increment = "268=2|279=0|269=0|55=TEST1|270=101.00|271=5|83=8|279=2|269=1|55=TEST1|270=102.00|271=0|83=8|"
    with logged_on(house, session_id) as client:
        house.send(session_id, f"35=W|262=r1|55=TEST1|83=7|{snapshot}", f"35=X|262=r1|{increment}")
        for msg_type, group in (("W", snapshot), ("X", increment)):
            sent = [tuple(field.split("=")) for field in group[:-1].split("|")]
            assert unordered_entries(client.expect(msg_type).pairs) == unordered_entries(sent)


def unordered_entries(fields: list[tuple[str, str]]) -> list[dict[str, str]]:
    """The entries of a NoMDEntries(268) group in order; within an entry only the delimiter has a place."""
    start = next(place for place, (tag, _) in enumerate(fields) if tag == "268") + 1
    delimiter = fields[start][0]
    entries: list[dict[str, str]] = []
    for tag, value in fields[start:]:
        if tag == delimiter:
            entries.append({})
        if tag in {"10", "262"}:
            break
        assert tag not in entries[-1]
        entries[-1][tag] = value
    return entries


def test_sending_from_many_calls_keeps_their_order(house: House):
    with logged_on(house) as client:
        for start in range(0, 1000, 10):
            house.send(FIRMA1, *(report(n) for n in range(start, start + 10)))
        assert [client.expect("8")["17"] for _ in range(1000)] == [str(n) for n in range(1000)]
        assert [int(message["34"]) for message in client.received] == list(range(1, 1002))
    assert house.engine.messages_out == 1000


# Restarting


def test_numbers_go_on_after_a_restart_in_both_directions(tmp_path: Path):
    with open_house(tmp_path) as house:
        epoch = house.engine.epoch(FIRMA1)
        with logged_on(house) as client:
            client.order("a")
            wait_for(lambda: house.orders.messages)
            house.send(FIRMA1, report("E1"))
            client.expect("8")
        outbound = house.engine.next_outbound(FIRMA1)
    with open_house(tmp_path) as house:
        assert house.engine.next_outbound(FIRMA1) == outbound
        assert house.engine.epoch(FIRMA1) == epoch
        with logged_on(house, next_seq=client.next_seq) as client:
            assert int(client.received[0]["34"]) == outbound
            client.order("b")
            wait_for(lambda: house.orders.messages)
            assert_nothing_else_comes(client)
        assert cl_ord_ids(house) == ["b"]


def test_resume_inbound_asks_the_client_to_send_again(tmp_path: Path):
    with open_house(tmp_path) as house, logged_on(house) as client:
        for cl_ord_id in "abc":  # MsgSeqNum 2, 3, 4
            client.order(cl_ord_id)
        wait_for(lambda: len(house.orders.messages) == 3)
    with open_house(tmp_path, started=False) as house:
        house.call(lambda: house.engine.resume_inbound(FIRMA1, 3))
        house.start()
        with RawClient(house.port, "FIX.4.4", "FIRMA1", next_seq=client.next_seq) as client:
            client.log_on()
            assert client.expect("2")["7"] == "3"
            again = f"43=Y|122={timestamp()}|"
            client.order("b", seq=3, header=again)
            client.order("c", seq=4, header=again)
            client.send("4", f"123=Y|36={client.next_seq}|", seq=5, header=again)
            client.order("d")
            wait_for(lambda: len(house.orders.messages) == 3)
        assert cl_ord_ids(house) == ["b", "c", "d"]
        assert [parse(message.text).get("43") for message in house.orders.messages] == ["Y", "Y", None]


def test_a_killed_engine_knows_what_it_had_sent(tmp_path: Path):
    port = free_port()
    process = start_process(tmp_path, port)
    try:
        client = RawClient(port, "FIX.4.4", "FIRMA1")
        client.log_on()
        for n in range(3000):
            client.order(f"o{n}")
        for _ in range(1000):
            client.expect("8")
        process.send_signal(signal.SIGKILL)  # in the middle of the other 2000
        client.expect_disconnect()
    finally:
        process.kill()
        process.wait()
    reports = {int(m["34"]): body_of(m) for m in client.received if m.msg_type == "8"}
    assert len(reports) >= 1000
    with open_house(tmp_path, started=False) as house:
        stored = dict(house.engine.sent_bodies(FIRMA1, 1))
        assert reports.items() <= stored.items()
        assert sorted(stored) == list(range(2, house.engine.next_outbound(FIRMA1)))
        half = max(stored) // 2
        assert dict(house.engine.sent_bodies(FIRMA1, half)) == {n: b for n, b in stored.items() if n >= half}
    client.close()


def test_an_application_that_fails_ends_the_process(tmp_path: Path):
    port = free_port()
    process = start_process(tmp_path, port, "failing")
    try:
        with RawClient(port, "FIX.4.4", "FIRMA1") as client:
            client.log_on()
            client.order("a")
            client.expect_disconnect()
        assert process.wait(10) == 70
        assert process.stdout is not None
        assert "the application cannot go on" in process.stdout.read()
    finally:
        process.kill()
        process.wait()


def start_process(data_dir: Path, port: int, mode: str = "answering") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.sessions.engine_process", str(data_dir), str(port), mode]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY, env=environment
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == "ready\n":
            return process
    raise AssertionError("the engine's process ended")


# Resetting


def test_a_reset_begins_a_later_epoch_that_a_restart_keeps(tmp_path: Path):
    with open_house(tmp_path) as house:
        first = house.engine.epoch(FIRMA1)
        with logged_on(house):
            house.send(FIRMA1, report("E1"))
        epochs = [first]
        for _ in range(2):  # twice in a second: QuickFIX's own note of it has whole seconds
            with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
                answer = client.log_on(more="141=Y|")
                assert (answer["34"], answer["141"]) == ("1", "Y")
                client.order("a")
                wait_for(lambda n=len(epochs): len(house.orders.messages) == n)
                client.log_out()
            epochs.append(house.engine.epoch(FIRMA1))
            assert house.orders.messages[-1].session_epoch == epochs[-1]
        assert list(house.engine.sent_bodies(FIRMA1, 1)) == []
    assert first < epochs[1] < epochs[2]
    with open_house(tmp_path, started=False) as house:
        assert house.engine.epoch(FIRMA1) == epochs[2]


@pytest.mark.parametrize("how", ["wrong password", "clock far off"])
def test_a_stranger_cannot_reset_a_session(tmp_path: Path, how: str):
    with open_house(tmp_path) as house:
        with logged_on(house) as client:
            client.order("a")
            wait_for(lambda: house.orders.messages)
        house.send(FIRMA1, report("E1"))
        wait_for(lambda: house.engine.messages_out == 1)
        epoch, number = house.engine.epoch(FIRMA1), house.engine.next_outbound(FIRMA1)
        with RawClient(house.port, "FIX.4.4", "FIRMA1") as stranger:
            sent = timestamp(-1000) if how == "clock far off" else ""  # QuickFIX does not even ask us then
            stranger.send("A", "98=0|108=30|141=Y|553=FIRMA1|554=wrong|", sent=sent)
            stranger.expect_disconnect()
        house.send(FIRMA1, report("E2"))
        wait_for(lambda: house.engine.messages_out == 2)
        with logged_on(house, next_seq=client.next_seq) as client:
            client.send("2", f"7={number - 1}|16=0|")
            assert [client.expect("8")["17"] for _ in range(2)] == ["E1", "E2"]
            client.order("b")
            wait_for(lambda: len(house.orders.messages) == 2)
        assert house.engine.epoch(FIRMA1) == epoch


def test_a_reset_by_a_stranger_is_undone_by_a_restart_too(tmp_path: Path):
    with open_house(tmp_path) as house:
        with logged_on(house):
            house.send(FIRMA1, report("E1"))
        number = house.engine.next_outbound(FIRMA1)
        with RawClient(house.port, "FIX.4.4", "FIRMA1") as stranger:
            stranger.send("A", "98=0|108=30|141=Y|553=FIRMA1|554=wrong|", sent=timestamp(-1000))
            stranger.expect_disconnect()
    with open_house(tmp_path, started=False) as house:
        assert house.engine.next_outbound(FIRMA1) == number


# Hostile and mistaken clients


def test_garbage_between_messages_is_skipped(house: House):
    with logged_on(house) as client:
        client.order("a")
        client.send_bytes(b"garbage\x00\xff 8=nonsense 9=12\x01")
        client.order("b")
        wait_for(lambda: len(house.orders.messages) == 2)
    assert cl_ord_ids(house) == ["a", "b"]


def test_a_message_with_a_wrong_checksum_never_was_and_is_asked_for(house: House):
    with logged_on(house) as client:
        damaged = client.compose("D", order_body("a")).replace(b"11=a", b"11=x")
        client.send_bytes(damaged)
        client.order("b")
        assert client.expect("2")["7"] == "2"
        again = f"43=Y|122={timestamp()}|"
        client.order("a", seq=2, header=again)
        wait_for(lambda: len(house.orders.messages) == 2)
    assert cl_ord_ids(house) == ["a", "b"]


def test_a_missing_required_tag_is_rejected_once(house: House):
    with logged_on(house) as client:
        client.send("D", order_body("a").replace("11=a|", ""))
        answer = client.expect("3")
        assert (answer["373"], answer["371"], answer["372"]) == ("1", "11", "D")
        assert_nothing_else_comes(client)
    assert house.orders.messages == []


@pytest.mark.parametrize(
    ("old", "new", "reason", "tag"),
    [
        ("38=100|", "38=many|", "6", "38"),
        ("38=100|", "38=|", "4", "38"),
        ("40=2|", "40=~|", "5", "40"),
        ("38=100|", "38=100|38=200|", "13", "38"),
    ],
)
def test_a_malformed_field_is_rejected_once(house: House, old: str, new: str, reason: str, tag: str):
    with logged_on(house) as client:
        client.send("D", order_body("a").replace(old, new))
        answer = client.expect("3")
        assert (answer["373"], answer["371"]) == (reason, tag)
        assert_nothing_else_comes(client)
    assert house.orders.messages == []


@pytest.mark.parametrize(("old", "new", "tag"), [("146=2|", "146=3|", "146"), ("267=2|", "267=1|", "267")])
def test_a_miscounted_group_is_rejected_once(house: House, old: str, new: str, tag: str):
    with logged_on(house, "FIX.4.4:MD1") as client:
        client.send("V", REQUEST.replace(old, new))
        answer = client.expect("3")
        assert (answer["373"], answer["371"]) == ("5", tag)
        assert_nothing_else_comes(client)
    assert house.marketdata.messages == []


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_a_message_that_is_not_traded_reaches_the_application_which_answers_it(house: House, begin_string: str):
    with logged_on(house, f"{begin_string}:FIRMA1") as client:
        client.send("R", "131=q1|146=1|55=TEST1|38=5|")
        wait_for(lambda: house.orders.messages)
        assert_nothing_else_comes(client)
    assert [parse(message.text)["35"] for message in house.orders.messages] == ["R"]


def test_a_message_type_that_no_version_has_is_rejected_once(house: House):
    with logged_on(house) as client:
        client.send("ZZ", "58=what is this|")
        answer = client.expect("3")
        assert (answer["373"], answer["372"]) == ("11", "ZZ")
        assert_nothing_else_comes(client)
    assert house.orders.messages == []


def test_fields_that_the_venue_does_not_know_do_not_stop_an_order(house: House):
    with logged_on(house) as client:
        client.send("D", order_body("a") + "528=A|9001=mine|")
        wait_for(lambda: house.orders.messages)
    assert parse(house.orders.messages[0].text)["9001"] == "mine"


def test_bytes_that_are_no_text_arrive_as_text(house: House):
    with logged_on(house) as client:
        client.send("D", order_body("a") + "58=\udcff\udc80é|")
        wait_for(lambda: house.orders.messages)
    assert parse(house.orders.messages[0].text)["58"] == "��é"


def test_a_number_too_low_ends_the_session(house: House):
    with logged_on(house) as client:
        pass
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as again:
        assert "too low" in again.log_on()["58"]
        again.expect_disconnect()
    with logged_on(house, next_seq=client.next_seq):
        pass


def test_a_half_message_of_one_client_does_not_delay_another(house: House):
    with RawClient(house.port, "FIX.4.4", "FIRMB1") as slow:
        slow.send_bytes(frame("FIX.4.4", "35=A\x01")[:-10])
        with logged_on(house) as client:
            client.order("a")
            wait_for(lambda: house.orders.messages, deadline_s=1.0)


# Load


def test_a_quiet_session_gets_heartbeats_while_another_is_busy(house: House):
    with logged_on(house) as busy, RawClient(house.port, "FIX.4.4", "FIRMA2") as quiet:
        quiet.log_on(heart_bt_int=1)
        begun = time.monotonic()
        n = 0
        while not any(message.msg_type == "0" for message in quiet.received):
            busy.order(f"o{(n := n + 1)}")
            try:
                quiet.receive(0.02)
            except TimeoutError:
                assert time.monotonic() - begun < 5, "no heartbeat came"
        quiet.log_out()


def test_an_application_that_holds_stops_the_reading_and_gets_everything_in_the_end(tmp_path: Path):
    with open_house(tmp_path, inbound_messages_max=20) as house, logged_on(house) as client:
        house.call(lambda: house.engine.hold_inbound("orders"))
        orders = b"".join(client.compose("D", order_body(f"o{n}")) for n in range(500))
        client.send_bytes(orders)
        wait_for(lambda: house.engine.messages_in == 21)  # the bound, and one in the hands of the connection's thread
        assert house.engine.inbound_waiting("orders") == 20
        assert house.orders.messages == []
        house.call(lambda: house.engine.release_inbound("orders"))
        wait_for(lambda: len(house.orders.messages) == 500)
        assert cl_ord_ids(house) == [f"o{n}" for n in range(500)]


def test_a_client_that_does_not_read_is_cut_off_and_harms_only_itself(tmp_path: Path):
    text = "x" * 2000
    sent = 0
    with open_house(tmp_path, outbound_messages_max=1000) as house, logged_on(house, "FIX.4.4:FIRMB1") as other:
        slow = RawClient(house.port, "FIX.4.4", "FIRMA1", receive_buffer=4096)
        slow.log_on()
        end = time.monotonic() + 20
        while not house.engine.slow_readers_cut:
            assert time.monotonic() < end
            house.send(FIRMA1, *(f"{report(sent + n)}58={text}|" for n in range(100)))
            sent += 100
            house.send(other.session_id, report(sent))
            assert other.expect("8", deadline_s=2.0)["17"] == str(sent)
        wait_for(lambda: FIRMA1 not in house.engine.sessions_up)
        wait_for(lambda: house.engine.outbound_waiting(FIRMA1) == 0)
        slow.close()
        with logged_on(house, next_seq=slow.next_seq) as back:  # everything is still there for it
            back.send("2", "7=2|16=0|")
            assert [back.expect("8")["17"] for _ in range(sent)] == [str(n) for n in range(sent)]


# Starting and stopping


def test_a_port_in_use_is_an_error_in_one_sentence(house: House, tmp_path: Path):
    with open_house(tmp_path / "other", started=False) as second:
        second.engine._port = house.port
        with pytest.raises(EngineError, match=f"port {house.port} cannot be used .*; change gateway.fix_port"):
            second.start()


def test_stopping_logs_clients_out_and_keeps_what_was_queued(tmp_path: Path):
    with open_house(tmp_path) as house:
        client = RawClient(house.port, "FIX.4.4", "FIRMA1")
        client.log_on()
        house.send(FIRMA1, *(report(n) for n in range(500)))
    assert [client.expect("8")["17"] for _ in range(500)] == [str(n) for n in range(500)]
    assert "closing" in client.expect("5")["58"]
    client.expect_disconnect()
    client.close()


def test_stopping_does_not_wait_for_ever_for_a_client_that_does_not_read(tmp_path: Path):
    with open_house(tmp_path) as house:
        stuck = RawClient(house.port, "FIX.4.4", "FIRMA1", receive_buffer=4096)
        stuck.log_on()
        house.send(FIRMA1, *(f"{report(n)}58={'x' * 5000}|" for n in range(2000)))
        begun = time.monotonic()
    assert time.monotonic() - begun < 15
    stuck.close()
    with open_house(tmp_path, started=False) as house:
        assert len(list(house.engine.sent_bodies(FIRMA1, 1))) == 2000
