"""Execution reports as the auditor keeps them: the few fields that promises are about, in FIX's own numbers. Pure."""

from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from sessions.fix_text import parse

LIVE_STATES: Final = frozenset("01")
"""OrdStatus(39) of an order that is not finished."""
_TRIGGERED: Final = "triggered"


class EventId(NamedTuple):
    """What ExecID(17) says: `<shard>-<input>-<position>`; events of one shard happened in this order."""

    shard: int
    input_seq: int
    position: int

    def __str__(self) -> str:
        return f"{self.shard}-{self.input_seq}-{self.position}"


class Report(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One ExecutionReport(8) about an order."""

    event: EventId | None
    """None of a status report, ExecID(17)=0."""
    exec_type: str
    """ExecType(150); L also where FIX 4.4 says D and `triggered`."""
    order_id: str
    cl_ord_id: str
    is_requested: bool
    """OrigClOrdID(41) is there: the answer to a cancel or replace."""
    ord_status: str
    symbol: str
    side: str
    order_qty: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    last_qty: Decimal
    last_px: Decimal
    price: Decimal | None
    """Price(44)."""
    standing_px: Decimal | None
    """Where it rests: PeggedPrice(839), else Price(44)."""
    trade_id: str
    """TrdMatchID(880) or SecondaryExecID(527): `<symbol>-<match>`."""
    liquidity: str
    """LastLiquidityInd(851)."""
    is_waiting: bool
    """WorkingIndicator(636)=N: it is not on the book."""
    display_qty: Decimal | None
    """DisplayQty(1138) or MaxFloor(111)."""
    is_plain: bool
    """A limit order that shows all of itself and stays where it was put."""
    is_decrement: bool
    """ExecRestatementReason(378)=5: some of it was canceled, and it lives on."""
    is_quote: bool
    """The side of a quote."""

    @property
    def is_live(self) -> bool:
        """The order can still trade."""
        return self.ord_status in LIVE_STATES

    def __str__(self) -> str:
        event = f"17={self.event}" if self.event else "17=0"
        state = f"39={self.ord_status} 38={self.order_qty} 14={self.cum_qty} 151={self.leaves_qty}"
        return f"{event} 150={self.exec_type} 37={self.order_id} 11={self.cl_ord_id} {state}"


def read_report(text: str) -> Report:
    """Read an ExecutionReport(8) of FIX 4.4 or 5.0SP2."""
    fields = parse(text)
    get = fields.get
    exec_type = "L" if fields["150"] == "D" and get("58", "").startswith(_TRIGGERED) else fields["150"]
    display = get("1138", get("111"))
    plain = get("40") == "2" and display is None and not {"18", "99", "836", "1094", "299"} & fields.keys()
    return Report(
        event=None if fields["17"] == "0" else EventId(*map(int, fields["17"].split("-"))),
        exec_type=exec_type,
        order_id=fields["37"],
        cl_ord_id=get("11", ""),
        is_requested="41" in fields,
        ord_status=fields["39"],
        symbol=fields["55"],
        side=fields["54"],
        order_qty=Decimal(get("38", "0")),
        cum_qty=Decimal(fields["14"]),
        leaves_qty=Decimal(fields["151"]),
        last_qty=Decimal(get("32", "0")),
        last_px=Decimal(get("31", "0")),
        price=_decimal(get("44")),
        standing_px=_decimal(get("839", get("44"))),
        trade_id=get("880", get("527", "")),
        liquidity=get("851", ""),
        is_waiting=get("636") == "N",
        display_qty=_decimal(display),
        is_plain=plain,
        is_decrement=fields["150"] == "D" and get("378") == "5",
        is_quote="299" in fields,
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
