"""
Everything of one symbol: its instrument and phase, its book, and the orders that wait beside the book.

A market is a value with a few places that are written by many; what is done with them stands in the modules by
subject. What the public has yet to be told of the command that is being done is collected here too, and taken by
`publication` when the command is finished.
"""

from typing import Final, NamedTuple

from sortedcontainers import SortedList

from matcher.books.auction import Interest
from matcher.books.book import Book
from matcher.books.stops import Stops
from matcher.books.tick_table import TickTable
from matcher.books.trade_memory import TradeMemory
from matcher.increments import Indicative, PhaseChange, TradePrint, TradeRevision
from matcher.instruments import Instrument
from matcher.operator_commands import ScheduledPhase
from matcher.orders import OrderState
from matcher.phases import COLLECTING, Phase

NO_INDICATIVE: Final = Indicative(0, 0, "", 0)
_BPS: Final = 10_000


class News(NamedTuple):
    """What the public is told of a command beside levels and trades; see `MarketDataIncrement`."""

    phase: PhaseChange | None
    indicative: Indicative | None
    revisions: list[TradeRevision]
    ended_day: str


NO_NEWS: Final = News(None, None, [], "")


class Market:
    """
    One symbol.

    Args:
        instrument: As defined first; `define` changes it.
        trades_max: How many trades to remember for busts and corrections.
    """

    __slots__ = (
        "announced_end_ns",
        "at_close",
        "awaited_phase",
        "base_price_ticks",
        "book",
        "ended_day",
        "expiries",
        "has_corridor",
        "has_followers",
        "has_news",
        "has_tick_bands",
        "indicative",
        "instrument",
        "interest",
        "is_bounded",
        "last_match_id",
        "last_price_ticks",
        "md_seq",
        "next_indicative",
        "opening_price_ticks",
        "parked",
        "peg_view",
        "pegs",
        "phase",
        "phase_change",
        "phase_ends_ns",
        "prints",
        "reference_price_ticks",
        "released",
        "revisions",
        "scheduled_phase",
        "seen_prints",
        "stops",
        "symbol",
        "ticks",
        "trade_memory",
        "trading_date",
        "unlisted",
    )

    def __init__(self, instrument: Instrument, *, trades_max: int) -> None:
        self.symbol: Final = instrument.symbol
        self.book: Final = Book()
        self.phase: Phase = instrument.rules.initial_phase
        self.phase_ends_ns = 0
        """When the auction ends, its random part included; 0 if that is not known, or in no auction."""
        self.announced_end_ns = 0
        """The same without its random part: what the public was told."""
        # What the schedule said last, and what it said during the halt that is on.
        self.scheduled_phase: ScheduledPhase | None = None
        self.awaited_phase: ScheduledPhase | None = None
        self.interest: Interest | None = None
        """What an auction's price is made of, kept up from command to command; None where there is no auction."""
        # The last trading day that ended, `YYYYMMDD`, or empty; and the one that ended with this command.
        self.trading_date = self.ended_day = ""
        self.reference_price_ticks = instrument.reference_price_ticks
        # Of the last trade; 0 before the first.
        self.last_price_ticks = 0
        self.base_price_ticks = 0
        """Of the last trade before the command that is being done: the middle of the dynamic corridor."""
        self.last_match_id = self.md_seq = 0
        self.trade_memory: Final = TradeMemory(trades_max)
        # Order ids of those that wait for their trigger, the closing auction, a price to be pegged to, their list.
        self.stops: Final = Stops()
        self.at_close: Final[dict[int, None]] = {}
        self.parked: Final[dict[int, None]] = {}
        self.unlisted: Final[dict[int, None]] = {}
        self.pegs: Final[dict[int, None]] = {}
        """All live pegged orders, parked or on the book."""
        self.peg_view: tuple[int, ...] | None = None
        """The best prices by which all pegged orders stand where they should; None when that is not known."""
        self.released: Final[dict[int, None]] = {}
        """Those that were told to be active and have not come in yet; empty between commands."""
        self.expiries: Final = SortedList()
        """(expire_ns, order id) of all live orders that end at a time."""
        self.has_followers = False
        """Some order here may act on its own: a stop, a peg, a leg of a list, a quote. Else no rounds are run."""
        # What the public has yet to be told.
        self.prints: list[TradePrint] = []
        self.seen_prints = 0
        """How many of `prints` were looked at for the stops that they reach."""
        self.opening_price_ticks = 0
        """The last trade when continuous trading began in this command, until stops were looked at; else 0."""
        self.has_news = self.phase in COLLECTING
        """Something else than levels and trades may have changed."""
        self.phase_change: PhaseChange | None = None
        self.revisions: list[TradeRevision] = []
        self.indicative = NO_INDICATIVE
        """As it was told last."""
        self.next_indicative = NO_INDICATIVE
        """As it stands now."""
        self.define(instrument)
        if self.phase in COLLECTING:
            self.book.hide({})  # nothing rests yet

    def define(self, instrument: Instrument) -> None:
        """Trade by these rules from now on."""
        self.instrument: Instrument = instrument
        rules = instrument.rules
        self.ticks = TickTable(rules.tick_bands)
        self.has_tick_bands = bool(rules.tick_bands)
        self.peg_view = None  # pegged orders may stand at other ticks now
        self.has_corridor = bool(rules.static_corridor_bps or rules.dynamic_corridor_bps)
        self.is_bounded = bool(rules.qty_lots_max or rules.notional_max or rules.price_band_bps)

    def next_match_id(self) -> int:
        """The number of the match that happens now, from 1."""
        self.last_match_id += 1
        return self.last_match_id

    def note_trade(self, price_ticks: int) -> None:
        """The symbol traded in an uncrossing: the next corridor is around that price (CORRIDOR-2)."""
        self.last_price_ticks = self.base_price_ticks = price_ticks

    def corridor(self) -> tuple[int, int]:
        """The lowest and the highest price of a trade just now (CORRIDOR-1), rounded inward."""
        rules = self.instrument.rules
        bounds = [
            bounds_around(price_ticks, bps)
            for price_ticks, bps in (
                (self.reference_price_ticks, rules.static_corridor_bps),
                (self.base_price_ticks, rules.dynamic_corridor_bps),
            )
            if bps and price_ticks
        ]
        return max((low for low, _ in bounds), default=0), min((high for _, high in bounds), default=2**63)

    @property
    def live_order_count(self) -> int:
        """How many orders live here; costs as much as there are price levels."""
        ladders = [ladder for side in (self.book.bids, self.book.asks) for ladder in (side.displayed, side.hidden)]
        resting = sum(len(level.order_ids) for ladder in ladders for level in ladder.levels.values())
        return resting + len(self.stops) + len(self.at_close) + len(self.parked) + len(self.unlisted)

    def held_ids(self) -> list[int]:
        """The live orders that are not on the book, in no order of meaning."""
        return [*self.stops.order_ids(), *self.at_close, *self.parked, *self.unlisted]

    def enlist(self, order: OrderState) -> None:
        """Note what an order that lives from now on asks for beyond its place in the book."""
        instructions = order.instructions
        if instructions is not None and instructions.expire_ns:
            self.expiries.add((instructions.expire_ns, order.order_id))

    def delist(self, order: OrderState) -> None:
        """Forget what `enlist` noted."""
        instructions = order.instructions
        if instructions is not None and instructions.expire_ns:
            self.expiries.discard((instructions.expire_ns, order.order_id))

    def take_news(self) -> News:
        """What has to be told beside levels and trades; it counts as told then."""
        indicative = self.next_indicative if self.next_indicative != self.indicative else None
        news = News(self.phase_change, indicative, self.revisions, self.ended_day)
        self.phase_change, self.indicative, self.revisions, self.ended_day = None, self.next_indicative, [], ""
        self.opening_price_ticks = 0
        self.has_news = self.book.is_dark
        return news


def bounds_around(price_ticks: int, bps: int) -> tuple[int, int]:
    """The lowest and the highest tick that is not farther than so many basis points from a price."""
    return -(-price_ticks * (_BPS - bps) // _BPS), price_ticks * (_BPS + bps) // _BPS
