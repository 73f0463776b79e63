"""
The public books: increments without holes, never crossed, the same for whoever asks, and in the end what rests. Pure.

Looks at W and X (FIX 5.0SP2, MarketDepth(264)=0, all entry types) of market-data sessions:

- RptSeq(83) of an X is one more than that of the message before it for the same MDReqID(262) and symbol;
- one number, one content: two X with one number tell the same, and a W tells the book that the X before it led to;
- the book is not crossed after any message, and an X changes only levels that are there;
- the last book is what the live orders make, icebergs and hidden orders considered.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from sessions.fix_text import pairs, parse
from simulators.torture.reports import Report
from simulators.torture.trade_audit import PublicTrade
from simulators.torture.violations import Findings

Fields = dict[str, str]
_BID: Final = "0"
_OFFER: Final = "1"
_TRADE: Final = "2"
_SIDE_OF: Final = {"1": _BID, "2": _OFFER}


class _Level(NamedTuple):
    qty: Decimal
    order_count: int


Levels = dict[tuple[str, Decimal], _Level]
"""By MDEntryType(269) and price."""


class _Book(msgspec.Struct):
    """One symbol as one subscription has it."""

    number: int
    levels: Levels


class BookAudit:
    """All market data that was received."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._books: dict[tuple[str, str, str], _Book] = {}
        """By session, MDReqID(262) and symbol."""
        self._increments: dict[tuple[str, int], int] = {}
        """The digest of each increment's content, by symbol and number."""
        self._states: dict[tuple[str, int], int] = {}
        """The digest of each book, by symbol and the number of the last increment in it."""
        self._last: dict[str, _Book] = {}
        """The newest book of each symbol that anybody had."""
        self.trades: dict[tuple[str, str], PublicTrade] = {}
        self.increments = 0

    def on_message(self, session: str, text: str) -> None:
        """A session received this, in order."""
        fields = parse(text)
        if fields["35"] == "W":
            self._snapshot(session, fields, list(_entries(text, "269")))
        elif fields["35"] == "X":
            entries = list(_entries(text, "279"))
            self._increment(session, fields, int(entries[-1]["83"]), entries)
        elif fields["35"] in {"j", "Y"}:
            self._find("answered once", f"{session}: market data was refused: {fields.get('58', fields['35'])}")

    def on_disconnected(self, session: str) -> None:
        """Its subscriptions are over."""
        self._books = {key: book for key, book in self._books.items() if key[0] != session}

    def level(self, symbol: str, side: str, price: Decimal) -> int:
        """How many orders the newest book has at a price."""
        book = self._last.get(symbol)
        level = book.levels.get((_SIDE_OF[side], price)) if book else None
        return level.order_count if level else 0

    def finish(self, live: Iterable[Report]) -> None:
        """Nothing more comes; these orders live, quotes among them."""
        expected = _expected_levels(live)
        for symbol, book in self._last.items():
            self._compare(symbol, book, expected.get(symbol, {}))

    def _snapshot(self, session: str, fields: Fields, entries: list[Fields]) -> None:
        key = session, fields["262"], fields["55"]
        if "1682" not in fields:  # the gateway cannot vouch for the book: the next message for it is a W
            self._books.pop(key, None)
            return
        number = int(fields.get("83") or next((entry["83"] for entry in entries if "83" in entry), "0"))
        levels: Levels = {}
        for entry in entries:
            if entry["269"] in (_BID, _OFFER):
                levels[entry["269"], Decimal(entry["270"])] = _Level(Decimal(entry["271"]), int(entry["346"]))
        before = self._books.get(key)
        if before is not None and number < before.number:
            self._find("increments", f"{session}: W of {key[2]} goes back from 83={before.number} to {number}")
        self._books[key] = _Book(number, levels)
        self._check(session, key[2], self._books[key], "W")

    def _increment(self, session: str, fields: Fields, number: int, entries: list[Fields]) -> None:
        symbol = entries[0]["55"]
        book = self._books.get((session, fields["262"], symbol))
        if book is None:
            self._find("increments", f"{session}: X of {symbol} 83={number} comes before a W with the whole book")
            return
        self.increments += 1
        if number != book.number + 1:
            self._find("increments", f"{session}: X of {symbol} has 83={number} after {book.number}")
        book.number = number
        for entry in entries:
            self._apply(session, symbol, number, book.levels, entry)
        told = hash(tuple(tuple(sorted(entry.items())) for entry in entries))
        if self._increments.setdefault((symbol, number), told) != told:
            self._find("increments", f"{session}: X of {symbol} 83={number} was told before with another content")
        self._check(session, symbol, book, "X")

    def _apply(self, session: str, symbol: str, number: int, levels: Levels, entry: Fields) -> None:
        kind, action = entry["269"], entry["279"]
        if kind == _TRADE and action == "0":
            trade = PublicTrade(symbol, entry["1003"], Decimal(entry["270"]), Decimal(entry["271"]), number)
            before = self.trades.setdefault((symbol, trade.match_id), trade)
            if before != trade:
                self._find("nothing twice", f"{session}: trade {symbol}-{trade.match_id} is {trade}, and was {before}")
        if kind not in (_BID, _OFFER):
            return
        key = kind, Decimal(entry["270"])
        if (key in levels) != (action != "0"):
            what = {"0": "new, but there already", "1": "changed, but not there", "2": "gone, but not there"}[action]
            self._find("increments", f"{session}: X of {symbol} 83={number}: level {entry['270']} is {what}")
        levels.pop(key, None)
        if action != "2":
            levels[key] = _Level(Decimal(entry["271"]), int(entry["346"]))

    def _check(self, session: str, symbol: str, book: _Book, msg_type: str) -> None:
        where = f"{session}: the book of {symbol} after {msg_type} 83={book.number}"
        bids = [price for side, price in book.levels if side == _BID]
        offers = [price for side, price in book.levels if side == _OFFER]
        if bids and offers and max(bids) >= min(offers):
            self._find("never crossed", f"{where} has bid {max(bids)} and offer {min(offers)}")
        state = hash(tuple(sorted(book.levels.items())))
        if self._states.setdefault((symbol, book.number), state) != state:
            self._find("increments", f"{where} is not the one that another reader had after that increment")
        newest = self._last.get(symbol)
        if newest is None or newest.number <= book.number:
            self._last[symbol] = _Book(book.number, dict(book.levels))

    def _compare(self, symbol: str, book: _Book, expected: "dict[tuple[str, Decimal], _Expected]") -> None:
        for side, price in sorted(book.levels.keys() | expected.keys()):
            level = book.levels.get((side, price), _Level(Decimal(0), 0))
            wanted = expected.get((side, price), _Expected())
            if level.order_count != wanted.order_count or not wanted.qty_min <= level.qty <= wanted.qty_max:
                what = "bid" if side == _BID else "offer"
                self._find(
                    "final book",
                    f"{symbol} {what} {price} shows {level.qty} of {level.order_count} orders after 83={book.number}, "
                    f"but {wanted.qty_min} to {wanted.qty_max} of {wanted.order_count} rest there",
                )

    def _find(self, promise: str, sentence: str) -> None:
        self._findings.add(promise, sentence)


