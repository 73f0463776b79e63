"""
The trading floor of one shard: what the handlers of all commands share.

Handlers are functions `handle(command, floor, answer)` in modules by subject. They change the floor and tell the answer
what happened; `engine` finds the handler, and publishes what its markets have to tell.
"""

from collections.abc import Collection, Iterable
from typing import Final

from matcher.books.admission import Admission
from matcher.books.limit_book import LimitBook
from matcher.books.list_book import ListBook
from matcher.books.market import Market
from matcher.books.order_index import OrderIndex
from matcher.books.quote_book import QuoteBook
from matcher.instruments import Instrument
from matcher.orders import OrderState


class Floor:
    """
    All markets of one shard, and what is known across them.

    Args:
        shard: The shard's number.
        orders_max: Live orders at most.
        finished_orders_max: Finished orders to remember, and trades of each symbol.
    """

    __slots__ = (
        "admission",
        "configured_instruments",
        "finished_orders_max",
        "limits",
        "lists",
        "markets",
        "orders",
        "orders_max",
        "quotes",
        "shard",
    )

    def __init__(self, shard: int, *, orders_max: int, finished_orders_max: int) -> None:
        self.shard: Final = shard
        self.orders_max: Final = orders_max
        self.finished_orders_max: Final = finished_orders_max
        self.markets: Final[dict[str, Market]] = {}
        """By symbol, in the order of their definition."""
        self.configured_instruments: Final[dict[str, Instrument]] = {}
        """As the configuration defined them last, by symbol (CONFIG-1)."""
        self.orders: Final = OrderIndex(finished_orders_max)
        self.admission: Final = Admission()
        self.limits: Final = LimitBook()
        self.lists: Final = ListBook()
        self.quotes: Final = QuoteBook()

    def open_market(self, instrument: Instrument) -> Market:
        """Begin to trade an instrument that is new."""
        market = Market(instrument, trades_max=self.finished_orders_max)
        self.markets[instrument.symbol] = market
        self.admission.open_lane(instrument.symbol)
        return market

    def live_orders(self, market: Market) -> list[OrderState]:
        """All live orders of a market, whatever holds them, in order of OrderID."""
        live = self.orders.live
        return [live[order_id] for order_id in sorted([*market.book.order_ids(), *market.held_ids()])]

    def live_orders_of(self, firm: str, markets: Collection[Market]) -> list[OrderState]:
        """
        All live orders of a firm in some markets, sides of quotes included, in order of OrderID.

        Costs as much as there are ClOrdIDs of the firm that are remembered, or orders in the markets if these are
        fewer: so a firm with few orders does not pay for a full book, nor one with a long past for an empty one.
        """
        live = self.orders.live
        named = self.orders.order_ids_of(firm)
        if len(named) < sum(market.live_order_count for market in markets):
            symbols = {market.symbol for market in markets}
            quoted = (order_id for symbol in symbols for order_id in self.quotes.order_ids(symbol, firm))
            found = {order_id for order_id in (*named, *quoted) if order_id in live}
            return [order for order_id in sorted(found) if (order := live[order_id]).symbol in symbols]
        order_ids = [order_id for market in markets for order_id in (*market.book.order_ids(), *market.held_ids())]
        return [order for order_id in sorted(order_ids) if (order := live[order_id]).firm == firm]

    def open_markets(self, instruments: Iterable[Instrument]) -> None:
        """Begin to trade some instruments."""
        for instrument in instruments:
            self.open_market(instrument)
