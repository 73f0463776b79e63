"""The drop copies of FIX.md's samples: the real desk, with all that has happened in memory."""

from collections.abc import Iterator

from configs.loader import Venue
from gateway.drop_copy.copies import DropCopies
from gateway.drop_copy.desk import DropCopyDesk
from gateway.drop_copy.trade_capture import TradeCapture
from gateway.drop_copy.trading_days import TradingDays
from gateway.fix.outbound import Reports
from matcher.events import Event
from sessions.accounts import Account
from sessions.fix_text import SOH
from sessions.port import InboundMessage, SessionKey
from tests.gateway.instant_replayer import InstantReplayer


class SampleReaders:
    def __init__(self, venue: Venue, reports: Reports, begin_string: str) -> None:
        self.now_ns = 0
        self._begin_string = begin_string
        self._accounts: list[Account] = []
        self._owners = {session.comp_id: firm.name for firm, session in venue.sessions()}
        self._sent: list[tuple[str, str]] = []
        self._copies = DropCopies(reports)
        self._trades = TradeCapture(
            self._copies,
            venue.instruments,
            TradingDays(venue),
            shards=venue.config.shards,
            owners=self._owners,
            send=self._send,
            now_ns=lambda: self.now_ns,
        )
        self._desk = DropCopyDesk(self._copies, self._trades, shards=venue.config.shards, send=self._send)
        self._replayer = InstantReplayer(self._send)
        self._desk.attach(self._replayer)  # type: ignore[arg-type]  # all that the desk needs

    def __contains__(self, comp_id: object) -> bool:
        return comp_id in {account.key.comp_id for account in self._accounts}

    def add(self, comp_id: str, firms: str) -> None:
        key = SessionKey(self._begin_string, comp_id)
        self._accounts.append(Account(key, "CLEARING", "dropcopy", "", tuple(firms.split(","))))
        self._copies.follow(self._accounts, self._owners)

    def ask(self, comp_id: str, number: int, body: str) -> Iterator[str]:
        msg_type, _, rest = body.replace("|", SOH).partition(SOH)
        text = f"8={self._begin_string}{SOH}9=1{SOH}{msg_type}{SOH}34={number}{SOH}{rest}"
        self._desk.on_messages([InboundMessage(f"{self._begin_string}:{comp_id}", 1, self.now_ns, text)])
        yield from self._told()

    def see(self, shard: int, events: list[Event]) -> Iterator[str]:
        self._replayer.records += 1
        self._replayer.events.setdefault(shard, []).extend(events)
        for event in events:
            self._sent += self._copies.of(event, shard)
        self._trades.on_events(shard, [(self._replayer.records, events)])
        yield from self._told()

    def _send(self, session_id: str, bodies: list[str]) -> None:
        self._sent += [(session_id, body) for body in bodies]

    def _told(self) -> Iterator[str]:
        sent, self._sent = self._sent, []
        for session_id, body in sent:
            yield f"{session_id.partition(':')[2]} < {body.replace(SOH, '|')}"
