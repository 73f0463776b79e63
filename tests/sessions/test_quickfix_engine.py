import time
from pathlib import Path

import pytest

from sessions.fix_text import parse
from sessions.port import EngineError
from sessions.quickfix.settings import SENDING_TIME_TOLERANCE_S
from tests.sessions.house import (
    FIRMA1,
    House,
    assert_nothing_else_comes,
    cl_ord_ids,
    logged_on,
    open_house,
    report,
    wait_for,
)
from tests.sessions.raw_client import RawClient, timestamp

VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
REQUEST = "262=r1|263=1|264=0|265=1|267=2|269=0|269=1|146=2|55=TEST1|55=TEST2|"


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


def test_what_is_sent_during_a_logon_is_not_lost_on_the_way(house: House):
    with logged_on(house) as client:
        pass
    for n in range(20):
        house.send(FIRMA1, *(report(f"{n}-{m}") for m in range(50)))  # on their way while the next Logon is answered
        with RawClient(house.port, "FIX.4.4", "FIRMA1", next_seq=client.next_seq) as client:
            begin = int(client.log_on()["34"])
            house.send(FIRMA1, report(f"{n}-last"))
            while (latest := client.expect("8"))["17"] != f"{n}-last":
                pass
            assert [int(message["34"]) for message in client.received] == list(range(begin, int(latest["34"]) + 1))
            client.log_out()


def test_sending_from_many_calls_keeps_their_order(house: House):
    with logged_on(house) as client:
        for start in range(0, 1000, 10):
            house.send(FIRMA1, *(report(n) for n in range(start, start + 10)))
        assert [client.expect("8")["17"] for _ in range(1000)] == [str(n) for n in range(1000)]
        assert [int(message["34"]) for message in client.received] == list(range(1, 1002))
    assert house.engine.messages_out == 1000


# Starting and stopping


def test_a_port_in_use_is_an_error_in_one_sentence(house: House, tmp_path: Path, engine_name: str):
    with open_house(tmp_path / "other", engine=engine_name, started=False) as second:
        second.engine._port = house.port
        with pytest.raises(EngineError, match=f"port {house.port} cannot be used .*; change gateway.fix_port"):
            second.start()


def test_stopping_logs_clients_out_and_keeps_what_was_queued(tmp_path: Path, engine_name: str):
    with open_house(tmp_path, engine=engine_name) as house:
        client = RawClient(house.port, "FIX.4.4", "FIRMA1")
        client.log_on()
        house.send(FIRMA1, *(report(n) for n in range(500)))
    assert [client.expect("8")["17"] for _ in range(500)] == [str(n) for n in range(500)]
    assert "closing" in client.expect("5")["58"]
    client.expect_disconnect()
    client.close()


def test_stopping_does_not_wait_for_ever_for_a_client_that_does_not_read(tmp_path: Path, engine_name: str):
    with open_house(tmp_path, engine=engine_name) as house:
        stuck = RawClient(house.port, "FIX.4.4", "FIRMA1", receive_buffer=4096)
        stuck.log_on()
        house.send(FIRMA1, *(f"{report(n)}58={'x' * 5000}|" for n in range(2000)))
        begun = time.monotonic()
    assert time.monotonic() - begun < 15
    stuck.close()
    with open_house(tmp_path, engine=engine_name, started=False) as house:
        assert len(list(house.engine.sent_bodies(FIRMA1, 1))) == 2000
