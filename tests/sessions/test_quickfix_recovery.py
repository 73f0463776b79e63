import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sessions.fix_text import body_of, parse
from tests.sessions.house import (
    FIRMA1,
    assert_nothing_else_comes,
    cl_ord_ids,
    free_port,
    logged_on,
    open_house,
    report,
    wait_for,
)
from tests.sessions.raw_client import RawClient, timestamp

REPOSITORY = Path(__file__).parents[2]


# Restarting


def test_numbers_go_on_after_a_restart_in_both_directions(tmp_path: Path, engine_name: str):
    with open_house(tmp_path, engine=engine_name) as house:
        epoch = house.engine.epoch(FIRMA1)
        with logged_on(house) as client:
            client.order("a")
            wait_for(lambda: house.orders.messages)
            house.send(FIRMA1, report("E1"))
            client.expect("8")
        outbound = house.engine.next_outbound(FIRMA1)
    with open_house(tmp_path, engine=engine_name) as house:
        assert house.engine.next_outbound(FIRMA1) == outbound
        assert house.engine.epoch(FIRMA1) == epoch
        with logged_on(house, next_seq=client.next_seq) as client:
            assert int(client.received[0]["34"]) == outbound
            client.order("b")
            wait_for(lambda: house.orders.messages)
            assert_nothing_else_comes(client)
        assert cl_ord_ids(house) == ["b"]


def test_resume_inbound_asks_the_client_to_send_again(tmp_path: Path, engine_name: str):
    with open_house(tmp_path, engine=engine_name) as house, logged_on(house) as client:
        for cl_ord_id in "abc":  # MsgSeqNum 2, 3, 4
            client.order(cl_ord_id)
        wait_for(lambda: len(house.orders.messages) == 3)
    with open_house(tmp_path, engine=engine_name, started=False) as house:
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


def test_a_killed_engine_knows_what_it_had_sent(tmp_path: Path, engine_name: str):
    port = free_port()
    with engine_process(tmp_path, port, engine_name) as process, RawClient(port, "FIX.4.4", "FIRMA1") as client:
        client.log_on()
        for n in range(3000):
            client.order(f"o{n}")
        for _ in range(1000):
            client.expect("8")
        process.kill()  # in the middle of the other 2000
        client.expect_disconnect()
    reports = {int(m["34"]): body_of(m) for m in client.received if m.msg_type == "8"}
    assert len(reports) >= 1000
    with open_house(tmp_path, engine=engine_name, started=False) as house:
        stored = dict(house.engine.sent_bodies(FIRMA1, 1))
        assert reports.items() <= stored.items()
        assert sorted(stored) == list(range(2, house.engine.next_outbound(FIRMA1)))
        half = max(stored) // 2
        assert dict(house.engine.sent_bodies(FIRMA1, half)) == {n: b for n, b in stored.items() if n >= half}


def test_an_application_that_fails_ends_the_process(tmp_path: Path, engine_name: str):
    port = free_port()
    with (
        engine_process(tmp_path, port, engine_name, "failing") as process,
        RawClient(port, "FIX.4.4", "FIRMA1") as client,
    ):
        client.log_on()
        client.order("a")
        client.expect_disconnect()
        assert process.wait(10) == 70
        assert process.stdout is not None
        assert "the application cannot go on" in process.stdout.read()


@contextmanager
def engine_process(
    data_dir: Path, port: int, engine_name: str, mode: str = "answering"
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.sessions.engine_process", str(data_dir), str(port), engine_name, mode]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY, env=environment
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            assert "ready\n" in iter(process.stdout.readline, "")
            yield process
        finally:
            process.kill()
            process.wait()


# Resetting


def test_a_reset_begins_a_later_epoch_that_a_restart_keeps(tmp_path: Path, engine_name: str):
    with open_house(tmp_path, engine=engine_name) as house:
        first = house.engine.epoch(FIRMA1)
        with logged_on(house) as client:
            house.send(FIRMA1, report("E1"))
            client.expect("8")
        epochs = [first]
        for _ in range(2):  # twice in a second: QuickFIX's own note of it has whole seconds
            with RawClient(house.port, "FIX.4.4", "FIRMA1") as client:
                answer = client.log_on(more="141=Y|")
                assert (answer["34"], answer["141"]) == ("1", "Y")
                client.order("a")
                wait_for(lambda: house.orders.messages)
                client.log_out()
            epochs.append(house.engine.epoch(FIRMA1))
            assert house.orders.messages.pop().session_epoch == epochs[-1]
        assert list(house.engine.sent_bodies(FIRMA1, 1)) == []
    assert first < epochs[1] < epochs[2]
    with open_house(tmp_path, engine=engine_name, started=False) as house:
        assert house.engine.epoch(FIRMA1) == epochs[2]


@pytest.mark.parametrize("how", ["wrong password", "clock far off"])
def test_a_stranger_cannot_reset_a_session(tmp_path: Path, how: str, engine_name: str):
    with open_house(tmp_path, engine=engine_name) as house:
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


def test_a_reset_by_a_stranger_is_undone_by_a_restart_too(tmp_path: Path, engine_name: str):
    with open_house(tmp_path, engine=engine_name) as house:
        with logged_on(house) as client:
            house.send(FIRMA1, report("E1"))
            client.expect("8")
        number = house.engine.next_outbound(FIRMA1)
        number += engine_name == "native"  # it tells the stranger why, with a Logout
        with RawClient(house.port, "FIX.4.4", "FIRMA1") as stranger:
            stranger.send("A", "98=0|108=30|141=Y|553=FIRMA1|554=wrong|", sent=timestamp(-1000))
            stranger.expect_disconnect()
    with open_house(tmp_path, engine=engine_name, started=False) as house:
        assert house.engine.next_outbound(FIRMA1) == number
