"""A running venue follows its configuration: sessions, limits, instruments; by a signal, or by the command `reload`."""

import asyncio
import json
import os
import signal
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bus.connection import Bus
from bus.streams import read_units
from configs.loader import ONE_MACHINE
from tests.conftest import venue_in_a_thread
from tests.sessions.house import wait_for
from tests.sessions.raw_client import Disconnected, RawClient, Received
from venue import ephemeral
from venue.up import RunningVenue

STARTS_S = 60.0


def firm(name: str, *comp_ids: str, password: str = "secret", kind: str = "orders") -> dict[str, Any]:
    return {
        "name": name,
        "sessions": [
            {"comp_id": comp_id, "password": password, "kind": kind, "versions": ["FIX.4.4"]} for comp_id in comp_ids
        ],
    }


class Operator:
    """Whoever changes the configuration of a running venue and reads its gateway's log."""

    def __init__(self, venue: RunningVenue) -> None:
        self.venue = venue
        self.config = tomllib.loads(venue.config_path.read_text())
        self._read: Counter[str] = Counter()

    def write(self, *firms: dict[str, Any], **sections: dict[str, Any]) -> None:
        """Configure these firms, and for once other values in some sections."""
        self.config["firms"] = list(firms)
        config = self.config | {name: self.config[name] | section for name, section in sections.items()}
        lines = (f"{ephemeral._toml(key)} = {ephemeral._toml(value)}\n" for key, value in config.items())
        self.venue.config_path.write_text("".join(lines))

    def reload(self, *firms: dict[str, Any], **sections: dict[str, Any]) -> dict[str, Any]:
        """As `write`, then have the gateway read it; what came of it."""
        self.write(*firms, **sections)
        self.hang_up()
        return self.logged("configuration_reloaded")

    def reload_venue(self) -> None:
        """Have all processes read it, as `up` does when it is asked."""
        loop = next(iter(self.venue.supervisor._tasks.values())).get_loop()
        asyncio.run_coroutine_threadsafe(self.venue.reload(), loop).result(STARTS_S)

    def write_instruments(self, *lines: str) -> None:
        """Trade what the shipped file says, with these lines added or in the place of those of the same symbol."""
        shipped = (ONE_MACHINE.parent / "instruments.toml").read_text().splitlines()
        symbols = {line.split(" =")[0] for line in lines if line}
        kept = [line for line in shipped if line.split(" =")[0] not in symbols]
        path = self.venue.config_path.parent / "instruments.toml"
        path.write_text("\n".join([*kept, *lines, ""]))
        self.config["instruments"] = path.name

    def hang_up(self) -> None:
        os.kill(self.venue.processes["gateway"].pid, signal.SIGHUP)

    def restart(self, generation: int) -> None:
        os.kill(self.venue.processes["gateway"].pid, signal.SIGKILL)
        wait_for(lambda: self.venue.processes["gateway"].ready_generation == generation, STARTS_S)

    def logged(self, event: str, process: str = "gateway") -> dict[str, Any]:
        """The next line of that event."""
        found: dict[str, Any] = {}

        def look() -> bool:
            lines = (self.venue.data_dir / "logs" / f"{process}.log").read_text().splitlines()
            for number in range(self._read[process], len(lines)):
                entry = json.loads(lines[number])
                if entry["event"] == event:
                    self._read[process] = number + 1
                    found.update(entry)
                    return True
            return False

        wait_for(look, STARTS_S)
        return found

    @contextmanager
    def logged_on(
        self, comp_id: str, *, next_seq: int = 1, password: str = "secret", more: str = ""
    ) -> Iterator[RawClient]:
        with RawClient(self.venue.fix_port, "FIX.4.4", comp_id, next_seq=next_seq) as client:
            assert client.log_on(password=password, more=more).msg_type == "A"
            yield client

    def is_unknown(self, comp_id: str) -> bool:
        """The venue closes the connection of this session without a word."""
        with RawClient(self.venue.fix_port, "FIX.4.4", comp_id) as client:
            try:
                client.log_on(password="secret")
            except Disconnected:
                return True
            return False


def send_order(
    client: RawClient, cl_ord_id: str, *, side: int = 1, symbol: str = "TEST1", qty: int = 100, price: str = "10"
) -> None:
    client.send("D", f"11={cl_ord_id}|38={qty}|40=2|44={price}|54={side}|55={symbol}|59=1|60=20261120-12:00:00|")


