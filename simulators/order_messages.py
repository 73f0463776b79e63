"""
What a trader says and hears: bodies of D, F and G for any FIX version, and the few fields of an answer that matter.

Bodies carry what FIX 4.2 demands beyond 4.4 (HandlInst(21)) in every version: later versions allow it.
"""

import time
from collections.abc import Mapping
from typing import Final

import msgspec

from matcher.orders import Side, TimeInForce
from sessions.fix_text import utc_timestamp

BUSTED: Final = "H"
CORRECTED: Final = "G"
_EXEC_TYPES_OF_A_FILL: Final = "F12"  # FIX 4.2 says 1 and 2 where later versions say F
_EXEC_TYPES_OF_REVISIONS: Final = {"1": BUSTED, "2": CORRECTED}
"""By ExecTransType(20), which says it in FIX 4.2; later versions say it in ExecType(150)."""


class Answer(msgspec.Struct):
    """ExecutionReport(8), OrderCancelReject(9), BusinessMessageReject(j) or Reject(3), as far as a trader needs it."""

    msg_type: str
    exec_type: str
    """ExecType(150): 0, 4, 5, 8, C, I, D; in every version F for a fill, H and G for a revised one; empty: no 8."""
    cl_ord_id: str
    orig_cl_ord_id: str
    symbol: str
    side: str
    last_qty: str
    last_px: str
    leaves_qty: str
    cum_qty: str
    order_qty: str
    text: str
    """Text(58); a refusal's begins with the venue's code."""
    ref_seq_num: int
    """RefSeqNum(45) of j and 3, else 0."""
    exec_id: str
    exec_ref_id: str
    """ExecRefID(19): the ExecID(17) of the fill that is revised; else empty."""

    @property
    def is_refusal(self) -> bool:
        """The request it answers changed nothing."""
        return self.msg_type != "8" or self.exec_type == "8"

    @property
    def code(self) -> str:
        """The venue's own name of the reason of a refusal: the first word of Text(58)."""
        return self.text.partition(" ")[0].rstrip(":") or f"MSG_TYPE_{self.msg_type}_WITHOUT_TEXT"


def read_answer(fields: Mapping[str, str]) -> Answer | None:
    """Read a message of the venue, by its fields; None when it answers no order-entry request."""
    msg_type = fields["35"]
    if msg_type not in {"8", "9", "j", "3"}:
        return None
    get = fields.get
    return Answer(
        msg_type,
        _exec_type(get("150", ""), get("20", "")),
        get("11", ""),
        get("41", ""),
        get("55", ""),
        get("54", ""),
        get("32", ""),
        get("31", ""),
        get("151", ""),
        get("14", ""),
        get("38", ""),
        get("58", ""),
        int(get("45", 0)),
        get("17", ""),
        get("19", ""),
    )


def _exec_type(exec_type: str, exec_trans_type: str) -> str:
    if exec_trans_type in _EXEC_TYPES_OF_REVISIONS:
        return _EXEC_TYPES_OF_REVISIONS[exec_trans_type]
    return "F" if exec_type and exec_type in _EXEC_TYPES_OF_A_FILL else exec_type


def transact_time() -> str:
    """TransactTime(60) of a request that is made now, with milliseconds as every FIX version has them."""
    return utc_timestamp(time.time_ns())[:-3]


def limit_order(
    *, cl_ord_id: str, symbol: str, side: Side, price: str, qty: str, time_in_force: TimeInForce, transact_time: str
) -> str:
    """NewOrderSingle(D) of a limit order; price and quantity as decimal text."""
    return (
        f"35=D\x0111={cl_ord_id}\x0121=1\x0138={qty}\x0140=2\x0144={price}\x0154={side}\x0155={symbol}\x01"
        f"59={time_in_force}\x0160={transact_time}\x01"
    )


def cancel_order(*, cl_ord_id: str, orig_cl_ord_id: str, symbol: str, side: Side, transact_time: str) -> str:
    """OrderCancelRequest(F)."""
    return f"35=F\x0111={cl_ord_id}\x0141={orig_cl_ord_id}\x0154={side}\x0155={symbol}\x0160={transact_time}\x01"


def replace_order(
    *, cl_ord_id: str, orig_cl_ord_id: str, symbol: str, side: Side, price: str, qty: str, transact_time: str
) -> str:
    """OrderCancelReplaceRequest(G) of a limit order; `qty` is the new total, what was filled included."""
    return (
        f"35=G\x0111={cl_ord_id}\x0121=1\x0138={qty}\x0140=2\x0141={orig_cl_ord_id}\x0144={price}\x0154={side}\x01"
        f"55={symbol}\x0160={transact_time}\x01"
    )
