import time
from pathlib import Path

import pytest

from sessions.fix_text import parse
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
from tests.sessions.raw_client import RawClient, frame, order_body, timestamp

VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
REQUEST = "262=r1|263=1|264=0|265=1|267=2|269=0|269=1|146=2|55=TEST1|55=TEST2|"


# Hostile and mistaken clients


def test_garbage_between_messages_is_skipped(house: House):
    with logged_on(house) as client:
        client.order("a")
        client.send_bytes(b"garbage\x00\xff 9=12\x0110=000\x01")
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
def test_a_miscounted_group_is_rejected_once(house: House, engine_name: str, old: str, new: str, tag: str):
    reason = "5" if engine_name == "quickfix" else "16"  # the venue's own check there, the standard's reason here
    with logged_on(house, "FIX.4.4:MD1") as client:
        client.send("V", REQUEST.replace(old, new))
        answer = client.expect("3")
        assert (answer["373"], answer["371"]) == (reason, tag)
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


def test_an_application_that_holds_stops_the_reading_and_gets_everything_in_the_end(tmp_path: Path, engine_name: str):
    with open_house(tmp_path, engine=engine_name, inbound_messages_max=20) as house, logged_on(house) as client:
        wait_for(lambda: house.orders.calls == [("up", FIRMA1)])
        house.call(lambda: house.engine.hold_inbound("orders"))
        orders = b"".join(client.compose("D", order_body(f"o{n}")) for n in range(500))
        client.send_bytes(orders)
        if engine_name == "quickfix":
            wait_for(lambda: house.engine.messages_in == 21)  # the bound, and one in the connection's thread's hands
            assert house.engine.inbound_waiting("orders") == 20
        else:
            wait_for(lambda: house.engine.messages_in >= 20)  # the bound, and what was read in one piece
        assert house.orders.messages == []
        house.call(lambda: house.engine.release_inbound("orders"))
        wait_for(lambda: len(house.orders.messages) == 500)
        assert cl_ord_ids(house) == [f"o{n}" for n in range(500)]


def test_a_client_that_does_not_read_is_cut_off_and_harms_only_itself(tmp_path: Path, engine_name: str):
    text = "x" * 2000
    sent = 0
    with (
        open_house(tmp_path, engine=engine_name, outbound_messages_max=1000) as house,
        logged_on(house, "FIX.4.4:FIRMB1") as other,
    ):
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
