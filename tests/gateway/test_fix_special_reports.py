"""Reports of what only few orders have, and answers about many: whole bodies, and which of them stock clients know."""

from typing import Any, get_args

import msgspec
import pytest
import quickfix

from gateway.fix.outbound import Reports
from matcher.events import (
    Event,
    InstrumentDefined,
    LeggedOrder,
    ListStatusReported,
    MassCancelReported,
    MassQuoteAcknowledged,
    OperatorAnswered,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderMassStatusReported,
    OrderRestated,
    OrderTriggered,
    PrivateEvent,
    QuoteEntryRefused,
    QuotesPulled,
    RequestRefused,
    RestatementReason,
    TradeBusted,
    TradeCorrected,
)
from matcher.instructions import Instructions
from matcher.instruments import Increment, Instrument
from matcher.orders import OrderState
from matcher.rejects import RejectReason
from sessions.fix_text import SOH
from tests.gateway.stock_client import check_with_stock_client

AAPL = Instrument("AAPL", Increment.parse("0.01"), Increment.parse("1"), 1, "USD", shard=0)
REPORTS = Reports({"AAPL": AAPL})
SHARD = 2
RECEIVED_NS = 1_760_000_000_123_456_789
HEAD = (9, 1, RECEIVED_NS, "")
BEGIN_STRINGS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
R = RejectReason

PLAIN = OrderState(7, "", "FIRMA", "a-1", "", "AAPL", "1", "2", "0", 18950, 100, 100, 0, 0, "0")
PART = msgspec.structs.replace(PLAIN, leaves_qty_lots=60, cum_qty_lots=40, cum_value=758000, ord_status="1")
DONE = msgspec.structs.replace(PART, leaves_qty_lots=0, ord_status="4")


def order(terms: str = "20", *, price_ticks: int = 18950, side: Any = "1", **instructions: Any) -> OrderState:
    """An order of these OrdType(40) and TimeInForce(59), with instructions."""
    return msgspec.structs.replace(
        PLAIN,
        ord_type=terms[0],
        time_in_force=terms[1],
        price_ticks=price_ticks,
        side=side,
        instructions=Instructions(**instructions),
    )


def to_session(event: Event, begin_string: str) -> Event:
    session_id = f"{begin_string}:FIRMA1"
    changes: dict[str, Any] = {"requester_session_id": session_id}
    if hasattr(event, "session_id"):
        changes["session_id"] = session_id
    if getattr(event, "order", None) is not None:
        changes["order"] = msgspec.structs.replace(event.order, session_id=session_id)  # type: ignore[union-attr]
    return msgspec.structs.replace(event, **changes)


def rendered(event: Event, begin_string: str) -> str:
    [(session_id, body)] = REPORTS.render(to_session(event, begin_string), shard=SHARD)
    assert session_id == f"{begin_string}:FIRMA1"
    return body


STOP = {"trigger_price_type": "2", "trigger_direction": "U", "stop_price_ticks": 19000, "held": "T"}
TAKE_PROFIT = STOP | {"trigger_direction": "D", "stop_price_ticks": 18000}
TRAILING = STOP | {"trail_offset": 25, "trail_offset_type": "2"}