class _Expected(msgspec.Struct):
    """What live orders make of one level; of an iceberg's slice only the bounds are known."""

    order_count: int = 0
    qty_min: Decimal = Decimal(0)
    qty_max: Decimal = Decimal(0)


def _expected_levels(live: Iterable[Report]) -> dict[str, dict[tuple[str, Decimal], _Expected]]:
    books: dict[str, dict[tuple[str, Decimal], _Expected]] = defaultdict(dict)
    for report in live:
        if report.is_waiting or report.display_qty == 0 or report.standing_px is None:
            continue
        level = books[report.symbol].setdefault((_SIDE_OF[report.side], report.standing_px), _Expected())
        level.order_count += 1
        shown = report.leaves_qty if report.display_qty is None else min(report.display_qty, report.leaves_qty)
        level.qty_max += shown
        level.qty_min += shown if report.display_qty is None else min(Decimal(1), shown)
    return books


def _entries(text: str, delimiter: str) -> Iterator[Fields]:
    """The entries of the only repeating group of a message, each from its delimiter on."""
    entry: Fields = {}
    for tag, value in pairs(text):
        if tag == delimiter:
            if entry:
                yield entry
            entry = {tag: value}
        elif tag == "10":
            break
        elif entry:
            entry[tag] = value
    if entry:
        yield entry
