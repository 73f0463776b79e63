"""SecurityStatusRequest(e) and SecurityStatus(f): who is told of which phase, and when. `|` stands for SOH."""

import pytest
from prometheus_client import CollectorRegistry

from configs.loader import Venue
from marketdata.book import Book
from marketdata.fix.feed import FixFeed
from marketdata.fix.messages import FIX42, FIX44, FIX50SP2, Dialect
from marketdata.fix.status import status_body
from marketdata.messages import BookIncrement, MarketPhase
from marketdata.metrics import FeedMetrics
from marketdata.replica import Change, Replica
from matcher.increments import PhaseChange
from matcher.orders import BUY
from matcher.phases import CLOSED, CONTINUOUS, HALT, OPENING_AUCTION, PHASE_NAMES, VOLATILITY_AUCTION, Phase
from sessions.port import InboundMessage

from .conftest import NOW_NS, SYMBOL, public

MD = "FIX.4.4:MD1"
CONTINUOUS_F = "f 324=s1|55=AAPL|625=3|326=17|60=20260921-14:13:20.123|58=continuous trading|"
UNKNOWN_F = "f 324=s1|55=AAPL|326=20|60=20260921-14:13:20.123|"
HALTED = public(1, phase=PhaseChange(HALT, 0, "news"))
HALTED_F = "f 324=s1|55=AAPL|326=2|60=20260921-14:13:21.123|58=halt: news|"


@pytest.mark.parametrize(
    ("phase", "codes"),
    [
        ("1", ("336=1|326=18", "625=1|326=21", "625=1|326=21")),
        ("2", ("336=2|326=5", "625=2|326=21", "625=2|326=21")),
        ("3", ("336=3|326=17", "625=3|326=17", "625=3|326=17")),
        ("4", ("336=4|326=5", "625=4|326=21", "625=4|326=21")),
        ("5", ("336=5|326=18", "625=5|326=18", "625=5|326=26")),
        ("6", ("336=9|326=5", "625=9|326=21", "625=9|326=21|1174=3")),
        ("H", ("326=2", "326=2", "326=2")),
        ("C", ("326=18", "326=18", "326=18")),
    ],
)
def test_each_phase_in_each_version(phase: Phase, codes: tuple[str, str, str]) -> None:
    text = f"58={PHASE_NAMES[phase]}|"
    for dialect, code, time, told in zip(
        (FIX42, FIX44, FIX50SP2), codes, (".123", ".123", ".123456"), ("", text, text), strict=True
    ):
        assert body(dialect, MarketPhase(phase, NOW_NS, 0, "")) == (
            f"35=f|324=s1|55=AAPL|{code}|60=20260921-14:13:20{time}|{told}"
        )


def test_the_text_names_the_end_of_an_auction_and_the_reason() -> None:
    phase = MarketPhase(VOLATILITY_AUCTION, NOW_NS, NOW_NS + 300_000_000_000, "a price left its corridor")
    assert body(FIX44, phase).endswith(
        "|58=volatility auction until 20260921-14:18:20.123 UTC at the earliest: a price left its corridor|"
    )


def body(dialect: Dialect, phase: MarketPhase) -> str:
    return status_body(dialect, "s1", SYMBOL, phase, now_ns=NOW_NS).replace("\x01", "|")


class Books:
    """One book, which the test moves by hand."""

    def __init__(self) -> None:
        self.is_available = True
        self.replica = Replica(SYMBOL)

    def watch(self, symbol: str) -> Replica:
        assert symbol == SYMBOL
        return self.replica


class Desk:
    """A feed, its book, and what it sent to one session."""

    def __init__(self, venue: Venue) -> None:
        self.sent: list[str] = []
        self.books = Books()
        self.feed = FixFeed(self._send, venue, FeedMetrics(CollectorRegistry()), now_ns=lambda: NOW_NS)
        self.feed.attach(self.books)
        self.feed.on_logon(MD)

    def _send(self, session_id: str, bodies: list[str]) -> None:
        assert session_id == MD
        self.sent += [text.replace("\x01", "|").removeprefix("35=").replace("|", " ", 1) for text in bodies]

    def take(self) -> list[str]:
        taken, self.sent = self.sent, []
        return taken

    def receive(self, text: str) -> list[str]:
        """What it is answered."""
        self.feed.on_messages([InboundMessage(MD, 1, NOW_NS, f"8=FIX.4.4|34=5|{text}".replace("|", "\x01"))])
        return self.take()

    def ask(self, kind: str = "1", *, req: str = "s1") -> list[str]:
        return self.receive(f"35=e|324={req}|55=AAPL|263={kind}|")

    def book_comes(self) -> list[str]:
        self.feed.on_change(self.books.replica, self.books.replica.on_snapshot(Book(SYMBOL).snapshot()), None)
        return self.take()

    def publish(self, increment: BookIncrement) -> list[str]:
        change = self.books.replica.on_increment(increment)
        self.feed.on_change(self.books.replica, change, increment if change is Change.APPLIED else None)
        return self.take()

    def go_silent(self) -> list[str]:
        self.books.is_available = False
        self.books.replica.lose()
        self.feed.on_change(self.books.replica, Change.LOST, None)
        return self.take()


@pytest.fixture
def desk(venue: Venue) -> Desk:
    return Desk(venue)