RESTATED: dict[str, tuple[OrderState, dict[str, str]]] = {
    # What an order's OrderAccepted says beyond a plain one's: in FIX 4.2, 4.4, 5.0SP2; one text: the same in all.
    "good till a date": (order("26", expire_date=20251010), {"": "432=20251010"}),
    "good till a time": (
        order("26", expire_ns=RECEIVED_NS),
        {"4": "126=20251009-08:53:20.123", "5": "126=20251009-08:53:20.123456"},
    ),
    "stop": (order("30", price_ticks=0, **STOP), {"2": "99=190.00", "4": "99=190.00|636=N", "5": "99=190.00|636=N"}),
    "sell stop": (
        order("30", price_ticks=0, side="2", **(STOP | {"trigger_direction": "D"})),
        {"2": "99=190.00", "4": "99=190.00|636=N", "5": "99=190.00|636=N"},
    ),
    "stop-limit": (order("40", **STOP), {"2": "99=190.00", "4": "99=190.00|636=N", "5": "99=190.00|636=N"}),
    "stop on the best offer": (
        order("30", price_ticks=0, **(STOP | {"trigger_price_type": "1"})),
        {"2": "99=190.00|1107=1", "": "99=190.00|636=N|1107=1"},
    ),
    "stop on the reference price": (
        order("30", price_ticks=0, **(STOP | {"trigger_price_type": "R"})),
        {"2": "99=190.00|1107=2|1108=3", "": "99=190.00|636=N|1107=2|1108=3"},
    ),
    "take-profit": (
        order("30", price_ticks=0, **TAKE_PROFIT),
        {"2": "99=180.00|1109=D", "": "40=J|99=180.00|636=N"},
    ),
    "take-profit with a limit": (
        order("40", **TAKE_PROFIT),
        {"2": "99=180.00|1109=D", "": "99=180.00|636=N|1109=D"},
    ),
    "trailing stop": (
        order("30", price_ticks=0, **TRAILING),
        {
            "2": "18=a|99=190.00|211=0.25",
            "4": "18=a|99=190.00|211=25|636=N|836=2",
            "5": "99=190.00|211=25|636=N|836=2|1094=8",
        },
    ),
    "trailing stop in basis points": (
        order("30", price_ticks=0, **(TRAILING | {"trail_offset": 150, "trail_offset_type": "1"})),
        {
            "2": "18=a|99=190.00|211=150|836=1",
            "4": "18=a|99=190.00|211=150|636=N|836=1",
            "5": "99=190.00|211=150|636=N|836=1|1094=8",
        },
    ),
    "triggered stop that rests": (
        order("10", price_ticks=0, **(STOP | {"held": "", "working_price_ticks": 19010})),
        {"": "44=190.10"},
    ),
    "primary peg": (
        order("P0", price_ticks=0, peg_price_type="5", peg_offset_ticks=-2, working_price_ticks=18948),
        {"2": "18=R|211=-0.02", "4": "18=R|211=-2|836=2|839=189.48", "5": "211=-2|836=2|839=189.48|1094=5"},
    ),
    "market peg with a limit": (
        order("P0", peg_price_type="4", working_price_ticks=18950),
        {"2": "18=P", "4": "18=P|839=189.50", "5": "839=189.50|1094=4"},
    ),
    "parked mid peg": (
        order("P0", price_ticks=0, peg_price_type="2", held="P"),
        {"2": "18=M", "4": "18=M|636=N", "5": "636=N|1094=2"},
    ),
    "iceberg": (order(display_qty_lots=10, shown_qty_lots=10), {"4": "111=10", "2": "111=10", "5": "1138=10"}),
    "hidden": (order(display_qty_lots=0), {"4": "111=0", "2": "111=0", "5": "1138=0"}),
    "minimum quantity": (order("23", min_qty_lots=40), {"": "110=40"}),
    "post-only": (order(post_only="R"), {"": "18=6"}),
    "post-only, slid": (order(post_only="S", working_price_ticks=18940), {"": "18=6|44=189.40|7001=S"}),
    "canceled on a halt": (order(cancel_on_halt=True, post_only="R"), {"": "18=6 K"}),
    "self-match terms": (order(self_match_id="desk", self_match_instruction="2"), {"": "2362=desk|2964=2"}),
    "of a list": (order(list_id="l-1"), {"": "66=l-1"}),
    "of a quote": (order(quote_entry_id="e-1"), {"": "299=e-1"}),
    "at the close, waiting": (order("27", held="C"), {"2": "", "": "636=N"}),
    "market-to-limit at its price": (order("K0", price_ticks=0, working_price_ticks=18960), {"": "44=189.60"}),
}


@pytest.mark.parametrize("begin_string", BEGIN_STRINGS)
@pytest.mark.parametrize("name", list(RESTATED))
def test_a_report_restates_what_the_order_said(name: str, begin_string: str) -> None:
    special, expected = RESTATED[name]
    version = {"FIX.4.2": "2", "FIX.4.4": "4", "FIXT.1.1": "5"}[begin_string]
    said = expected.get(version, expected.get("", expected.get("4") if version == "2" else None))
    assert said is not None
    plain = fields_of(rendered(OrderAccepted(*HEAD, msgspec.structs.replace(special, instructions=None)), begin_string))
    more = fields_of(rendered(OrderAccepted(*HEAD, special), begin_string))
    assert {tag: value for tag, value in more.items() if plain.get(tag) != value} == dict(
        pair.split("=", 1) for pair in said.split("|") if pair
    )
    assert plain.keys() <= more.keys()


def fields_of(body: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in body.split(SOH) if pair)


