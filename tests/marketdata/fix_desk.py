"""A FIX feed without a venue: its books are moved by hand, and what it sent is kept as text, `|` for SOH."""

from prometheus_client import CollectorRegistry

from configs.loader import Venue
from marketdata.fix.feed import FixFeed
from marketdata.messages import BookIncrement
from marketdata.metrics import FeedMetrics
from marketdata.replica import Change, Replica
from sessions.port import InboundMessage

from .conftest import NOW_NS, SYMBOL

MD = "FIX.4.4:MD1"


class Books:
    """Replicas that the test moves by hand."""

    def __init__(self) -> None:
        self.is_available = True
        self.replicas: dict[str, Replica] = {}

    def watch(self, symbol: str) -> Replica:
        return self.replicas.setdefault(symbol, Replica(symbol))


class Desk:
    """A feed, its books, and what it sent."""

    def __init__(self, venue: Venue) -> None:
        self.sent: list[tuple[str, str]] = []
        self.books = Books()
        self.registry = CollectorRegistry()
        self.feed = FixFeed(self._send, venue, FeedMetrics(self.registry), now_ns=lambda: NOW_NS)
        self.feed.attach(self.books)

    def _send(self, session_id: str, bodies: list[str]) -> None:
        self.sent += [
            (session_id, body.replace("\x01", "|").removeprefix("35=").replace("|", " ", 1)) for body in bodies
        ]

    def take(self, session_id: str = MD) -> list[str]:
        """What the session was sent since the last call; nobody else was sent anything."""
        taken, self.sent = self.sent, []
        assert {to for to, _ in taken} <= {session_id}
        return [text for _, text in taken]

    def receive(self, text: str, session_id: str = MD) -> None:
        self.feed.on_messages([InboundMessage(session_id, 1, NOW_NS, f"8=FIX|34=5|{text}".replace("|", "\x01"))])

    def ask(
        self,
        kind: str = "1",
        *,
        req: str = "r1",
        depth: int = 0,
        symbols: str = "55=AAPL|",
        types: str = "269=0|269=1|",
    ) -> str:
        return f"35=V|262={req}|263={kind}|264={depth}|265=1|267=2|{types}146=1|{symbols}"

    def book_comes(self, symbol: str = SYMBOL) -> None:
        replica = self.books.watch(symbol)
        self.feed.on_change(replica, replica.on_snapshot(Replica(symbol).book.snapshot(with_orders=True)), None)

    def publish(self, increment: BookIncrement) -> None:
        replica = self.books.watch(increment.symbol)
        change = replica.on_increment(increment)
        self.feed.on_change(replica, change, increment if change is Change.APPLIED else None)

    def go_silent(self) -> None:
        self.books.is_available = False
        for replica in self.books.replicas.values():
            replica.lose()
            self.feed.on_change(replica, Change.LOST, None)

    @property
    def subscriptions(self) -> float | None:
        return self.registry.get_sample_value("fix_feed_subscriptions")