@pytest.fixture
def current(desk: Desk) -> Desk:
    desk.book_comes()
    return desk


def test_a_subscriber_is_told_at_once_and_at_each_change_of_phase_and_of_nothing_else(current: Desk) -> None:
    assert current.ask() == [CONTINUOUS_F]
    assert current.publish(HALTED) == [HALTED_F]
    assert current.publish(public(2, ("0", BUY, 100, 1))) == []
    (auction,) = current.publish(public(3, phase=PhaseChange(OPENING_AUCTION, 0, "")))
    assert auction.startswith("f 324=s1|55=AAPL|625=2|326=21|")


def test_another_end_of_the_same_auction_is_told_too(current: Desk) -> None:
    current.publish(public(1, phase=PhaseChange(OPENING_AUCTION, NOW_NS, "")))
    current.ask()
    (told,) = current.publish(public(2, phase=PhaseChange(OPENING_AUCTION, NOW_NS + 1_000_000, "")))
    assert "until 20260921-14:13:20.124 UTC" in told


def test_f_comes_before_the_x_of_the_same_increment(current: Desk) -> None:
    current.ask()
    current.receive("35=V|262=r1|263=1|264=0|265=1|267=1|269=0|146=1|55=AAPL|")
    sent = current.publish(public(1, ("0", BUY, 100, 1), phase=PhaseChange(CLOSED, 0, "")))
    assert [text[0] for text in sent] == ["f", "X"]


def test_a_snapshot_request_is_answered_once_and_waits_for_the_book(desk: Desk) -> None:
    assert desk.ask("0") == []
    assert desk.book_comes() == [CONTINUOUS_F]
    assert desk.publish(HALTED) == []
    assert desk.ask("0") == [HALTED_F]


def test_unsubscribing_ends_it_and_frees_the_id(current: Desk) -> None:
    current.ask()
    assert current.ask("2") == []
    assert current.publish(HALTED) == []
    assert current.ask() == [HALTED_F]


def test_logging_out_ends_it(current: Desk) -> None:
    current.ask()
    current.feed.on_logout(MD)
    assert current.publish(HALTED) == []
    current.feed.on_logon(MD)
    assert current.publish(public(2, phase=PhaseChange(CONTINUOUS, 0, ""))) == []


def test_a_lost_book_makes_the_phase_unknown_until_it_is_back(current: Desk) -> None:
    current.ask()
    assert current.publish(public(2, ("0", BUY, 100, 1))) == [UNKNOWN_F]
    assert current.publish(HALTED) == [HALTED_F]


def test_without_market_data_a_subscriber_is_told_so_once_and_a_snapshot_request_is_refused(desk: Desk) -> None:
    assert desk.ask("0", req="waiting") == []
    refused = "j 45=5|58=no market data for Symbol(55)=AAPL at the moment; ask again|372=e|379={}|380=4|"
    assert desk.go_silent() == [refused.format("waiting")]
    assert desk.ask("0", req="late") == [refused.format("late")]
    assert desk.ask() == [UNKNOWN_F]
    assert desk.go_silent() == []
    desk.books.is_available = True
    assert desk.book_comes() == [CONTINUOUS_F]


@pytest.mark.parametrize(
    ("text", "reject"),
    [
        ("55=AAPL|263=1|", "58=SecurityStatusReqID(324) is missing; a SecurityStatusRequest needs it|372=e|380=5|"),
        (
            "324=x|55=AAPL|",
            "58=SubscriptionRequestType(263) is missing; a SecurityStatusRequest needs it|372=e|379=x|380=5|",
        ),
        ("324=x|263=1|", "58=Symbol(55) is missing; a SecurityStatusRequest needs it|372=e|379=x|380=5|"),
        (
            "324=x|55=AAPL|263=3|",
            "58=SubscriptionRequestType(263)=3; send 0 snapshot, 1 subscribe or 2 unsubscribe|372=e|379=x|380=0|",
        ),
        ("324=x|55=XYZ|263=1|", "58=Symbol(55)=XYZ is not traded here|372=e|379=x|380=2|"),
        ("324=x|263=2|", "58=SecurityStatusReqID(324)=x is not subscribed; nothing to end|372=e|379=x|380=1|"),
        (
            "324=s1|55=AAPL|263=1|",
            "58=SecurityStatusReqID(324)=s1 is in use; end it first, or choose another|372=e|379=s1|380=0|",
        ),
    ],
)
def test_a_request_that_cannot_be_met_is_answered_with_j(current: Desk, text: str, reject: str) -> None:
    current.ask()
    assert current.receive(f"35=e|{text}") == [f"j 45=5|{reject}"]


def test_the_request_that_is_being_served_may_be_sent_again_by_the_session_layer(current: Desk) -> None:
    current.ask()
    assert current.receive("43=Y|35=e|324=s1|55=AAPL|263=1|") == []


def test_phases_and_books_share_one_limit_of_symbols(current: Desk) -> None:
    for number in range(3):
        current.ask(req=f"s{number}")
    text = "3 symbols are subscribed and at most 3 may be; unsubscribe some first"
    assert current.ask(req="s3") == [f"j 45=5|58={text}|372=e|379=s3|380=0|"]
    assert current.receive("35=V|262=r1|263=1|264=0|265=1|267=1|269=0|146=1|55=AAPL|") == [f"Y 262=r1|281=2|58={text}|"]