LEGS = [LeggedOrder("a-1", 100, 60, 40, 758000, "1"), LeggedOrder("a-2", 100, 0, 0, 0, "4")]
EVENTS: dict[str, Event] = {
    "triggered": OrderTriggered(*HEAD, msgspec.structs.replace(PLAIN, ord_type="1", price_ticks=0)),
    "repriced": OrderRestated(*HEAD, PART, "3", ""),
    "reduced": OrderRestated(*HEAD, PART, "5", "self-match prevention"),
    "parked": OrderRestated(*HEAD, PART, "11", ""),
    "incoming canceled by self-match prevention": OrderCanceled(*HEAD, DONE, "a-1", "", "self-match", "18"),
    "canceled by a halt": OrderCanceled(*HEAD, DONE, "a-1", "", "halted", "H"),
    "canceled with its list": OrderCanceled(*HEAD, DONE, "a-1", "", "list l-1", "L"),
    "mass canceled": OrderCanceled(*HEAD, DONE, "a-1", "", "", "M"),
    "filled in an auction": OrderFilled(*HEAD, PART, 5, 18950, 40, False, True),
    "busted": TradeBusted(*HEAD, PLAIN, 5, 8, 2, 18950, 40, "erroneous"),
    "corrected": TradeCorrected(*HEAD, PART, 5, 8, 2, 18940, 40, ""),
    "mass status": OrderMassStatusReported(*HEAD, PART, "AAPL", "m-1", 2, False),
    "empty mass status": OrderMassStatusReported(*HEAD, None, "", "m-1", 0, True),
    "mass status refused": RequestRefused(*HEAD, 42, "AF", R.UNKNOWN_SYMBOL, "no", 55, "X", "m-1", *[""] * 7),
    "mass cancel": MassCancelReported(*HEAD, "", "c-1", "7", "", 3, None, ""),
    "mass cancel of a side": MassCancelReported(*HEAD, "AAPL", "c-1", "1", "2", 0, None, ""),
    "mass cancel refused": RequestRefused(*HEAD, 42, "q", R.UNKNOWN_SYMBOL, "no", 55, "X", "c-1", *[""] * 7),
    "list": ListStatusReported(*HEAD, "", "FIRMA", "AAPL", "l-1", "3", LEGS, None, ""),
    "list done": ListStatusReported(*HEAD, "", "FIRMA", "AAPL", "l-1", "6", LEGS[1:], None, ""),
    "list rejected": ListStatusReported(*HEAD, "", "FIRMA", "AAPL", "l-1", "7", LEGS[1:], R.DUPLICATE_CL_ORD_ID, "a-2"),
    "list refused": RequestRefused(*HEAD, 42, "E", R.MISSING_TAG, "send it", 1385, "", "l-1", *[""] * 7),
    "quotes": MassQuoteAcknowledged(*HEAD, "q-1", "0", [], None, ""),
    "quotes but one": MassQuoteAcknowledged(
        *HEAD, "q-1", "0", [QuoteEntryRefused("e-2", R.PRICE_OUTSIDE_BAND, "too high")], None, ""
    ),
    "quotes rejected": MassQuoteAcknowledged(*HEAD, "q-1", "5", [], R.QUOTE_PROTECTION, "send Z"),
    "quotes refused": RequestRefused(*HEAD, 42, "i", R.UNKNOWN_SYMBOL, "no", 55, "", "q-1", *[""] * 7),
    "quotes canceled": MassQuoteAcknowledged(*HEAD, "q-1", "4", [], None, ""),
    "quotes pulled": QuotesPulled(*HEAD, "", "AAPL", ["e-1", "e-2"], "Q", "protection"),
}

