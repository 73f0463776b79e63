"""
What a firm under torture asks for: every kind of order and request, around one price, chosen by a seed. Pure.

Orders come close to the reference price, so that most of them trade. Ids begin with the session's CompID and are unique
in the run.
"""

import random
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from matcher.instruments import Instrument
from matcher.orders import BUY, SELL, Side
from simulators.order_messages import transact_time

BAND_TICKS: Final = 6
"""How far from the reference price a price may be."""
QTY_LOTS_MAX: Final = 9
LIVE_MAX: Final = 40
"""Orders of one session; beyond it, it cancels."""
QUOTES: Final = 2
"""Quote entries of one session in each symbol."""


class LiveOrder(msgspec.Struct, frozen=True):
    """An order of the session that it may cancel or replace."""

    cl_ord_id: str
    symbol: str
    side: str
    is_plain: bool
    """A limit order without further instructions."""


class Flow:
    """The requests of one session."""

    def __init__(self, comp_id: str, instruments: list[Instrument], seed: str) -> None:
        self._comp_id = comp_id
        self._instruments: Mapping[str, Instrument] = {instrument.symbol: instrument for instrument in instruments}
        self._random = random.Random(seed)  # noqa: S311 -- a simulation that must repeat, not a secret
        self._count = 0
        self._on_new: dict[Callable[[], str], int] = {
            self._limit: 34,
            self._immediate: 9,
            self._fill_or_kill: 3,
            self._market: 4,
            self._iceberg: 5,
            self._hidden: 2,
            self._stop: 4,
            self._stop_limit: 3,
            self._trailing: 2,
            self._take_profit: 2,
            self._pegged: 4,
            self._post_only: 5,
            self._min_qty: 2,
            self._one_cancels_other: 4,
            self._one_triggers_others: 3,
            self._quotes: 5,
            self._pull_quotes: 1,
            self._mass_cancel: 2,
            self._mass_status: 1,
            self._unknown_cancel: 1,
            self._off_tick: 1,
        }

    @property
    def symbols(self) -> list[str]:
        """What is traded."""
        return list(self._instruments)

    def next(self, live: list[LiveOrder]) -> str:
        """The body of the next request; it may be about one of these orders."""
        chance = self._random.random()
        if live and (chance < 0.28 or len(live) > LIVE_MAX):
            return self._about(self._random.choice(live))
        return self._random.choices(list(self._on_new), list(self._on_new.values()))[0]()

    def out_of_reach(self, symbol: str) -> str:
        """A buy order that nobody sells to: one tick, one lot."""
        text = self._instruments[symbol].tick.text(1)
        return self._order(f"40=2\x0144={text}\x0159=1\x01", symbol=symbol, side=BUY, qty_lots=1)

    def all_of_session(self) -> str:
        """AF for all that the session has entered."""
        return f"35=AF\x01584={self._id()}\x01585=8\x01"

    def cancel_all(self) -> str:
        """Mass cancel of the session's own orders on all shards."""
        return f"35=q\x0111={self._id()}\x01530=7\x0160={transact_time()}\x017002=S\x01"

    # --- about an order that is there

    def _about(self, order: LiveOrder) -> str:
        about = f"41={order.cl_ord_id}\x0154={order.side}\x0155={order.symbol}\x0160={transact_time()}\x01"
        chance = self._random.random()
        if chance < 0.15:
            return f"35=H\x0111={order.cl_ord_id}\x0154={order.side}\x0155={order.symbol}\x01790={self._id()}\x01"
        if chance < 0.5 and order.is_plain:
            terms = f"38={self._qty()}\x0140=2\x0144={self._price(order.symbol)}\x0159=1\x01"
            return f"35=G\x0111={self._id()}\x01{terms}{about}"
        return f"35=F\x0111={self._id()}\x01{about}"

    def _unknown_cancel(self) -> str:
        symbol = self._symbol()
        about = f"41={self._comp_id}-none\x0154=1\x0155={symbol}\x0160={transact_time()}\x01"
        return f"35=F\x0111={self._id()}\x01{about}"

    # --- orders

    def _limit(self) -> str:
        symbol = self._symbol()
        return self._order(f"40=2\x0144={self._price(symbol)}\x0159=1\x01", symbol=symbol)

    def _immediate(self) -> str:
        symbol = self._symbol()
        return self._order(f"40=2\x0144={self._price(symbol)}\x0159=3\x01", symbol=symbol)

    def _fill_or_kill(self) -> str:
        symbol = self._symbol()
        return self._order(f"40=2\x0144={self._price(symbol)}\x0159=4\x01", symbol=symbol)

    def _market(self) -> str:
        return self._order("40=1\x0159=0\x01", symbol=self._symbol())

    def _iceberg(self) -> str:
        symbol = self._symbol()
        return self._order(f"40=2\x0144={self._price(symbol)}\x0159=1\x01111=2\x01", symbol=symbol, qty_lots=15)

    def _hidden(self) -> str:
        symbol = self._symbol()
        return self._order(f"40=2\x0144={self._price(symbol)}\x0159=1\x01111=0\x01", symbol=symbol)

    def _stop(self) -> str:
        symbol = self._symbol()
        return self._order(f"40=3\x0199={self._price(symbol)}\x0159=1\x01", symbol=symbol)

    def _stop_limit(self) -> str:
        symbol = self._symbol()
        terms = f"40=4\x0199={self._price(symbol)}\x0144={self._price(symbol)}\x0159=1\x01"
        return self._order(terms, symbol=symbol)

    def _trailing(self) -> str:
        symbol = self._symbol()
        offset = self._instruments[symbol].tick.text(self._random.randint(1, 4))
        return self._order(f"18=a\x0140=3\x0159=1\x01211={offset}\x017004=Y\x01", symbol=symbol)

    def _take_profit(self) -> str:
        symbol = self._symbol()
        return self._order(f"40=J\x0199={self._price(symbol)}\x0159=1\x01", symbol=symbol)

    def _pegged(self) -> str:
        to = self._random.choice("RM")
        return self._order(f"18={to}\x0140=P\x0159=1\x017004=Y\x01", symbol=self._symbol())

    def _post_only(self) -> str:
        symbol = self._symbol()
        action = self._random.choice("RS")
        return self._order(f"18=6\x0140=2\x0144={self._price(symbol)}\x0159=1\x017001={action}\x01", symbol=symbol)

    def _min_qty(self) -> str:
        symbol = self._symbol()
        return self._order(f"40=2\x0144={self._price(symbol)}\x0159=1\x01110=3\x01", symbol=symbol, qty_lots=6)

    def _off_tick(self) -> str:
        symbol = self._symbol()
        return self._order(f"40=2\x0144={self._price(symbol)}1\x0159=1\x01", symbol=symbol)

    # --- lists, quotes, all at once

    def _one_cancels_other(self) -> str:
        symbol = self._symbol()
        legs = [
            self._leg(1, symbol, SELL, f"40=2\x0144={self._price(symbol)}\x0159=1\x01"),
            self._leg(2, symbol, SELL, f"40=3\x0199={self._price(symbol)}\x0159=1\x01"),
        ]
        return self._list(1, legs)

    def _one_triggers_others(self) -> str:
        symbol = self._symbol()
        legs = [
            self._leg(1, symbol, BUY, f"40=2\x0144={self._price(symbol)}\x0159=1\x01"),
            self._leg(2, symbol, SELL, f"40=2\x0144={self._price(symbol)}\x0159=1\x01"),
            self._leg(3, symbol, SELL, f"40=3\x0199={self._price(symbol)}\x0159=1\x01"),
        ]
        return self._list(2, legs[: self._random.choice((2, 3))])

    def _list(self, contingency: int, legs: list[str]) -> str:
        count = len(legs)
        return f"35=E\x0166={self._id()}\x0168={count}\x0173={count}\x01{''.join(legs)}394=3\x011385={contingency}\x01"

    def _leg(self, number: int, symbol: str, side: Side, terms: str) -> str:
        return f"11={self._id()}\x0167={number}\x0155={symbol}\x0154={side}\x0138={self._qty()}\x01{terms}"

    def _quotes(self) -> str:
        symbol = self._symbol()
        instrument = self._instruments[symbol]
        entries = []
        for number in range(QUOTES):
            middle = instrument.reference_price_ticks + self._random.randint(-3, 3)
            bid, offer = instrument.tick.text(middle - 2), instrument.tick.text(middle + 2)
            sizes = f"134={self._qty()}\x01135={self._qty()}\x01"
            entries.append(f"299={self._comp_id}-{number}\x0155={symbol}\x01132={bid}\x01133={offer}\x01{sizes}")
        head = f"35=i\x01117={self._id()}\x01296=1\x01302=1\x01304={QUOTES}\x01295={QUOTES}\x01"
        return head + "".join(entries)

    def _pull_quotes(self) -> str:
        if self._random.random() < 0.5:
            return f"35=Z\x01117={self._id()}\x01298=4\x01"
        return f"35=Z\x01117={self._id()}\x01298=1\x01295=1\x0155={self._symbol()}\x01"

    def _mass_cancel(self) -> str:
        scope = self._random.choice("SF")
        what = "530=7\x01" if self._random.random() < 0.5 else f"530=1\x0155={self._symbol()}\x01"
        return f"35=q\x0111={self._id()}\x01{what}60={transact_time()}\x017002={scope}\x01"

    def _mass_status(self) -> str:
        return f"35=AF\x01584={self._id()}\x01585=1\x0155={self._symbol()}\x01"

    # --- parts

    def _order(self, terms: str, *, symbol: str, side: str = "", qty_lots: int = 0) -> str:
        qty = self._instruments[symbol].lot.text(qty_lots) if qty_lots else self._qty()
        what = f"38={qty}\x0154={side or self._side()}\x0155={symbol}\x0160={transact_time()}\x01"
        return f"35=D\x0111={self._id()}\x01{terms}{what}"

    def _id(self) -> str:
        self._count += 1
        return f"{self._comp_id}-{self._count}"

    def _symbol(self) -> str:
        return self._random.choice(self.symbols)

    def _side(self) -> Side:
        return self._random.choice((BUY, SELL))

    def _qty(self) -> str:
        return str(self._random.randint(1, QTY_LOTS_MAX))

    def _price(self, symbol: str) -> str:
        instrument = self._instruments[symbol]
        ticks = instrument.reference_price_ticks + self._random.randint(-BAND_TICKS, BAND_TICKS)
        return instrument.tick.text(ticks)
