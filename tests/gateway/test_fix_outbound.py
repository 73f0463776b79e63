"""Events to FIX reports: whole bodies in all three versions, who gets them, and that a stock client accepts each."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fix.dialects import REJECT_CODES
from gateway.fix.inbound import Inbound, RequestContext, refused
from gateway.fix.outbound import ReportError, Reports
from matcher.commands import RefusedRequest
from matcher.events import (
    CancelRejected,
    Event,
    GatewayAdmitted,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderStatusReported,
    RequestRefused,
)
from matcher.instruments import Increment, Instrument
from matcher.orders import OrderState
from matcher.rejects import RejectReason
from sessions.fix_text import SOH
from tests.gateway.stock_client import check_with_stock_client

INSTRUMENTS = {
    symbol: Instrument(symbol, Increment.parse(tick), Increment.parse(lot), 1, "USD", shard=0)
    for symbol, tick, lot in (("AAPL", "0.01", "1"), ("BTC/USD", "0.01", "0.00000001"), ("SAP", "0.05", "10"))
}
REPORTS = Reports(INSTRUMENTS)
SHARD = 2
RECEIVED_NS = 1_760_000_000_123_456_789
BEGIN_STRINGS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
R = RejectReason

NEW = OrderState(7, "", "FIRMA", "a-1", "ACC", "AAPL", "1", "2", "0", 18950, 100, 100, 0, 0, "0")
PART = msgspec.structs.replace(NEW, leaves_qty_lots=60, cum_qty_lots=40, cum_value=757700, ord_status="1")
DONE = msgspec.structs.replace(PART, leaves_qty_lots=0, ord_status="4")
FILLED = msgspec.structs.replace(NEW, leaves_qty_lots=0, cum_qty_lots=100, cum_value=18950 * 100, ord_status="2")
MARKET = msgspec.structs.replace(FILLED, ord_type="1", price_ticks=0, account="")
NO_ORDER = msgspec.structs.replace(NEW, order_id=0, leaves_qty_lots=0, ord_status="8")

HEAD = (9, 1, RECEIVED_NS)
BTC = OrderState(8, "", "FIRMA", "b-1", "", "BTC/USD", "2", "2", "1", 6125000, 3, 0, 3, 6125000 * 2 + 6125001, "2")


def refusal(msg_type: str, reason: RejectReason, *, price: str = "1.001", side: str = "1") -> RequestRefused:
    orig, request_id = ("a-0" if msg_type in "FG" else ""), ("q-1" if msg_type == "H" else "")
    echoed = ("AAPL", "a-1", orig, request_id, side, "2", "0", price, "100")
    return RequestRefused(*HEAD, "", 42, msg_type, reason, "what to do", 44, *echoed)


EVENTS: dict[str, Event] = {
    "accepted": OrderAccepted(*HEAD, "", NEW),
    "partly filled, resting": OrderFilled(*HEAD, "", PART, 5, 18950, 10, False),
    "filled, incoming": OrderFilled(*HEAD, "", FILLED, 5, 18950, 100, True),
    "market order filled": OrderFilled(*HEAD, "", MARKET, 5, 18950, 100, True),
    "fraction of a coin filled": OrderFilled(*HEAD, "", BTC, 6, 6125001, 1, False),
    "canceled on request": OrderCanceled(*HEAD, "", DONE, "a-2", "a-1", ""),
    "rest canceled": OrderCanceled(*HEAD, "", DONE, "a-1", "", "the rest of an IOC order"),
    "replaced": OrderReplaced(*HEAD, "", msgspec.structs.replace(PART, cl_ord_id="a-2"), "a-1"),
    "expired": OrderExpired(*HEAD, "", msgspec.structs.replace(DONE, ord_status="C")),
    "rejected": OrderRejected(*HEAD, "", NO_ORDER, R.DUPLICATE_CL_ORD_ID, "used before"),
    "cancel rejected": CancelRejected(*HEAD, "", "AAPL", "1", 7, "2", "a-2", "a-1", R.TOO_LATE, "it is filled"),
    "cancel of the unknown": CancelRejected(*HEAD, "", "AAPL", "2", 0, "8", "a-2", "a-9", R.UNKNOWN_ORDER, ""),
    "status": OrderStatusReported(*HEAD, "", PART, "q-1", None, ""),
    "status of the unknown": OrderStatusReported(*HEAD, "", NO_ORDER, "q-1", R.UNKNOWN_ORDER, "no such order"),
    "D refused": refusal("D", R.PRICE_OFF_TICK),
    "F refused": refusal("F", R.MISSING_TAG),
    "G refused": refusal("G", R.PRICE_OFF_TICK),
    "H refused": refusal("H", R.UNSUPPORTED_SIDE, side="X"),
    "AE refused": refusal("AE", R.UNSUPPORTED_MESSAGE),
}


def to_session(event: Event, begin_string: str) -> Event:
    """The event as if all of it concerned one session of that version."""
    session_id = f"{begin_string}:FIRMA1"
    event = msgspec.structs.replace(event, requester_session_id=session_id)
    order = getattr(event, "order", None)
    return event if order is None else msgspec.structs.replace(event, order=_owned(order, session_id))


def _owned(order: OrderState, session_id: str) -> OrderState:
    return msgspec.structs.replace(order, session_id=session_id)


def rendered(event: Event, begin_string: str) -> str:
    [(session_id, body)] = REPORTS.render(to_session(event, begin_string), shard=SHARD)
    assert session_id == f"{begin_string}:FIRMA1"
    return body


BODIES = {
    ("accepted", "FIX.4.2"): (
        "35=8|1=ACC|6=0|11=a-1|14=0|17=2-9-1|20=0|37=2-7|38=100|39=0|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123|150=0|151=100|"
    ),
    ("accepted", "FIX.4.4"): (
        "35=8|1=ACC|6=0|11=a-1|14=0|17=2-9-1|37=2-7|38=100|39=0|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123|150=0|151=100|"
    ),
    ("accepted", "FIXT.1.1"): (
        "35=8|1=ACC|6=0|11=a-1|14=0|17=2-9-1|37=2-7|38=100|39=0|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123456|150=0|151=100|"
    ),
    ("partly filled, resting", "FIX.4.2"): (
        "35=8|1=ACC|6=189.425|11=a-1|14=40|17=2-9-1|20=0|31=189.50|32=10|37=2-7|38=100|39=1|40=2|44=189.50|54=1|"
        "55=AAPL|59=0|60=20251009-08:53:20.123|150=1|151=60|"
    ),
    ("partly filled, resting", "FIX.4.4"): (
        "35=8|1=ACC|6=189.425|11=a-1|14=40|17=2-9-1|31=189.50|32=10|37=2-7|38=100|39=1|40=2|44=189.50|54=1|"
        "55=AAPL|59=0|60=20251009-08:53:20.123|150=F|151=60|527=AAPL-5|851=1|"
    ),
    ("partly filled, resting", "FIXT.1.1"): (
        "35=8|1=ACC|6=189.425|11=a-1|14=40|17=2-9-1|31=189.50|32=10|37=2-7|38=100|39=1|40=2|44=189.50|54=1|"
        "55=AAPL|59=0|60=20251009-08:53:20.123456|150=F|151=60|851=1|880=AAPL-5|1057=N|"
    ),
    ("filled, incoming", "FIX.4.2"): (
        "35=8|1=ACC|6=189.50|11=a-1|14=100|17=2-9-1|20=0|31=189.50|32=100|37=2-7|38=100|39=2|40=2|44=189.50|54=1|"
        "55=AAPL|59=0|60=20251009-08:53:20.123|150=2|151=0|"
    ),
    ("market order filled", "FIXT.1.1"): (
        "35=8|6=189.50|11=a-1|14=100|17=2-9-1|31=189.50|32=100|37=2-7|38=100|39=2|40=1|54=1|"
        "55=AAPL|59=0|60=20251009-08:53:20.123456|150=F|151=0|851=2|880=AAPL-5|1057=Y|"
    ),
    ("fraction of a coin filled", "FIX.4.4"): (
        "35=8|6=61250.003333|11=b-1|14=0.00000003|17=2-9-1|31=61250.01|32=0.00000001|37=2-8|38=0.00000003|39=2|40=2|"
        "44=61250.00|54=2|55=BTC/USD|59=1|60=20251009-08:53:20.123|150=F|151=0.00000000|527=BTC/USD-6|851=1|"
    ),
    ("canceled on request", "FIX.4.4"): (
        "35=8|1=ACC|6=189.425|11=a-2|14=40|17=2-9-1|37=2-7|38=100|39=4|40=2|41=a-1|44=189.50|54=1|"
        "55=AAPL|59=0|60=20251009-08:53:20.123|150=4|151=0|"
    ),
    ("rest canceled", "FIX.4.2"): (
        "35=8|1=ACC|6=189.425|11=a-1|14=40|17=2-9-1|20=0|37=2-7|38=100|39=4|40=2|44=189.50|54=1|"
        "55=AAPL|58=the rest of an IOC order|59=0|60=20251009-08:53:20.123|150=4|151=0|"
    ),
    ("replaced", "FIX.4.4"): (
        "35=8|1=ACC|6=189.425|11=a-2|14=40|17=2-9-1|37=2-7|38=100|39=1|40=2|41=a-1|44=189.50|54=1|"
        "55=AAPL|59=0|60=20251009-08:53:20.123|150=5|151=60|"
    ),
    ("expired", "FIX.4.4"): (
        "35=8|1=ACC|6=189.425|11=a-1|14=40|17=2-9-1|37=2-7|38=100|39=C|40=2|44=189.50|54=1|"
        "55=AAPL|59=0|60=20251009-08:53:20.123|150=C|151=0|"
    ),
    ("rejected", "FIX.4.4"): (
        "35=8|1=ACC|6=0|11=a-1|14=0|17=2-9-1|37=NONE|38=100|39=8|40=2|44=189.50|54=1|"
        "55=AAPL|58=DUPLICATE_CL_ORD_ID: used before|59=0|60=20251009-08:53:20.123|103=6|150=8|151=0|"
    ),
    ("cancel rejected", "FIX.4.2"): (
        "35=9|11=a-2|37=2-7|39=2|41=a-1|58=TOO_LATE: it is filled|60=20251009-08:53:20.123|102=0|434=1|"
    ),
    ("cancel of the unknown", "FIX.4.4"): (
        "35=9|11=a-2|37=NONE|39=8|41=a-9|58=UNKNOWN_ORDER|60=20251009-08:53:20.123|102=1|434=2|"
    ),
    ("status", "FIX.4.2"): (
        "35=8|1=ACC|6=189.425|11=a-1|14=40|17=0|20=3|37=2-7|38=100|39=1|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123|150=1|151=60|"
    ),
    ("status", "FIX.4.4"): (
        "35=8|1=ACC|6=189.425|11=a-1|14=40|17=0|37=2-7|38=100|39=1|40=2|44=189.50|54=1|55=AAPL|59=0|"
        "60=20251009-08:53:20.123|150=I|151=60|790=q-1|"
    ),
    ("status of the unknown", "FIX.4.2"): (
        "35=8|6=0|11=a-1|14=0|17=0|20=3|37=NONE|39=8|54=1|55=AAPL|58=UNKNOWN_ORDER: no such order|"
        "60=20251009-08:53:20.123|103=5|150=8|151=0|"
    ),
    ("status of the unknown", "FIXT.1.1"): (
        "35=8|6=0|11=a-1|14=0|17=0|37=NONE|39=8|54=1|55=AAPL|58=UNKNOWN_ORDER: no such order|"
        "60=20251009-08:53:20.123456|103=5|150=I|151=0|790=q-1|"
    ),
    ("D refused", "FIX.4.2"): (
        "35=8|6=0|11=a-1|14=0|17=2-9-1|20=0|37=NONE|38=100|39=8|40=2|44=1.001|54=1|55=AAPL|"
        "58=PRICE_OFF_TICK: what to do|59=0|60=20251009-08:53:20.123|103=0|150=8|151=0|"
    ),
    ("D refused", "FIX.4.4"): (
        "35=8|6=0|11=a-1|14=0|17=2-9-1|37=NONE|38=100|39=8|40=2|44=1.001|54=1|55=AAPL|"
        "58=PRICE_OFF_TICK: what to do|59=0|60=20251009-08:53:20.123|103=99|150=8|151=0|"
    ),
    ("D refused", "FIXT.1.1"): (
        "35=8|6=0|11=a-1|14=0|17=2-9-1|37=NONE|38=100|39=8|40=2|44=1.001|54=1|55=AAPL|"
        "58=PRICE_OFF_TICK: what to do|59=0|60=20251009-08:53:20.123456|103=18|150=8|151=0|"
    ),
    ("F refused", "FIX.4.4"): (
        "35=9|11=a-1|37=NONE|39=8|41=a-0|58=MISSING_TAG: what to do|60=20251009-08:53:20.123|102=99|434=1|"
    ),
    ("G refused", "FIX.4.2"): (
        "35=9|11=a-1|37=NONE|39=8|41=a-0|58=PRICE_OFF_TICK: what to do|60=20251009-08:53:20.123|102=2|434=2|"
    ),
    ("H refused", "FIX.4.4"): (
        "35=8|6=0|11=a-1|14=0|17=0|37=NONE|38=100|39=8|40=2|44=1.001|54=7|55=AAPL|"
        "58=UNSUPPORTED_SIDE: what to do|59=0|60=20251009-08:53:20.123|103=11|150=I|151=0|790=q-1|"
    ),
    ("AE refused", "FIX.4.4"): "35=j|45=42|58=UNSUPPORTED_MESSAGE: what to do|372=AE|379=a-1|380=3|",
}


@pytest.mark.parametrize(("name", "begin_string"), list(BODIES))
def test_an_event_is_reported_in_these_words(name: str, begin_string: str) -> None:
    assert rendered(EVENTS[name], begin_string).replace(SOH, "|") == BODIES[name, begin_string]


def test_every_event_of_this_file_has_its_words() -> None:
    assert {name for name, _ in BODIES} == set(EVENTS)


@pytest.mark.parametrize("name", list(EVENTS))
@pytest.mark.parametrize("begin_string", BEGIN_STRINGS)
def test_a_stock_client_accepts_every_report(name: str, begin_string: str) -> None:
    check_with_stock_client(rendered(EVENTS[name], begin_string), begin_string)


@pytest.mark.parametrize("begin_string", BEGIN_STRINGS)
@pytest.mark.parametrize("reason", list(RejectReason))
def test_a_stock_client_accepts_every_refusal(reason: RejectReason, begin_string: str) -> None:
    for event in every_refusal(reason):
        body = rendered(event, begin_string)
        assert f"{SOH}58={reason}" in body
        check_with_stock_client(body, begin_string)


def every_refusal(reason: RejectReason) -> Iterator[Event]:
    yield OrderRejected(*HEAD, "", NO_ORDER, reason, "")
    yield CancelRejected(*HEAD, "", "AAPL", "1", 7, "2", "a-2", "a-1", reason, "")
    for msg_type in ("D", "F", "G", "H", "AE"):
        yield refusal(msg_type, reason)


def test_each_reason_has_its_codes_once() -> None:
    assert list(REJECT_CODES) == list(RejectReason)


def event_of(command: RefusedRequest) -> RequestRefused:
    """What the matcher answers, see `matcher/engine/answer.py`."""
    echoed = {field: getattr(command, field) for field in RequestRefused.__struct_fields__ if hasattr(command, field)}
    return RequestRefused(
        input_seq=9, event_index=1, transact_ns=RECEIVED_NS, requester_session_id=command.session_id, **echoed
    )


TAGS = st.sampled_from(["35", "11", "41", "55", "54", "40", "59", "38", "44", "1", "790"])
WORDS = st.sampled_from(["D", "F", "G", "H", "1", "2", "AAPL", "a-1", "0", "1.", ".5", "-1", "1e3", "٣", "A=B", "é"])
FIELDS = st.dictionaries(TAGS, WORDS | st.text(st.characters(exclude_categories=()), max_size=80))


@given(FIELDS, st.sampled_from(BEGIN_STRINGS))
def test_a_stock_client_accepts_the_refusal_of_whatever_it_wrote(fields: dict[str, str], begin_string: str) -> None:
    context = RequestContext(f"{begin_string}:FIRMA1", 1, 42, 41, RECEIVED_NS, "FIRMA")
    command = Inbound(INSTRUMENTS).to_command(fields, context)
    if not isinstance(command, RefusedRequest):
        command = refused(fields, context, R.BOOK_FULL, ref_tag="", text="try again later")
    [(session_id, body)] = REPORTS.render(event_of(command), shard=SHARD)
    assert session_id == command.session_id
    check_with_stock_client(body, begin_string)


def shared(event: Event, *, owner: str, requester: str) -> list[tuple[str, str]]:
    event = msgspec.structs.replace(event, requester_session_id=requester, order=_owned(event.order, owner))  # type: ignore[union-attr]
    return REPORTS.render(event, shard=SHARD)


@pytest.mark.parametrize("name", ["canceled on request", "replaced"])
def test_owner_and_requester_both_get_a_change_with_one_exec_id(name: str) -> None:
    reports = shared(EVENTS[name], owner="FIX.4.2:FIRMA1", requester="FIXT.1.1:FIRMA2")
    assert [session_id for session_id, _ in reports] == ["FIX.4.2:FIRMA1", "FIXT.1.1:FIRMA2"]
    assert all(f"{SOH}17=2-9-1{SOH}" in body for _, body in reports)
    assert [f"{SOH}20=0{SOH}" in body for _, body in reports] == [True, False]


@pytest.mark.parametrize("name", ["accepted", "partly filled, resting", "rest canceled", "expired", "rejected"])
@pytest.mark.parametrize("requester", ["", "FIX.4.4:FIRMA1"])
def test_everything_else_about_an_order_goes_to_its_owner_alone(name: str, requester: str) -> None:
    reports = shared(EVENTS[name], owner="FIX.4.4:FIRMA1", requester=requester)
    assert [session_id for session_id, _ in reports] == ["FIX.4.4:FIRMA1"]


def test_a_fill_goes_to_the_owner_whoever_replaced_the_order() -> None:
    reports = shared(EVENTS["filled, incoming"], owner="FIX.4.4:FIRMA1", requester="FIX.4.4:FIRMA2")
    assert [session_id for session_id, _ in reports] == ["FIX.4.4:FIRMA1"]


def test_a_status_report_goes_to_the_requester_alone() -> None:
    reports = shared(EVENTS["status"], owner="FIX.4.4:FIRMA1", requester="FIX.4.4:FIRMA2")
    assert [session_id for session_id, _ in reports] == ["FIX.4.4:FIRMA2"]


def test_the_admission_of_a_gateway_is_reported_to_nobody() -> None:
    assert REPORTS.render(GatewayAdmitted(*HEAD, "", "gw1", 1, []), shard=SHARD) == []


def test_both_sides_of_a_trade_name_it_alike() -> None:
    resting, incoming = (rendered(EVENTS[name], "FIXT.1.1") for name in ("partly filled, resting", "filled, incoming"))
    assert f"{SOH}880=AAPL-5{SOH}" in resting
    assert f"{SOH}880=AAPL-5{SOH}" in incoming


def test_a_restarted_gateway_renders_the_same_text() -> None:
    for begin_string in BEGIN_STRINGS:
        for event in EVENTS.values():
            again = Reports(INSTRUMENTS).render(to_session(event, begin_string), shard=SHARD)
            assert [body for _, body in again] == [rendered(event, begin_string)]


def test_the_texts_that_are_remembered_stay_bounded_and_right() -> None:
    reports = Reports(INSTRUMENTS)
    for number in range(1, 10_000):
        order = msgspec.structs.replace(NEW, session_id="FIX.4.4:A", price_ticks=number, qty_lots=number)
        [(_, body)] = reports.render(OrderAccepted(*HEAD, "", order), shard=SHARD)
        assert f"{SOH}38={number}{SOH}" in body
        assert f"{SOH}44={number // 100}.{number % 100:02d}{SOH}" in body
    assert len(reports._texts.of_symbol("AAPL")._prices) <= 4096
    assert len(reports._texts.of_symbol("AAPL")._qtys) <= 4096


def test_an_instrument_that_is_gone_from_the_file_is_named() -> None:
    event = OrderAccepted(*HEAD, "", msgspec.structs.replace(NEW, session_id="FIX.4.4:FIRMA1", symbol="GONE"))
    with pytest.raises(ReportError, match="an order in 'GONE'; put it back into the instruments file"):
        REPORTS.render(event, shard=SHARD)


def test_a_session_of_another_version_is_named() -> None:
    with pytest.raises(ReportError, match=r"'FIX.4.1:FIRMA1' is of no FIX version spoken here"):
        REPORTS.render(to_session(EVENTS["accepted"], "FIX.4.1"), shard=SHARD)
