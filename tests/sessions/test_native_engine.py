"""
What only our own engine promises: bounds with names, sessions that come and go, TLS.

All else is in `test_quickfix_*`, whose tests run against both engines.
"""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sessions.accounts import Account
from sessions.port import EngineError, SessionKey
from tests.sessions.house import FIRMA1, House, cl_ord_ids, logged_on, open_house, report, wait_for
from tests.sessions.raw_client import Disconnected, RawClient, order_body


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path, engine="native") as opened:
        yield opened


def expect_silent_end(client: RawClient) -> None:
    client.expect_disconnect()
    assert client.received == []


# Bounds


def test_a_second_connection_of_a_session_is_turned_away_and_uses_no_number(house: House) -> None:
    with logged_on(house) as client:
        number = house.engine.next_outbound(FIRMA1)
        with RawClient(house.port, "FIX.4.4", "FIRMA1") as second:
            second.send("A", "98=0|108=30|553=FIRMA1|554=example-firma1|")
            expect_silent_end(second)
        assert house.engine.tally.connections_refused == {"duplicate_identity": 1}
        assert house.engine.next_outbound(FIRMA1) == number
        client.order("a")
        wait_for(lambda: house.orders.messages)


def test_a_stranger_does_not_keep_the_owner_of_a_session_waiting(house: House) -> None:
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as stranger:
        assert stranger.log_on(password="wrong").msg_type == "5"  # and it does not close its side
        with logged_on(house):
            pass


@pytest.mark.parametrize("said", [b"", b"8=FIX.4.4\x019=100\x0135=A\x01"])
def test_silence_before_the_logon_is_ended(tmp_path: Path, said: bytes) -> None:
    with open_house(tmp_path, engine="native", engine_settings={"logon_timeout_s": 0.1}) as house:
        with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
            client.send_bytes(said)
            expect_silent_end(client)
        wait_for(lambda: house.engine.tally.connections_refused == {"logon_timeout": 1})


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "first_message_garbled"),
        (b"8=FIX.4.4\x019=2000000000\x01", "message_too_long"),
        (b"8=FIX.4.4\x019=9000\x01", "message_too_long"),
    ],
)
def test_a_connection_that_does_not_begin_with_a_logon_is_ended_at_once(house: House, said: bytes, reason: str) -> None:
    with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
        client.send_bytes(said)
        expect_silent_end(client)
    wait_for(lambda: house.engine.tally.connections_refused == {reason: 1})


def test_a_guest_without_a_session_is_named_in_the_log_as_it_named_itself(house: House) -> None:
    with capture_logs() as logs, RawClient(house.port, "FIX.4.4", "FIRMZ9") as client:
        client.send("A", "98=0|108=30|553=FIRMZ9|554=example-firmz9|")
        expect_silent_end(client)
    [told] = [line for line in logs if line["event"] == "fix_connection_refused"]
    assert (told["reason"], told["begin_string"], told["comp_id"]) == ("unknown_session", "FIX.4.4", "FIRMZ9")


def test_there_are_only_so_many_connections(tmp_path: Path) -> None:
    with (
        open_house(tmp_path, engine="native", engine_settings={"connections_max": 2}) as house,
        RawClient(house.port, "FIX.4.4", "FIRMA1") as one,
        RawClient(house.port, "FIX.4.4", "FIRMA2") as two,
    ):
        one.log_on()
        two.log_on()
        with RawClient(house.port, "FIX.4.4", "FIRMB1") as three:
            expect_silent_end(three)
        assert house.engine.tally.connections_refused == {"too_many_connections": 1}
        one.close()
        wait_for(lambda: house.engine.sessions_up == {"FIX.4.4:FIRMA2"})
        with logged_on(house, "FIX.4.4:FIRMB1"):
            pass


def test_a_huge_length_in_mid_session_ends_it_and_no_other(house: House) -> None:
    with logged_on(house, "FIX.4.4:FIRMB1") as other:
        with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
            client.log_on()
            client.send_bytes(b"8=FIX.4.4\x019=2000000000\x01" + b"x" * 100_000)
            with pytest.raises((Disconnected, ConnectionError)):
                client.receive()
        other.order("a")
        wait_for(lambda: house.orders.messages)
    assert house.engine.tally.connections_closed["message_too_long"] == 1


def test_one_byte_at_a_time_is_as_good_as_any(house: House) -> None:
    with logged_on(house) as client:
        for byte in client.compose("D", order_body("a")):
            client.send_bytes(bytes([byte]))
        wait_for(lambda: house.orders.messages)
    assert cl_ord_ids(house) == ["a"]


def test_a_holding_application_stops_a_flood_and_gets_all_of_it_in_the_end(tmp_path: Path) -> None:
    orders = 20_000
    with open_house(tmp_path, engine="native", inbound_messages_max=100) as house, logged_on(house) as client:
        wait_for(lambda: house.orders.calls)
        house.call(lambda: house.engine.hold_inbound("orders"))
        flood = b"".join(client.compose("D", order_body(f"o{n}")) for n in range(orders))
        sender = threading.Thread(target=client.send_bytes, args=(flood,))
        sender.start()
        wait_for(lambda: house.engine.seats[FIRMA1].is_paused)
        assert house.orders.messages == []
        assert 100 <= house.engine.inbound_waiting("orders") < orders // 2  # the bound, and one read's worth
        house.call(lambda: house.engine.release_inbound("orders"))
        sender.join()
        wait_for(lambda: len(house.orders.messages) == orders)
        assert cl_ord_ids(house) == [f"o{n}" for n in range(orders)]


