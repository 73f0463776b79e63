"""
The fields of reports: ids, times and decimals as text, and bodies put together. What versions call differently is in
`dialects`.

A body is `35=8|...` with SOH for |, its fields in rising order of their tags; an optional field comes ready with its
tag and SOH, or is empty. Pure.
"""

import re
from collections.abc import Mapping
from typing import Final

from gateway.fix.dialects import DIALECTS, Dialect
from gateway.fix.fields import ECHO_CHARS_MAX, printable, remember
from matcher.events import PrivateEvent
from matcher.instruments import Instrument
from matcher.orders import OrderState
from matcher.rejects import RejectReason
from sessions.fix_text import SOH, utc_timestamp

NONE: Final = "NONE"
"""OrderID(37) of an order that the venue does not know, and any required id that the client left out."""
UNDISCLOSED_SIDE: Final = "7"
"""Side(54) of a refusal whose request had none that FIX knows."""
NO_SYMBOL: Final = "[N/A]"
"""Symbol(55) of a refusal whose request had none; FIX's own word for it."""

POSS_RESEND: Final = "97=Y"
"""PossResend: the client may have got this under another MsgSeqNum(34)."""

_DECIMAL: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,18})?")


class ReportError(Exception):
    """An event that cannot be reported; the message is one sentence for the operator."""


class Texts:
    """One instrument's prices and quantities as decimal text, each written once: a day's flow repeats few of them."""

    __slots__ = ("_instrument", "_prices", "_qtys")

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._prices: dict[int, str] = {}
        self._qtys: dict[int, str] = {}

    def price(self, ticks: int) -> str:
        """A price, with all places of the tick."""
        text = self._prices.get(ticks)
        if text is None:
            text = self._instrument.tick.text(ticks)
            remember(self._prices, ticks, text)
        return text

    def qty(self, lots: int) -> str:
        """A quantity, with all places of the lot."""
        text = self._qtys.get(lots)
        if text is None:
            text = self._instrument.lot.text(lots)
            remember(self._qtys, lots, text)
        return text

    def price_offset(self, ticks: int) -> str:
        """A difference of prices."""
        return f"-{self.price(-ticks)}" if ticks < 0 else self.price(ticks)

    def average(self, cum_value: int, cum_qty_lots: int) -> str:
        """AvgPx(6): as many places as the tick has, and up to four more where the average needs them."""
        if not cum_qty_lots:
            return "0"
        ticks, rest = divmod(cum_value, cum_qty_lots)
        if not rest:
            return self.price(ticks)
        return self._instrument.tick.ratio_text(cum_value, cum_qty_lots)


class TextsBySymbol:
    """The texts of every instrument."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._texts = {symbol: Texts(instrument) for symbol, instrument in instruments.items()}

    def define(self, instrument: Instrument) -> None:
        """Take a new instrument, or new rules of one, which mean nothing here: its units never change."""
        self._texts.setdefault(instrument.symbol, Texts(instrument))

    def of(self, order: OrderState) -> Texts:
        """
        Those of an order's instrument.

        Raises:
            ReportError: The venue does not have it.
        """
        return self.of_symbol(order.symbol)

    def of_symbol(self, symbol: str) -> Texts:
        """As `of`."""
        texts = self._texts.get(symbol)
        if texts is None:
            raise ReportError(f"the log has an order in {symbol!r}; put it back into the instruments file")
        return texts


def dialect_of(session_id: str) -> Dialect:
    """
    The version that a session speaks.

    Raises:
        ReportError: None that is spoken here.
    """
    dialect = DIALECTS.get(session_id.partition(":")[0])
    if dialect is None:
        raise ReportError(f"session {session_id!r} is of no FIX version spoken here; use one of {', '.join(DIALECTS)}")
    return dialect


def exec_id(shard: int, event: PrivateEvent) -> str:
    """ExecID(17) of an event: its name for ever, unique in the venue."""
    return f"{shard}-{event.input_seq}-{event.event_index}"


def order_id_text(shard: int, order_id: int) -> str:
    """OrderID(37): unique in the venue; NONE for an order that it never took."""
    return f"{shard}-{order_id}" if order_id else NONE


def transact_time(dialect: Dialect, event: PrivateEvent) -> str:
    """TransactTime(60), as fine as the version has it."""
    return utc_timestamp(event.transact_ns)[: dialect.time_chars]


def refusal_text(reason: RejectReason, text: str) -> str:
    """Text(58) of a refusal: its name, and what to do."""
    return f"{reason}: {text}" if text else str(reason)


def field(tag: str, value: str) -> str:
    """A field that is left out if it is empty."""
    return f"{tag}={value}\x01" if value else ""


def decimal_field(tag: str, value: str) -> str:
    """A decimal that a client sent, left out if it is none."""
    return f"{tag}={value}\x01" if _DECIMAL.fullmatch(value) else ""


def enum_field(tag: str, value: str, allowed: frozenset[str]) -> str:
    """A value that a client sent, left out if FIX does not have it."""
    return f"{tag}={value}\x01" if value in allowed else ""


def report_text(value: str) -> str:
    """What a client sent, fit to be echoed: printable ASCII of at most `ECHO_CHARS_MAX` characters."""
    return printable(value)[:ECHO_CHARS_MAX]


def possible_resend(body: str) -> str:
    """A body whose message says PossResend(97)=Y, which is a field of the header."""
    head, _, rest = body.partition(SOH)
    return f"{head}\x01{POSS_RESEND}\x01{rest}"


def with_fields(body: str, more: Mapping[str, str]) -> str:
    """Put fields into a body without repeating groups, in place of those of the same tag; empty ones are left out."""
    own = [pair.split("=", 1) for pair in body.split(SOH)[:-1]]
    fields = {tag: value for tag, value in {**dict(own), **more}.items() if value}
    msg_type = fields.pop("35")
    ordered = sorted(fields.items(), key=lambda pair: int(pair[0]))
    return f"35={msg_type}\x01" + "".join([f"{tag}={value}\x01" for tag, value in ordered])
