"""
What a reader makes of the messages of its views: pure, the other end of `views`. `client` is the connection around it.

A watch is one view of one symbol. Of channel `book` it keeps a replica, cut as the view is; of the others it only sees
that nothing is missing.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from marketdata.messages import BookIncrement, BookSnapshot
from marketdata.replica import Change, Replica
from marketdata.websocket.payloads import CandlesTold, ChecksumTold, StatisticsTold, StatusTold, TradesTold
from marketdata.websocket.requests import Channel, ViewKey, ViewName

Message = BookSnapshot | BookIncrement | TradesTold | StatisticsTold | StatusTold | CandlesTold


class Head(msgspec.Struct, frozen=True):
    """What messages and answers have in common, as far as they have it."""

    type: str
    id: str = ""
    channel: Channel = "book"
    depth: int = 0
    view: ViewName = "levels"
    length_s: int = 0
    symbol: str = ""
    md_seq: int = 0
    prev_md_seq: int = 0
    code: str = ""
    text: str = ""

    @property
    def key(self) -> ViewKey:
        """Which view it is of."""
        return ViewKey(self.channel, self.depth, self.view, self.length_s)


decode_head: Final = msgspec.json.Decoder(Head).decode
_decode_snapshot = msgspec.json.Decoder(BookSnapshot).decode
_decode_increment = msgspec.json.Decoder(BookIncrement).decode
_decode_other: Final[dict[str, Callable[[bytes], Message]]] = {
    "trades": msgspec.json.Decoder(TradesTold).decode,
    "statistics": msgspec.json.Decoder(StatisticsTold).decode,
    "status": msgspec.json.Decoder(StatusTold).decode,
    "candles": msgspec.json.Decoder(CandlesTold).decode,
}


class Watch:
    """One view of one symbol as a reader has it."""

    def __init__(self, symbol: str, key: ViewKey) -> None:
        self.key = key
        self.replica = Replica(symbol)
        self.is_asked = False
        """A snapshot was asked for since the last look."""

    def on_message(self, head: Head, payload: bytes) -> tuple[Change, Message | None]:
        """Take a message of this view."""
        if head.type == "stale":
            return self.replica.lose(), None
        if self.key.channel != "book":
            return self._on_other(head, payload)
        if head.type == "snapshot":
            snapshot = _decode_snapshot(payload)
            return self._on_snapshot(snapshot), snapshot
        increment = _decode_increment(payload)
        if self.replica.is_current and head.prev_md_seq <= self.replica.md_seq < head.md_seq:
            self.replica.book.md_seq = head.md_seq - 1  # what is between does not show in this view
        return self.replica.on_increment(increment), increment

    def on_checksum(self, told: ChecksumTold) -> Change:
        """Compare with what the venue has: all that it told of this view should be here, because it comes in order."""
        if told.told_md_seq > self.replica.md_seq:
            return self.replica.on_head(told.told_md_seq)
        return self.replica.on_checksum(self.replica.md_seq, told.checksum)

    def _on_snapshot(self, snapshot: BookSnapshot) -> Change:
        if snapshot.md_seq > self.replica.md_seq:
            self.replica.lose()  # the venue left something out, because we were slow
        return self.replica.on_snapshot(msgspec.structs.replace(snapshot, depth=0))

    def _on_other(self, head: Head, payload: bytes) -> tuple[Change, Message | None]:
        replica = self.replica
        if head.type == "snapshot":
            if replica.is_current and head.md_seq <= replica.md_seq:
                return Change.NOTHING, None
            change = Change.RESTORED
        elif not replica.is_current or head.md_seq <= replica.md_seq:
            return Change.NOTHING, None
        elif head.prev_md_seq > replica.md_seq:
            return replica.lose(), None
        else:
            change = Change.APPLIED
        message = _decode_other[head.channel](payload)
        replica.is_current, replica.book.md_seq = True, head.md_seq
        return change, message