BODIES = {
    ("triggered", "FIX.4.2"): (
        "35=8|6=0|11=a-1|14=0|17=2-9-1|20=0|37=2-7|38=100|39=0|40=1|54=1|55=AAPL|58=triggered|59=0|"
        "60=20251009-08:53:20.123|150=D|151=100|378=4|"
    ),
    ("triggered", "FIX.4.4"): (
        "35=8|6=0|11=a-1|14=0|17=2-9-1|37=2-7|38=100|39=0|40=1|54=1|55=AAPL|58=triggered|59=0|"
        "60=20251009-08:53:20.123|150=D|151=100|378=99|"
    ),
    ("triggered", "FIXT.1.1"): (
        "35=8|6=0|11=a-1|14=0|17=2-9-1|37=2-7|38=100|39=0|40=1|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123456|150=L|151=100|"
    ),
    ("repriced", "FIX.4.4"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|37=2-7|38=100|39=1|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123|150=D|151=60|378=3|"
    ),
    ("reduced", "FIX.4.2"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|20=0|37=2-7|38=100|39=1|40=2|44=189.50|54=1|55=AAPL|"
        "58=self-match prevention|59=0|60=20251009-08:53:20.123|150=D|151=60|378=5|"
    ),
    ("parked", "FIX.4.4"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|37=2-7|38=100|39=1|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123|150=D|151=60|378=99|"
    ),
    ("parked", "FIXT.1.1"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|37=2-7|38=100|39=1|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123456|150=D|151=60|378=11|"
    ),
    ("incoming canceled by self-match prevention", "FIXT.1.1"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|37=2-7|38=100|39=4|40=2|44=189.50|54=1|55=AAPL|58=self-match|59=0|"
        "60=20251009-08:53:20.123456|150=4|151=0|378=18|"
    ),
    ("canceled by a halt", "FIX.4.4"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|37=2-7|38=100|39=4|40=2|44=189.50|54=1|55=AAPL|58=halted|59=0|"
        "60=20251009-08:53:20.123|150=4|151=0|378=6|"
    ),
    ("canceled with its list", "FIX.4.2"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|20=0|37=2-7|38=100|39=4|40=2|44=189.50|54=1|55=AAPL|58=list l-1|59=0|"
        "60=20251009-08:53:20.123|150=4|151=0|378=4|"
    ),
    ("mass canceled", "FIX.4.4"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|37=2-7|38=100|39=4|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123|150=4|151=0|"
    ),
    ("filled in an auction", "FIX.4.4"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|31=189.50|32=40|37=2-7|38=100|39=1|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123|150=F|151=60|527=AAPL-5|"
    ),
    ("filled in an auction", "FIXT.1.1"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|31=189.50|32=40|37=2-7|38=100|39=1|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123456|150=F|151=60|851=4|880=AAPL-5|"
    ),
    ("busted", "FIX.4.2"): (
        "35=8|6=0|11=a-1|14=0|17=2-9-1|19=2-8-2|20=1|31=189.50|32=40|37=2-7|38=100|39=0|40=2|44=189.50|54=1|55=AAPL|"
        "58=erroneous|59=0|60=20251009-08:53:20.123|150=0|151=100|"
    ),
    ("busted", "FIX.4.4"): (
        "35=8|6=0|11=a-1|14=0|17=2-9-1|19=2-8-2|31=189.50|32=40|37=2-7|38=100|39=0|40=2|44=189.50|54=1|55=AAPL|"
        "58=erroneous|59=0|60=20251009-08:53:20.123|150=H|151=100|527=AAPL-5|"
    ),
    ("corrected", "FIX.4.2"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|19=2-8-2|20=2|31=189.40|32=40|37=2-7|38=100|39=1|40=2|44=189.50|54=1|"
        "55=AAPL|59=0|60=20251009-08:53:20.123|150=1|151=60|"
    ),
    ("corrected", "FIXT.1.1"): (
        "35=8|6=189.50|11=a-1|14=40|17=2-9-1|19=2-8-2|31=189.40|32=40|37=2-7|38=100|39=1|40=2|44=189.50|54=1|"
        "55=AAPL|59=0|60=20251009-08:53:20.123456|150=G|151=60|880=AAPL-5|"
    ),
    ("mass status", "FIX.4.4"): (
        "35=8|6=189.50|11=a-1|14=40|17=0|37=2-7|38=100|39=1|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123|150=I|151=60|584=m-1|911=2|912=N|"
    ),
    ("mass status", "FIXT.1.1"): (
        "35=8|6=189.50|11=a-1|14=40|17=0|37=2-7|38=100|39=1|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123456|150=I|151=60|584=m-1|911=2|912=N|1300=2|"
    ),
    ("empty mass status", "FIX.4.4"): (
        "35=8|6=0|14=0|17=0|37=NONE|39=8|54=7|55=[N/A]|58=UNKNOWN_ORDER: no live orders on shard 2|"
        "60=20251009-08:53:20.123|103=5|150=I|151=0|584=m-1|911=0|912=Y|"
    ),
    ("mass status refused", "FIX.4.4"): (
        "35=8|6=0|14=0|17=0|37=NONE|39=8|54=7|55=X|58=UNKNOWN_SYMBOL: no|60=20251009-08:53:20.123|103=1|150=I|151=0|"
        "584=m-1|911=0|912=Y|"
    ),
    ("mass cancel", "FIX.4.4"): ("35=r|11=c-1|37=2-9|60=20251009-08:53:20.123|530=7|531=7|533=3|"),
    ("mass cancel", "FIXT.1.1"): (
        "35=r|11=c-1|37=2-9|60=20251009-08:53:20.123456|530=7|531=7|533=3|1300=2|1369=2-9-1|"
    ),
    ("mass cancel of a side", "FIX.4.4"): (
        "35=r|11=c-1|37=2-9|54=2|55=AAPL|60=20251009-08:53:20.123|530=1|531=1|533=0|"
    ),
    ("mass cancel refused", "FIX.4.4"): (
        "35=r|11=c-1|37=2-9|55=X|58=UNKNOWN_SYMBOL: no|60=20251009-08:53:20.123|530=1|531=0|532=1|"
    ),
    ("list", "FIX.4.4"): (
        "35=N|60=20251009-08:53:20.123|66=l-1|68=2|73=2|11=a-1|14=40|39=1|151=60|84=0|6=189.50|"
        "11=a-2|14=0|39=4|151=0|84=100|6=0|82=1|83=1|429=4|431=3|"
    ),
    ("list done", "FIX.4.2"): (
        "35=N|60=20251009-08:53:20.123|66=l-1|68=1|73=1|11=a-2|14=0|39=4|151=0|84=100|6=0|82=1|83=1|429=5|431=6|"
    ),
    ("list rejected", "FIXT.1.1"): (
        "35=N|60=20251009-08:53:20.123456|66=l-1|68=1|73=1|11=a-2|14=0|39=4|151=0|84=100|6=0|82=1|83=1|429=1|431=7|"
        "444=DUPLICATE_CL_ORD_ID: a-2|1386=6|"
    ),
    ("list refused", "FIXT.1.1"): (
        "35=N|60=20251009-08:53:20.123456|66=l-1|68=0|73=0|82=1|83=1|429=1|431=7|444=MISSING_TAG: send it|1386=99|"
    ),
    ("quotes", "FIX.4.4"): "35=b|117=q-1|297=0|",
    ("quotes but one", "FIX.4.2"): (
        "35=b|58=e-2: PRICE_OUTSIDE_BAND: too high|117=q-1|296=1|302=1|304=1|295=1|299=e-2|368=8|297=0|"
    ),
    ("quotes rejected", "FIX.4.2"): "35=b|58=QUOTE_PROTECTION: send Z|117=q-1|297=5|",
    ("quotes rejected", "FIX.4.4"): "35=b|58=QUOTE_PROTECTION: send Z|117=q-1|297=5|300=99|",
    ("quotes refused", "FIX.4.4"): "35=b|58=UNKNOWN_SYMBOL: no|117=q-1|297=5|300=1|",
    ("quotes canceled", "FIX.4.4"): "35=b|58=shard 2|117=q-1|297=4|",
    ("quotes pulled", "FIX.4.4"): ("35=b|58=protection|296=1|302=1|304=2|295=2|299=e-1|55=AAPL|299=e-2|55=AAPL|297=1|"),
}