def buy(client: RawClient, cl_ord_id: str, side: int = 1, **order: Any) -> Received:
    send_order(client, cl_ord_id, side=side, **order)
    return client.expect("8")


def fill_gap(client: RawClient) -> None:
    """After a restart the venue asks again for what it had: nothing of that is new."""
    begin = int(client.expect("2")["7"])
    sent = "20261120-12:00:00"
    client.send("4", f"123=Y|36={client.next_seq}|", seq=begin, header=f"43=Y|122={sent}|")


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with venue_in_a_thread(tmp_path_factory.mktemp("venue"), firms=[firm("STAYS", "STAY1")]) as venue:
        yield Operator(venue)


@pytest.fixture
def stays(operator: Operator) -> Iterator[RawClient]:
    """A session that is configured all the time, and notices nothing."""
    with RawClient(operator.venue.fix_port, "FIX.4.4", "STAY1") as client:
        assert client.log_on(password="secret", more="141=Y|").msg_type == "A"
        yield client
        client.send("1", "112=still here|")
        assert client.expect("0")["112"] == "still here"
        client.send("5")
        client.expect("5")


@pytest.mark.usefixtures("stays")
def test_a_new_session_may_log_on_and_trade(operator: Operator) -> None:
    assert operator.is_unknown("NEW1")
    told = operator.reload(firm("STAYS", "STAY1"), firm("NEW", "NEW1"), firm("FEED", "FEED1", kind="marketdata"))
    assert told["added"] == ["FIX.4.4:NEW1", "FIX.4.4:FEED1"]
    with operator.logged_on("NEW1") as client:
        assert buy(client, "n1")["150"] == "0"
        client.send("F", "11=n2|41=n1|54=1|55=TEST1|60=20261120-12:00:00|38=100|")
        assert client.expect("8")["150"] == "4"
    with operator.logged_on("FEED1") as feed:
        feed.send("V", "262=r|263=0|264=0|267=1|269=0|146=1|55=TEST1|")
        assert feed.expect("W")["55"] == "TEST1"


@pytest.mark.usefixtures("stays")
def test_a_removed_session_is_logged_out_and_its_orders_and_reports_wait_for_it(operator: Operator) -> None:
    operator.reload(firm("STAYS", "STAY1"), firm("GONE", "GONE1"), firm("OTHER", "OTHER1"))
    with operator.logged_on("GONE1") as client:
        buy(client, "g1")
        told = operator.reload(firm("STAYS", "STAY1"), firm("OTHER", "OTHER1"))
        assert told["removed"] == ["FIX.4.4:GONE1"]
        assert client.expect("5")["58"] == "the session was removed"
        client.send("5")
        client.expect_disconnect()
    assert operator.is_unknown("GONE1")
    with operator.logged_on("OTHER1") as other:
        assert buy(other, "o1", side=2)["150"] == "0"
        assert other.expect("8")["31"] == "10.00"  # with the order that is still there
    assert operator.reload(firm("STAYS", "STAY1"), firm("GONE", "GONE1"))["added"] == ["FIX.4.4:GONE1"]
    with operator.logged_on("GONE1", next_seq=4) as client:
        client.send("2", "7=4|16=0|")
        fill = client.expect("8")
        assert (fill["11"], fill["31"], fill["43"]) == ("g1", "10.00", "Y")


@pytest.mark.usefixtures("stays")
def test_a_new_password_counts_at_the_next_logon(operator: Operator) -> None:
    operator.reload(firm("STAYS", "STAY1"), firm("PASS", "PASS1"))
    with operator.logged_on("PASS1") as client:
        told = operator.reload(firm("STAYS", "STAY1"), firm("PASS", "PASS1", password="other"))
        assert (told["changed"], told["added"], told["removed"]) == (["FIX.4.4:PASS1"], [], [])
        client.send("1", "112=up|")
        assert client.expect("0")["112"] == "up"
        client.send("5")
        client.expect("5")
    with RawClient(operator.venue.fix_port, "FIX.4.4", "PASS1", next_seq=4) as client:
        assert client.log_on(password="secret").msg_type == "5"
    with operator.logged_on("PASS1", next_seq=4, password="other"):
        pass


