"""A FIX client that knows the feed from its text only, and what it should know."""

from marketdata.book import Book
from marketdata.fix.statistics import STATISTICS
from marketdata.messages import BookIncrement, Level
from matcher.orders import BUY, SELL, Side


class Client:
    """A FIX client's book, kept from the text alone; every entry has to make sense to it."""

    def __init__(self) -> None:
        self.shown: dict[tuple[str, str], str] = {}
        """
        Quantities of levels by type and price, of orders by type and id, and of what an auction would give by type;
        of statistics, price and quantity.
        """
        self.trades: dict[str, tuple[str, str]] = {}
        """Those that came in an X."""
        self.rpt_seq = -1

    def on_snapshot(self, text: str) -> None:
        entries = [entry for entry in self._entries(text, "269") if entry["269"] not in "2J"]
        self.shown = {self._key(entry): self._told(entry) for entry in entries}
        assert len(self.shown) == len(entries), "an entry stands there twice"

    def on_increment(self, text: str) -> None:
        for entry in self._entries(text, "279"):
            if entry["269"] == "2":
                self._on_trade(entry)
                continue
            key = self._key(entry)
            assert (key in self.shown) == (entry["279"] != "0"), "an action that does not fit"
            if entry["279"] == "2":
                del self.shown[key]
            else:
                self.shown[key] = self._told(entry)

    def _on_trade(self, entry: dict[str, str]) -> None:
        if entry["279"] == "2":
            self.trades.pop(entry["278"], None)  # it may be from before this client's time, as in a correction
        elif entry["279"] == "0" or entry["278"] in self.trades:
            self.trades[entry["278"]] = entry["270"], entry["271"]

    @staticmethod
    def _key(entry: dict[str, str]) -> tuple[str, str]:
        return entry["269"], entry.get("278", entry["270"]) if entry["269"] in "01" else ""

    @staticmethod
    def _told(entry: dict[str, str]) -> str:
        if entry["269"] in "01" and "278" in entry:
            return f"{entry['270']} {entry['271']}"
        if entry["269"] in STATISTICS:
            return f"{entry['270']} {entry.get('271', '')}"
        return entry["271"]

    def _entries(self, text: str, first_tag: str) -> list[dict[str, str]]:
        pairs = [(tag, value) for tag, _, value in (field.partition("=") for field in text.split("\x01")[:-1])]
        self.rpt_seq = int(dict(pairs)["83"])
        entries: list[dict[str, str]] = []
        for tag, value in pairs[[tag for tag, _ in pairs].index("268") + 1 :]:
            if tag == first_tag:
                entries.append({})
            entries[-1][tag] = value
        assert len(entries) == int(dict(pairs)["268"])
        return entries


def shown_of(book: Book, depth: int, *, by_order: bool = False) -> dict[tuple[str, str], str]:
    levels = orders_of(book) if by_order else levels_of(book, depth)
    if (day := book.statistics) is not None:
        prices = (day.open, day.previous_close, day.high, day.low, day.vwap, day.last, day.previous_close)
        told = {(name, ""): f"{price} " for name, price in zip(STATISTICS, prices, strict=True) if price}
        levels |= told | ({("B", ""): f"{day.last} {day.volume}"} if day.trade_count else {})
    if (indicative := book.indicative) is not None:
        levels["Q", ""] = indicative.qty
        if indicative.imbalance_side:
            levels["A", ""] = indicative.imbalance_qty
    return levels


def levels_of(book: Book, depth: int) -> dict[tuple[str, str], str]:
    bids = {("0", level.price): level.qty for level in book.bids(depth)}
    return bids | {("1", level.price): level.qty for level in book.asks(depth)}


def orders_of(book: Book) -> dict[tuple[str, str], str]:
    sides: list[tuple[str, Side, list[Level]]] = [("0", BUY, book.bids()), ("1", SELL, book.asks())]
    return {
        (entry_type, f"O{order.entry_id}"): f"{level.price} {order.qty}"
        for entry_type, side, levels in sides
        for level in levels
        for order in book.orders(side, level.price_ticks)
    }


def revised(trades: dict[str, tuple[str, str]], increment: BookIncrement) -> dict[str, tuple[str, str]]:
    after = trades | {str(trade.match_id): (trade.price, trade.qty) for trade in increment.trades}
    for trade in increment.revisions:
        if str(trade.match_id) in after:
            after[str(trade.match_id)] = trade.price, trade.qty
    return {match_id: told for match_id, told in after.items() if told[1] != "0"}