@pytest.mark.parametrize(("name", "begin_string"), list(BODIES))
def test_an_event_is_reported_in_these_words(name: str, begin_string: str) -> None:
    assert rendered(EVENTS[name], begin_string).replace(SOH, "|") == BODIES[name, begin_string]


def test_every_event_of_this_file_has_its_words() -> None:
    assert {name for name, _ in BODIES} == set(EVENTS)


FIX44_REQUESTS = {name for name in EVENTS if name.startswith(("mass status", "empty mass status", "mass cancel"))} - {
    "mass canceled"
}
"""Answers to AF and q, which FIX 4.2 does not have: a client that asks reads them with the venue's dictionary."""


@pytest.mark.parametrize("begin_string", BEGIN_STRINGS)
@pytest.mark.parametrize("name", list(EVENTS))
def test_a_stock_client_accepts_every_answer_of_its_version(name: str, begin_string: str) -> None:
    if begin_string == "FIX.4.2" and name in FIX44_REQUESTS:
        pytest.skip("FIX 4.2 has no such request")
    check_with_stock_client(rendered(EVENTS[name], begin_string), begin_string)


DIFFERS = {
    "FIX.4.2": {
        "stop on the best offer",
        "stop on the reference price",
        "take-profit",
        "take-profit with a limit",
        "trailing stop",
        "trailing stop in basis points",
        "post-only, slid",
        "canceled on a halt",
        "self-match terms",
        "of a quote",
        "at the close, waiting",
        "market-to-limit at its price",
    },
    "FIX.4.4": {
        "stop on the best offer",
        "stop on the reference price",
        "take-profit with a limit",
        "post-only, slid",
        "self-match terms",
        "of a quote",
    },
    "FIXT.1.1": {"post-only, slid", "of a quote"},
}
"""Orders whose reports need the venue's dictionary: they said what their version has no word for. See FIX.md."""