@pytest.mark.usefixtures("stays")
@pytest.mark.parametrize("text", ["[gateway", 'comp_id = "OUTCRY"\nnonsense = 1\n', 'instruments = "not there.toml"\n'])
def test_a_file_that_cannot_be_used_changes_nothing(operator: Operator, text: str) -> None:
    operator.reload(firm("STAYS", "STAY1"), firm("KEPT", "KEPT1"))
    with operator.logged_on("KEPT1", more="141=Y|") as client:
        operator.venue.config_path.write_text(text)
        operator.hang_up()
        told = operator.logged("configuration_not_reloaded")
        assert told["reason"].endswith("; nothing was changed")
        assert "venue.toml" in told["reason"] or "not there.toml" in told["reason"]
        client.send("5")
        client.expect("5")
    operator.reload(firm("STAYS", "STAY1"))


@pytest.mark.usefixtures("stays")
def test_what_needs_a_restart_is_named_and_ignored(operator: Operator) -> None:
    operator.reload(firm("STAYS", "STAY1"), firm("MOVES", "MOVES1"))
    told = operator.reload(
        firm("STAYS", "STAY1"), firm("TO", "MOVES1"), gateway={"fix_port": 1}, marketdata={"fix_subscriptions_max": 7}
    )
    assert (told["added"], told["removed"], told["changed"]) == ([], [], [])
    assert operator.logged("configuration_needs_restart")["ignored"] == [
        "gateway.fix_port",
        "marketdata.fix_subscriptions_max",
        "firm and kind of session FIX.4.4:MOVES1",
    ]
    with operator.logged_on("MOVES1"):
        pass
    operator.reload(firm("STAYS", "STAY1"))


NEW = 'NEW = { tick = "0.05", reference_price = "10.00", shard = 1 }'


def units_of_shard(venue: RunningVenue, shard: int) -> dict[str, str]:
    """Of the symbols that the operator's commands know."""

    async def read() -> dict[str, str]:
        bus = await Bus.connect(venue.venue.config.nats.url, name="test")
        try:
            return await read_units(bus, shard)
        finally:
            await bus.close()

    return asyncio.run(read())


@pytest.mark.parametrize("engine", ["native", "quickfix"])
def test_limits_rules_and_instruments_hold_at_once(tmp_path: Path, engine: str) -> None:
    """On both shards: TEST1 is on the first, TEST2 on the second."""
    stays = firm("STAYS", "STAY1")
    with venue_in_a_thread(tmp_path, firms=[stays], gateway={"engine": engine}) as venue:
        operator = Operator(venue)
        with operator.logged_on("STAY1") as client:

            def answers(begin: str, **order: Any) -> bool:
                """Whether such an order is answered so, "" for its being taken."""
                return buy(client, next(cl_ord_ids), **order).fields.get("58", "").startswith(begin)

            cl_ord_ids = (f"c-{number}" for number in count())
            assert answers("UNKNOWN_SYMBOL", symbol="NEW")
            operator.write_instruments(NEW)
            operator.write(stays | {"limits": {"qty_lots_max": 50}})
            operator.reload_venue()
            for symbol in ("TEST1", "TEST2", "NEW"):
                wait_for(lambda symbol=symbol: answers("QTY_ABOVE_LIMIT", symbol=symbol), STARTS_S)  # type: ignore[misc]
            assert buy(client, "n-1", symbol="NEW", qty=50)["39"] == "0"
            assert answers("PRICE_OFF_TICK", symbol="NEW", price="1.02")
            wait_for(lambda: "NEW" in units_of_shard(venue, 1), STARTS_S)
            operator.write_instruments(NEW.replace("}", ', qty_max = "70" }'))
            operator.write(stays)
            operator.reload_venue()
            wait_for(lambda: buy(client, next(cl_ord_ids), symbol="TEST1")["39"] == "0", STARTS_S)
            wait_for(lambda: buy(client, next(cl_ord_ids), symbol="NEW", qty=70)["39"] == "0", STARTS_S)
            assert answers("QTY_ABOVE_LIMIT", symbol="NEW", qty=71)


UNUSABLE: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown key": ({"nonsense": 1}, "", "unknown field `nonsense`"),
    "another tick": (
        {},
        'TEST1 = { tick = "0.05", reference_price = "10.00", shard = 0 }',
        "TEST1 is traded with tick",
    ),
    "another number of shards": ({"shards": 3}, "", "shards = 3, but the logs are those of 2; make it 2 again"),
}