def test_what_a_holding_application_did_not_get_is_asked_for_again_after_a_restart(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native") as house, logged_on(house) as client:
        wait_for(lambda: house.orders.calls)
        house.call(lambda: house.engine.hold_inbound("orders"))
        client.order("a")
        wait_for(lambda: house.engine.messages_in == 1)
    with open_house(tmp_path, engine="native") as house, RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
        client.send("A", "98=0|108=30|553=FIRMA1|554=example-firma1|", seq=4)
        client.expect("A")
        assert client.expect("2")["7"] == "2"


def test_the_answers_to_one_segment_leave_in_one_piece(house: House) -> None:
    with logged_on(house) as client:
        client.send_bytes(b"".join(client.compose("1", f"112=t{n}|") for n in range(50)))
        assert client.expect("0")["112"] == "t0"
        assert client._buffer.count(b"\x0135=0\x01") == 49


# Sessions that come and go


def test_a_session_is_added_and_removed_while_others_go_on(house: House) -> None:
    key = SessionKey("FIX.4.4", "NEWCOMER")
    account = Account(key, "NEW", "orders", "secret")
    with logged_on(house) as client:
        house.call(lambda: house.engine.add_session(account))
        with pytest.raises(EngineError, match="is there already"):
            house.call(lambda: house.engine.add_session(account))
        with RawClient(house.port, "FIX.4.4", "NEWCOMER") as newcomer:
            assert newcomer.log_on(password="secret").msg_type == "A"
            house.call(lambda: house.engine.remove_session(key.session_id))
            assert newcomer.expect("5")["58"] == "the session was removed"
            newcomer.send("5")
            newcomer.expect_disconnect()
        with RawClient(house.port, "FIX.4.4", "NEWCOMER") as newcomer:
            newcomer.send("A", "98=0|108=30|553=NEWCOMER|554=secret|")
            expect_silent_end(newcomer)
        house.call(lambda: house.engine.add_session(account))
        house.call(lambda: house.engine.remove_session(key.session_id))  # while it is down
        client.order("a")
        wait_for(lambda: house.orders.messages)


# The journal


@pytest.mark.parametrize("profile", ["none", "fast", "durable"])
def test_every_profile_of_durability_carries_messages(tmp_path: Path, profile: str) -> None:
    with open_house(tmp_path, engine="native", engine_settings={"sync_profile": profile}) as house:
        with logged_on(house) as client:
            house.send(FIRMA1, *(report(n) for n in range(2500)))
            assert [client.expect("8")["17"] for _ in range(2500)] == [str(n) for n in range(2500)]
        wait_for(lambda: not house.engine.outbound_waiting(FIRMA1))
    with open_house(tmp_path, engine="native", started=False) as house:
        assert [number for number, _ in house.engine.sent_bodies(FIRMA1, 1)] == list(range(2, 2502))


def test_a_client_may_leave_while_its_messages_are_being_synced(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native", engine_settings={"sync_profile": "durable"}) as house:
        synced = house.engine._group.when_synced
        waiting: list[Callable[[], None]] = []
        with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
            client.log_on()
            house.engine._group.when_synced = waiting.append
            house.send(FIRMA1, report("E1"))
            wait_for(lambda: waiting)
        wait_for(lambda: not house.engine._connections)
        house.engine._group.when_synced = synced
        for write in waiting:
            house.call(write)
        with logged_on(house, next_seq=2) as client:
            client.send("2", "7=2|16=2|")
            assert client.expect("8")["17"] == "E1"


def test_a_long_resend_is_read_as_the_client_takes_it(house: House) -> None:
    number = 5000
    house.send(FIRMA1, *(f"{report(n)}58={'x' * 1000}|" for n in range(number)))
    with logged_on(house) as client:
        client.send("2", "7=1|16=0|")
        wait_for(lambda: house.engine.seats[FIRMA1].session.output_waiting == 1)  # 5 MB, waiting as one promise
        assert [client.expect("8")["17"] for _ in range(number)] == [str(n) for n in range(number)]
        assert client.expect("4")["36"] == str(number + 2)


# TLS


def test_tls_is_spoken_with_a_context_of_the_standard_library(tmp_path: Path) -> None:
    server, client_side = contexts(tmp_path)
    with open_house(tmp_path, engine="native", engine_settings={"tls": server}) as house:
        client = RawClient(house.port, "FIX.4.4", "FIRMA1")
        client._socket = client_side.wrap_socket(client._socket, server_hostname="localhost")
        with client:
            assert client.log_on().msg_type == "A"
            client.order("a")
            wait_for(lambda: house.orders.messages)
            house.send(FIRMA1, report("E1"))
            assert client.expect("8")["17"] == "E1"
            client.log_out()


def contexts(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A venue's context with a certificate made for this test, and one of a client that trusts it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("a certificate is made with openssl, which is not installed")
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = (
        f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=certificate)


# Where it listens


def test_only_the_configured_host_is_bound(house: House) -> None:
    with socket.create_connection(("127.0.0.1", house.port)), pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", house.port), timeout=5)


def test_a_host_that_is_not_ours_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native", started=False) as house:
        house.engine._host = "192.0.2.1"
        with pytest.raises(EngineError, match=r"cannot be used .*; change gateway.fix_host"):
            house.start()


def test_stopping_takes_no_time_when_nobody_is_there(tmp_path: Path) -> None:
    with open_house(tmp_path, engine="native"):
        begun = time.monotonic()
    assert time.monotonic() - begun < 1