@pytest.mark.parametrize("begin_string", BEGIN_STRINGS)
@pytest.mark.parametrize("name", list(RESTATED))
def test_a_stock_client_accepts_the_report_of_an_order_that_said_only_what_its_version_has(
    name: str, begin_string: str
) -> None:
    body = rendered(OrderAccepted(*HEAD, RESTATED[name][0]), begin_string)
    if name in DIFFERS[begin_string]:
        with pytest.raises(quickfix.FIXException):
            check_with_stock_client(body, begin_string)
    else:
        check_with_stock_client(body, begin_string)


@pytest.mark.parametrize("begin_string", BEGIN_STRINGS)
@pytest.mark.parametrize("reason", [reason for reason in get_args(RestatementReason) if reason])
def test_a_stock_client_accepts_every_restatement(reason: RestatementReason, begin_string: str) -> None:
    check_with_stock_client(rendered(OrderRestated(*HEAD, PART, reason, "why"), begin_string), begin_string)
    check_with_stock_client(rendered(OrderCanceled(*HEAD, DONE, "a-1", "", "why", reason), begin_string), begin_string)


@pytest.mark.parametrize("begin_string", BEGIN_STRINGS)
@pytest.mark.parametrize("reason", list(RejectReason))
def test_a_stock_client_accepts_every_refusal_of_many(reason: RejectReason, begin_string: str) -> None:
    entry = QuoteEntryRefused("e-1", reason, "why")
    events: list[Event] = [
        MassQuoteAcknowledged(*HEAD, "q-1", "5", [entry], reason, "why"),
        ListStatusReported(*HEAD, "", "FIRMA", "AAPL", "l-1", "7", LEGS, reason, "why"),
    ]
    if begin_string != "FIX.4.2":
        events.append(MassCancelReported(*HEAD, "AAPL", "c-1", "1", "", 0, reason, "why"))
    for event in events:
        check_with_stock_client(rendered(event, begin_string), begin_string)


def test_what_concerns_no_session_is_reported_to_nobody() -> None:
    for event in (InstrumentDefined(*HEAD, AAPL), OperatorAnswered(*HEAD, "o-1", None, "")):
        assert REPORTS.render(event, shard=SHARD) == []


def test_a_mass_cancel_of_anothers_order_is_told_to_both() -> None:
    event = msgspec.structs.replace(
        EVENTS["mass canceled"],
        requester_session_id="FIX.4.4:FIRMA2",
        order=msgspec.structs.replace(DONE, session_id="FIX.4.4:FIRMA1"),
    )
    reports = REPORTS.render(event, shard=SHARD)
    assert [session_id for session_id, _ in reports] == ["FIX.4.4:FIRMA1", "FIX.4.4:FIRMA2"]


def test_lists_and_pulled_quotes_are_told_to_who_entered_them() -> None:
    for name in ("list", "quotes pulled"):
        event = msgspec.structs.replace(
            EVENTS[name], session_id="FIX.4.4:FIRMA1", requester_session_id="FIX.4.4:FIRMB1"
        )
        assert [session_id for session_id, _ in REPORTS.render(event, shard=SHARD)] == ["FIX.4.4:FIRMA1"]


def test_every_private_event_is_an_event() -> None:
    """So that `render`, which names or answers each of them, names or answers all."""
    assert set(get_args(Event)) == set(PrivateEvent.__subclasses__())


def test_an_instrument_that_is_defined_later_has_its_decimals() -> None:
    reports = Reports({})
    reports.define(AAPL)
    event = to_session(OrderAccepted(*HEAD, PLAIN), "FIX.4.4")
    assert reports.render(event, shard=SHARD) == REPORTS.render(event, shard=SHARD)
