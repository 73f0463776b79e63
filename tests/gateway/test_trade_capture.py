"""Subscriptions of trade capture: what ends one, and what does not, with a replayer that serves when it is told to."""

import pytest

from configs.loader import FirmConfig, SessionConfig, Venue, VenueConfig
from gateway.drop_copy.copies import DropCopies
from gateway.drop_copy.replay import Job, Outcome
from gateway.drop_copy.spans import Span
from gateway.drop_copy.trade_capture import TradeCapture
from gateway.drop_copy.trading_days import TradingDays
from gateway.fix.outbound import Reports
from matcher.events import Event, OrderFilled
from matcher.instruments import Increment, Instrument
from matcher.orders import OrderState
from sessions.accounts import Account
from sessions.fix_text import parse
from sessions.port import SessionKey

S = "FIX.4.4:DC"
NOW_NS = 1_767_605_400_000_000_000
TEST = Instrument("TEST", Increment(1, 2), Increment(1, 0), 100, "USD", 0)
ORDER = OrderState(7, "FIX.4.4:A1", "A", "a-1", "", "TEST", "1", "2", "0", 500, 10, 6, 4, 2000, "1")


class Replayer:
    """Keeps what it is to serve."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.is_full = False

    def submit(self, job: Job) -> bool:
        if not self.is_full:
            self.jobs.append(job)
        return not self.is_full

    def withdraw(self, job: Job) -> None:
        self.jobs.remove(job)

    def serve(self, fault: str = "") -> None:
        job = self.jobs.pop()
        job.begin({0: 0})
        job.join(0, 0)
        job.end(Outcome(0, {}, False, fault))

    def refuse(self) -> None:
        self.jobs.pop().refuse(Span(0), "not so far back")


class House:
    def __init__(self) -> None:
        venue = Venue(VenueConfig(firms=(FirmConfig("A", (SessionConfig("A1", "password"),)),)), {"TEST": TEST})
        copies = DropCopies(Reports({"TEST": TEST}))
        copies.follow([Account(SessionKey("FIX.4.4", "DC"), "READERS", "dropcopy", "", "all")], {"A1": "A"})
        self.sent: list[dict[str, str]] = []
        self.replayer = Replayer()
        self.capture = TradeCapture(
            copies,
            venue.instruments,
            TradingDays(venue),
            shards=1,
            owners={"A1": "A"},
            send=lambda _session_id, bodies: self.sent.extend(map(parse, bodies)),
            now_ns=lambda: NOW_NS,
        )
        self.capture.attach(self.replayer)  # type: ignore[arg-type]  # all that it needs
        self._exec_seq = 0

    def ask(self, request_id: str, subscription: str, more: str = "") -> None:
        text = f"8=FIX.4.4|35=AD|34=2|{more}263={subscription}|568={request_id}|569=0|".replace("|", "\x01")
        self.capture.take(S, parse(text), text)

    def trade(self) -> list[str]:
        """One more happens; TradeRequestID(568) of each AE that tells of it."""
        self._exec_seq += 1
        events: list[Event] = [OrderFilled(self._exec_seq, 0, NOW_NS, "", ORDER, 9, 500, 4, True)]
        before = len(self.sent)
        self.capture.on_events(0, [(self._exec_seq, events)])
        return [fields["568"] for fields in self.sent[before:]]


@pytest.fixture
def house() -> House:
    return House()


def test_a_subscription_goes_on_behind_its_snapshot(house: House) -> None:
    house.ask("t-1", "1")
    assert house.trade() == []  # the snapshot will have it
    house.replayer.serve()
    assert [fields["750"] for fields in house.sent] == ["0", "1"]
    assert house.trade() == ["t-1"]
    house.capture.end_session(S)
    assert house.trade() == []


def test_to_end_a_subscription_ends_its_snapshot(house: House) -> None:
    house.ask("t-1", "1")
    house.ask("t-1", "2")
    assert house.replayer.jobs == []
    assert house.trade() == []


@pytest.mark.parametrize("how", ["refused", "unreadable", "too many"])
def test_a_snapshot_that_comes_to_nothing_ends_no_subscription_of_the_same_name(house: House, how: str) -> None:
    house.ask("t-1", "1")
    house.replayer.serve()
    house.replayer.is_full = how == "too many"
    house.ask("t-1", "0")
    if how == "refused":
        house.replayer.refuse()
    elif how == "unreadable":
        house.replayer.serve("ask again")
    assert house.sent[-1]["750"] == "2"
    assert house.trade() == ["t-1"]


@pytest.mark.parametrize("how", ["refused", "unreadable", "too many"])
def test_a_subscription_that_comes_to_nothing_has_ended(house: House, how: str) -> None:
    house.replayer.is_full = how == "too many"
    house.ask("t-1", "1")
    if how == "refused":
        house.replayer.refuse()
    elif how == "unreadable":
        house.replayer.serve("ask again")
    assert house.sent[-1]["750"] == "2"
    assert house.trade() == []
    house.ask("t-1", "2")
    assert house.sent[-1]["58"] == "TradeRequestID(568)=t-1 is not subscribed; nothing to end"
