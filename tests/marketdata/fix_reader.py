"""A FIX client that knows the feed from its text only, and what it should know."""

from marketdata.book import Book
from marketdata.messages import BookIncrement


class Client:
    """A FIX client's book, kept from the text alone; every entry has to make sense to it."""

    def __init__(self) -> None:
        self.shown: dict[tuple[str, str], str] = {}
        """Quantities of levels by type and price, and of what an auction would give by type."""
        self.trades: dict[str, tuple[str, str]] = {}
        """Those that came in an X."""
        self.rpt_seq = -1

    def on_snapshot(self, text: str) -> None:
        self.shown = {self._key(entry): entry["271"] for entry in self._entries(text, "269") if entry["269"] in "01AQ"}

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
                self.shown[key] = entry["271"]

    def _on_trade(self, entry: dict[str, str]) -> None:
        if entry["279"] == "2":
            self.trades.pop(entry["278"], None)  # it may be from before this client's time, as in a correction
        elif entry["279"] == "0" or entry["278"] in self.trades:
            self.trades[entry["278"]] = entry["270"], entry["271"]

    @staticmethod
    def _key(entry: dict[str, str]) -> tuple[str, str]:
        return entry["269"], entry["270"] if entry["269"] in "01" else ""

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


def shown_of(book: Book, depth: int) -> dict[tuple[str, str], str]:
    levels = {("0", level.price): level.qty for level in book.bids(depth)}
    levels |= {("1", level.price): level.qty for level in book.asks(depth)}
    if (indicative := book.indicative) is not None:
        levels["Q", ""] = indicative.qty
        if indicative.imbalance_side:
            levels["A", ""] = indicative.imbalance_qty
    return levels


def revised(trades: dict[str, tuple[str, str]], increment: BookIncrement) -> dict[str, tuple[str, str]]:
    after = trades | {str(trade.match_id): (trade.price, trade.qty) for trade in increment.trades}
    for trade in increment.revisions:
        if str(trade.match_id) in after:
            after[str(trade.match_id)] = trade.price, trade.qty
    return {match_id: told for match_id, told in after.items() if told[1] != "0"}