@pytest.mark.parametrize("name", list(UNUSABLE))
@pytest.mark.parametrize("asks_each", [False, True])
def test_a_faulty_file_changes_nothing_anywhere(tmp_path: Path, name: str, *, asks_each: bool) -> None:
    """Whether the venue is asked, or each of its processes."""
    keys, instrument, fault = UNUSABLE[name]
    with venue_in_a_thread(tmp_path, firms=[firm("STAYS", "STAY1")]) as venue:
        operator = Operator(venue)
        operator.write_instruments(NEW, instrument)
        operator.config |= keys
        operator.write(firm("STAYS", "STAY1") | {"limits": {"qty_lots_max": 50}}, firm("NEW", "NEW1"))
        if asks_each:
            for process in ("matcher-0", "matcher-1", "gateway"):
                os.kill(venue.processes[process].pid, signal.SIGHUP)
                told = operator.logged("configuration_not_reloaded", process)["reason"]
                assert fault in told
                assert told.endswith("; nothing was changed")
        else:
            operator.reload_venue()
        assert operator.is_unknown("NEW1")
        with operator.logged_on("STAY1") as client:
            assert [buy(client, f"a-{symbol}", symbol=symbol)["39"] for symbol in ("TEST1", "TEST2")] == ["0", "0"]
            assert "UNKNOWN_SYMBOL" in buy(client, "a-3", symbol="NEW")["58"]


def test_another_throttle_counts_from_the_next_request_on(tmp_path: Path) -> None:
    def throttled(**lines: int) -> dict[str, Any]:
        return firm("STAYS", "STAY1") | {"limits": {"throttle": lines}}

    with venue_in_a_thread(tmp_path, firms=[throttled(per_second=1, burst=2)]) as venue:
        operator = Operator(venue)
        with operator.logged_on("STAY1") as client:
            for number in range(3):
                send_order(client, f"a-{number}")
            assert [client.receive().msg_type for _ in range(3)] == ["8", "8", "j"]
            operator.reload(throttled())
            assert [buy(client, f"b-{number}")["39"] for number in range(9)] == ["0"] * 9


def test_a_session_that_returns_after_a_restart_gets_what_it_missed(tmp_path: Path) -> None:
    there, away = [firm("AWAY", "AWAY1"), firm("OTHER", "OTHER1")], [firm("OTHER", "OTHER1")]
    with venue_in_a_thread(tmp_path, firms=there) as venue:
        operator = Operator(venue)
        with operator.logged_on("AWAY1") as client:
            buy(client, "a1")
            wait_for(lambda: b"AWAY1" in (venue.data_dir / "gateway-gw1.marks").read_bytes())
        operator.write(*away)
        operator.restart(generation=2)
        with operator.logged_on("OTHER1") as other:
            buy(other, "o1", side=2)
            assert other.expect("8")["31"] == "10.00"
        operator.write(*there)
        operator.hang_up()
        assert operator.logged("configuration_reloaded")["added"] == ["FIX.4.4:AWAY1"]
        with operator.logged_on("AWAY1", next_seq=3) as client:
            fill_gap(client)
            client.send("2", "7=1|16=0|")
            client.send("1", "112=end|")
            while client.receive().fields.get("112") != "end":
                pass
        told = [(m["11"], m["150"]) for m in client.received if m.msg_type == "8"]
        assert told == [("a1", "0"), ("a1", "F")]


def test_quickfix_names_the_sessions_that_wait_for_a_restart(tmp_path: Path) -> None:
    there = [firm("STAYS", "STAY1"), firm("GOES", "GOES1")]
    with venue_in_a_thread(tmp_path, firms=there, gateway={"engine": "quickfix"}) as venue:
        operator = Operator(venue)
        told = operator.reload(firm("STAYS", "STAY1", password="other"), firm("NEW", "NEW1"))
        assert (told["added"], told["removed"], told["changed"]) == ([], [], [])
        ignored = operator.logged("configuration_needs_restart")["ignored"]
        assert ignored == [f"session FIX.4.4:{name} (QuickFIX)" for name in ("NEW1", "GOES1", "STAY1")]
        with operator.logged_on("STAY1"):
            pass
