"""FIX requests to commands: what each tag becomes, and which refusal each fault gets."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fix.fields import ECHO_CHARS_MAX
from gateway.fix.inbound import Inbound, RequestContext
from matcher.commands import (
    CancelOrder,
    ClientRequest,
    Command,
    NewOrder,
    OrderStatusRequest,
    RefusedRequest,
    ReplaceOrder,
)
from matcher.instruments import Increment, Instrument
from matcher.orders import PRICE_TICKS_MAX, QTY_LOTS_MAX
from matcher.rejects import RejectReason
from sessions.fix_text import SOH

RECEIVED_NS = 1_760_000_000_123_456_789
CONTEXT = RequestContext("FIX.4.4:FIRMA1", 3, 42, 41, RECEIVED_NS, "FIRMA")
ASKED = ("FIX.4.4:FIRMA1", 3, 42, 41, RECEIVED_NS, "FIRMA")

INSTRUMENTS = {
    symbol: Instrument(symbol, Increment.parse(tick), Increment.parse(lot), 1, currency, shard=0)
    for symbol, tick, lot, currency in (
        ("AAPL", "0.01", "1", "USD"),
        ("SAP", "0.05", "10", "EUR"),
        ("BTC/USD", "0.01", "0.00000001", "USD"),
    )
}
INBOUND = Inbound(INSTRUMENTS)

NEW_ORDER = "35=D|11=a-1|21=1|38=100|40=2|44=189.50|54=1|55=AAPL|59=0|60=20251009-08:53:20.123"
CANCEL = "35=F|11=a-2|41=a-1|54=1|55=AAPL|60=20251009-08:53:20.123"
REPLACE = "35=G|11=a-2|38=80|40=2|41=a-1|44=189.60|54=1|55=AAPL|59=0|60=20251009-08:53:20.123"
NEW_STOP = f"{NEW_ORDER}|40=4|99=190.00"
REPLACE_OF_STOP = f"{REPLACE}|40=4|99=190.00"
STATUS = "35=H|11=a-1|54=1|55=AAPL|790=q-1"
HEADER = "8=FIX.4.4|9=100|34=42|43=N|49=FIRMA1|50=desk|52=20251009-08:53:20.123|56=OUTCRY|10=000"

R = RejectReason


def tags(readable: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in readable.split("|") if part)


def words(text: str) -> list[str]:
    return text.split()


def changed(readable: str, changes: str) -> dict[str, str]:
    """The message with tags set, or left out where the new value is `-`."""
    fields = tags(readable) | tags(changes)
    return {tag: value for tag, value in fields.items() if value != "-"}


def to_command(fields: dict[str, str]) -> ClientRequest:
    return INBOUND.to_command(fields, CONTEXT)


def refusal(fields: dict[str, str]) -> RefusedRequest:
    command = to_command(fields)
    assert isinstance(command, RefusedRequest), command
    return command


@pytest.mark.parametrize(
    ("message", "changes", "command"),
    [
        (NEW_ORDER, "", NewOrder(*ASKED, "AAPL", "a-1", "", "1", "2", "0", 18950, 100)),
        (NEW_ORDER, HEADER, NewOrder(*ASKED, "AAPL", "a-1", "", "1", "2", "0", 18950, 100)),
        (NEW_ORDER, "1=ACC 7", NewOrder(*ASKED, "AAPL", "a-1", "ACC 7", "1", "2", "0", 18950, 100)),
        (NEW_ORDER, "54=2", NewOrder(*ASKED, "AAPL", "a-1", "", "2", "2", "0", 18950, 100)),
        (NEW_ORDER, "59=-", NewOrder(*ASKED, "AAPL", "a-1", "", "1", "2", "0", 18950, 100)),
        (NEW_ORDER, "59=1", NewOrder(*ASKED, "AAPL", "a-1", "", "1", "2", "1", 18950, 100)),
        (NEW_ORDER, "59=3", NewOrder(*ASKED, "AAPL", "a-1", "", "1", "2", "3", 18950, 100)),
        (NEW_ORDER, "59=4", NewOrder(*ASKED, "AAPL", "a-1", "", "1", "2", "4", 18950, 100)),
        (NEW_ORDER, "40=1|44=-", NewOrder(*ASKED, "AAPL", "a-1", "", "1", "1", "0", 0, 100)),
        (NEW_ORDER, "55=SAP|44=101.25|38=20", NewOrder(*ASKED, "SAP", "a-1", "", "1", "2", "0", 2025, 2)),
        (NEW_ORDER, "55=BTC/USD|38=0.5", NewOrder(*ASKED, "BTC/USD", "a-1", "", "1", "2", "0", 18950, 50_000_000)),
        (NEW_ORDER, "44=000189.5000|38=100.0", NewOrder(*ASKED, "AAPL", "a-1", "", "1", "2", "0", 18950, 100)),
        (CANCEL, "", CancelOrder(*ASKED, "AAPL", "a-2", "a-1", "1")),
        (CANCEL, "37=0-7|38=100", CancelOrder(*ASKED, "AAPL", "a-2", "a-1", "1")),
        (REPLACE, "", ReplaceOrder(*ASKED, "AAPL", "a-2", "a-1", "1", "2", "0", 18960, 80)),
        (REPLACE, "59=1", ReplaceOrder(*ASKED, "AAPL", "a-2", "a-1", "1", "2", "1", 18960, 80)),
        (STATUS, "", OrderStatusRequest(*ASKED, "AAPL", "a-1", "q-1", "1")),
        (STATUS, "790=-", OrderStatusRequest(*ASKED, "AAPL", "a-1", "", "1")),
    ],
)
def test_a_good_request_becomes_its_command(message: str, changes: str, command: ClientRequest) -> None:
    assert to_command(changed(message, changes)) == command


def test_a_refusal_echoes_the_client_and_says_what_to_do() -> None:
    assert refusal(changed(REPLACE, "44=189.605|790=q-9")) == RefusedRequest(
        *ASKED,
        symbol="AAPL",
        msg_type="G",
        reason=R.PRICE_OFF_TICK,
        text="Price(44) '189.605': send a multiple of the tick 0.01",
        ref_tag=44,
        cl_ord_id="a-2",
        orig_cl_ord_id="a-1",
        ord_status_req_id="q-9",
        side="1",
        ord_type="2",
        time_in_force="0",
        price="189.605",
        order_qty="80",
    )


REFUSALS = [
    # message, changes, reason, tag at fault, part of the text
    (
        "35=AE|11=a-1",
        "",
        R.UNSUPPORTED_MESSAGE,
        35,
        "MsgType(35) 'AE' is not taken here; send D, F, G, H, E, q, AF, i or Z",
    ),
    (
        "35=V|262=m-1",
        "",
        R.UNSUPPORTED_MESSAGE,
        35,
        "send D, F, G, H, E, q, AF, i or Z; market data is on a session of kind marketdata",
    ),
    (NEW_ORDER, "35=-", R.UNSUPPORTED_MESSAGE, 35, "''"),
    (NEW_ORDER, "11=-", R.MISSING_TAG, 11, "MsgType(35) D also needs ClOrdID(11)"),
    (NEW_ORDER, "38=-", R.MISSING_TAG, 38, "OrderQty(38)"),
    (NEW_ORDER, "40=-", R.MISSING_TAG, 40, "OrdType(40)"),
    (NEW_ORDER, "44=-", R.MISSING_TAG, 44, "Price(44)"),
    (NEW_ORDER, "54=-", R.MISSING_TAG, 54, "Side(54)"),
    (NEW_ORDER, "55=-", R.MISSING_TAG, 55, "Symbol(55)"),
    (NEW_ORDER, "44=-|55=-|11=-", R.MISSING_TAG, 11, "D also needs ClOrdID(11), Price(44), Symbol(55)"),
    (NEW_ORDER, "11=", R.MISSING_TAG, 11, "ClOrdID(11)"),
    (CANCEL, "41=-", R.MISSING_TAG, 41, "MsgType(35) F also needs OrigClOrdID(41)"),
    (REPLACE, "41=-", R.MISSING_TAG, 41, "OrigClOrdID(41)"),
    (REPLACE, "44=-", R.MISSING_TAG, 44, "Price(44)"),
    (STATUS, "11=-", R.MISSING_TAG, 11, "MsgType(35) H also needs ClOrdID(11)"),
    (NEW_ORDER, "115=FIRMB", R.NOT_AUTHORIZED, 115, "OnBehalfOfCompID(115)"),
    (CANCEL, "115=FIRMB", R.NOT_AUTHORIZED, 115, "OnBehalfOfCompID(115)"),
    (NEW_ORDER, "11=a.1", R.INVALID_CL_ORD_ID, 11, "ClOrdID(11) 'a.1': send 1 to 36 of"),
    (NEW_ORDER, "11=" + "x" * 37, R.INVALID_CL_ORD_ID, 11, "1 to 36"),
    (NEW_ORDER, "11=a 1", R.INVALID_CL_ORD_ID, 11, "'a 1'"),
    (NEW_ORDER, "11=é", R.INVALID_CL_ORD_ID, 11, "'?'"),
    (NEW_ORDER, "11=a\n", R.INVALID_CL_ORD_ID, 11, "'a?'"),
    (CANCEL, "41=a.1", R.INVALID_CL_ORD_ID, 41, "OrigClOrdID(41) 'a.1'"),
    (STATUS, "11=a.1", R.INVALID_CL_ORD_ID, 11, "'a.1'"),
    (NEW_ORDER, "55=NOPE", R.UNKNOWN_SYMBOL, 55, "Symbol(55) 'NOPE' is not traded here"),
    (STATUS, "55=aapl", R.UNKNOWN_SYMBOL, 55, "Symbol(55) 'aapl'"),
    (NEW_ORDER, "54=5", R.UNSUPPORTED_SIDE, 54, "Side(54) '5' is not taken here; send 1 (buy) or 2 (sell)"),
    (CANCEL, "54=B", R.UNSUPPORTED_SIDE, 54, "'B'"),
    (NEW_ORDER, "40=5", R.UNSUPPORTED_ORD_TYPE, 40, "OrdType(40) '5' is not taken here; send 1, 2, 3, 4, J, K or P"),
    (REPLACE, "40=1|44=-", R.UNSUPPORTED_ORD_TYPE, 40, "what rests or waits stays a limit (2)"),
    (REPLACE, "40=K|44=-", R.UNSUPPORTED_ORD_TYPE, 40, "OrdType(40) 'K'"),
    (NEW_ORDER, "59=5", R.UNSUPPORTED_TIME_IN_FORCE, 59, "TimeInForce(59) '5' is not taken here"),
    (REPLACE, "59=2", R.UNSUPPORTED_TIME_IN_FORCE, 59, "send 0, 1, 6 or 7, or cancel it"),
    (REPLACE, "59=3", R.UNSUPPORTED_TIME_IN_FORCE, 59, "'3'"),
    (REPLACE, "59=4", R.UNSUPPORTED_TIME_IN_FORCE, 59, "'4'"),
    (NEW_ORDER, "168=x", R.UNSUPPORTED_INSTRUCTION, 168, "not carried out here: 168='x'; send the request without"),
    (NEW_ORDER, "9001=10|168=6", R.UNSUPPORTED_INSTRUCTION, 168, "168='6', 9001='10'"),
    (CANCEL, "18=6", R.UNSUPPORTED_INSTRUCTION, 18, "18='6'"),
    (STATUS, "99=10", R.UNSUPPORTED_INSTRUCTION, 99, "99='10'"),
    (STATUS, "9001=1", R.UNSUPPORTED_INSTRUCTION, 9001, "9001='1'"),
    (NEW_ORDER, "x=1", R.UNSUPPORTED_INSTRUCTION, 0, "x='1'"),
    (NEW_ORDER, "15=EUR", R.UNSUPPORTED_INSTRUCTION, 15, "15='EUR'"),
    (NEW_ORDER, "1=" + "x" * 65, R.UNSUPPORTED_INSTRUCTION, 1, "at most 64 printable ASCII characters"),
    (NEW_ORDER, "1=\udcff", R.UNSUPPORTED_INSTRUCTION, 1, "Account(1) '?'"),
    (STATUS, "790=\x7f", R.UNSUPPORTED_INSTRUCTION, 790, "OrdStatusReqID(790) '?'"),
    (NEW_ORDER, "38=0", R.INVALID_QTY, 38, "OrderQty(38) '0': send a multiple of 1, at most 90000000000"),
    (NEW_ORDER, "38=-1", R.INVALID_QTY, 38, "'-1'"),
    (NEW_ORDER, "38=1.5", R.INVALID_QTY, 38, "'1.5'"),
    (NEW_ORDER, "38=1e3", R.INVALID_QTY, 38, "'1e3'"),
    (NEW_ORDER, "55=SAP|38=15|44=1", R.INVALID_QTY, 38, "send a multiple of 10"),
    (NEW_ORDER, f"38={QTY_LOTS_MAX + 1}", R.INVALID_QTY, 38, "at most"),
    (NEW_ORDER, "38=" + "9" * 40, R.INVALID_QTY, 38, "'99999999999999999999...'"),
    (REPLACE, "38=0", R.INVALID_QTY, 38, "'0'"),
    (NEW_ORDER, "44=0", R.INVALID_PRICE, 44, "Price(44) '0': send a plain decimal above 0, at most 1000000.00"),
    (NEW_ORDER, "44=0.000", R.INVALID_PRICE, 44, "above 0"),
    (NEW_ORDER, "44=-1", R.INVALID_PRICE, 44, "'-1'"),
    (NEW_ORDER, "44=MKT", R.INVALID_PRICE, 44, "'MKT'"),
    (NEW_ORDER, "44=1000000.01", R.INVALID_PRICE, 44, "at most 1000000.00"),
    (NEW_ORDER, "44=1000000.001", R.INVALID_PRICE, 44, "at most 1000000.00"),
    (NEW_ORDER, "40=1|44=1", R.INVALID_PRICE, 44, "Price(44) '1' on a market order; leave it out"),
    (REPLACE, "44=0", R.INVALID_PRICE, 44, "above 0"),
    (NEW_ORDER, "44=189.505", R.PRICE_OFF_TICK, 44, "Price(44) '189.505': send a multiple of the tick 0.01"),
    (NEW_ORDER, "44=0.001", R.PRICE_OFF_TICK, 44, "the tick 0.01"),
    (NEW_ORDER, "44=999999.999", R.PRICE_OFF_TICK, 44, "the tick 0.01"),
    (NEW_ORDER, "55=SAP|38=10|44=1.02", R.PRICE_OFF_TICK, 44, "the tick 0.05"),
]


@pytest.mark.parametrize(("message", "changes", "reason", "ref_tag", "text"), REFUSALS)
def test_a_faulty_request_becomes_its_refusal(
    message: str, changes: str, reason: RejectReason, ref_tag: int, text: str
) -> None:
    command = refusal(changed(message, changes))
    assert (command.reason, command.ref_tag) == (reason, ref_tag)
    assert text in command.text


def test_every_reason_of_the_gateway_has_a_row() -> None:
    order = list(RejectReason)
    special = {R.THROTTLED, R.CONTRADICTORY_INSTRUCTIONS, R.INVALID_STOP_PRICE, R.INVALID_EXPIRY}
    # See test_order_entry.py and test_fix_instructions.py for these.
    assert {row[2] for row in REFUSALS} | special == set(order[: order.index(R.PRICE_OFF_TICK) + 1])


FAULTS = {
    # Each leaves the tags of the others alone, so that any two can be combined.
    R.UNSUPPORTED_MESSAGE: "35=R",
    R.MISSING_TAG: "44=-",
    R.NOT_AUTHORIZED: "115=FIRMB",
    R.INVALID_CL_ORD_ID: "11=?",
    R.UNKNOWN_SYMBOL: "55=NOPE",
    R.UNSUPPORTED_SIDE: "54=7",
    R.UNSUPPORTED_ORD_TYPE: "40=5",
    R.UNSUPPORTED_TIME_IN_FORCE: "59=5",
    R.UNSUPPORTED_INSTRUCTION: "9001=1",
    R.CONTRADICTORY_INSTRUCTIONS: "7001=S",
    R.INVALID_QTY: "38=0",
    R.INVALID_PRICE: "44=0",
    R.INVALID_STOP_PRICE: "99=0",
    R.INVALID_EXPIRY: "432=tomorrow",
    R.PRICE_OFF_TICK: "44=1.001",
}


PAIRS = [
    (first, second)
    for first, second in itertools.combinations(FAULTS, 2)
    if not tags(FAULTS[first]).keys() & tags(FAULTS[second]).keys()
    and (first, second) != (R.MISSING_TAG, R.UNSUPPORTED_ORD_TYPE)  # without 40=4 no price is missing
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("message", [NEW_STOP, REPLACE_OF_STOP])
def test_of_two_faults_the_one_that_stands_first_is_answered(
    message: str, first: RejectReason, second: RejectReason
) -> None:
    assert refusal(changed(message, f"{FAULTS[first]}|{FAULTS[second]}")).reason is first


@pytest.mark.parametrize("tag", words("1 21 37 47 58 60 76 100 109 204 207 354 376 440 448 453 528 581 1028 2404"))
def test_a_tag_for_the_record_is_accepted_and_changes_nothing(tag: str) -> None:
    command = to_command(changed(NEW_ORDER, f"{tag}=x"))
    assert isinstance(command, NewOrder)
    assert msgspec.structs.replace(command, account="") == to_command(tags(NEW_ORDER))


@pytest.mark.parametrize("changes", ["63=0", "121=N", "423=2", "854=0", "1128=9", "15=USD"])
def test_a_tag_that_says_what_happens_anyway_is_accepted(changes: str) -> None:
    assert to_command(changed(NEW_ORDER, changes)) == to_command(tags(NEW_ORDER))


@pytest.mark.parametrize("changes", ["63=1", "121=Y", "423=1", "854=1", "1128=6", "15=GBP"])
def test_the_same_tag_with_another_value_is_refused(changes: str) -> None:
    assert refusal(changed(NEW_ORDER, changes)).reason is R.UNSUPPORTED_INSTRUCTION


@pytest.mark.parametrize(
    "tag",
    words(
        "64 65 78 128 152 168 192 200 201 202 206 336 388 389 427 640 837 841 847 957 1082 1084 1088 1091 1096 1103 "
        "1110 1385 7002 9001"
    ),
)
def test_an_instruction_is_never_silently_dropped(tag: str) -> None:
    command = refusal(changed(NEW_ORDER, f"{tag}=1"))
    assert (command.reason, command.ref_tag) == (R.UNSUPPORTED_INSTRUCTION, int(tag))


@pytest.mark.parametrize("symbol", list(INSTRUMENTS))
def test_the_largest_order_is_taken_and_its_value_fits_64_bits(symbol: str) -> None:
    instrument = INSTRUMENTS[symbol]
    price, qty = instrument.tick.text(PRICE_TICKS_MAX), instrument.lot.text(QTY_LOTS_MAX)
    command = to_command(changed(NEW_ORDER, f"55={symbol}|44={price}|38={qty}"))
    assert isinstance(command, NewOrder)
    assert (command.price_ticks, command.qty_lots) == (PRICE_TICKS_MAX, QTY_LOTS_MAX)
    assert command.price_ticks * command.qty_lots < 2**63


def test_the_texts_that_are_remembered_stay_bounded_and_right() -> None:
    inbound = Inbound(INSTRUMENTS)
    for ticks in range(1, 10_000):
        fields = changed(NEW_ORDER, f"44={ticks // 100}.{ticks % 100:02d}|38={ticks}")
        command = inbound.to_command(fields, CONTEXT)
        assert isinstance(command, NewOrder)
        assert (command.price_ticks, command.qty_lots) == (ticks, ticks)
    decimals = inbound._instruments.find("AAPL")
    assert len(decimals._ticks_of) <= 4096
    assert len(decimals._lots_of) <= 4096


def test_a_text_that_was_refused_once_is_refused_again() -> None:
    assert refusal(changed(NEW_ORDER, "44=1.001")) == refusal(changed(NEW_ORDER, "44=1.001"))


def test_echoed_texts_are_short_and_printable() -> None:
    command = refusal({"35": "D" * 1000, "11": "\x01" * 1000, "55": "é" * 1000})
    assert command.msg_type == "D" * ECHO_CHARS_MAX
    assert command.cl_ord_id == command.symbol == "?" * ECHO_CHARS_MAX
    assert len(command.text) < 200


KNOWN_TAGS = st.sampled_from(
    words(
        "35 11 41 55 54 40 59 38 44 1 790 15 18 115 60 423 9001 97 99 110 111 126 210 211 432 835 836 1094 1100 1102 "
        "1107 1108 1109 1138 2362 2964 7001 7002 7004 530 584 585 66 67 68 73 1385 117 298 299 132 134"
    )
)
GOOD_VALUES = st.sampled_from(
    words("D F G H E q AF i Z 0 1 2 3 4 6 7 8 J K P R S a U AAPL SAP a-1 100 189.50 0.05 USD Y")
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
MESSAGES = st.builds(
    lambda base, changes: base | changes,
    st.sampled_from([tags(NEW_ORDER), tags(CANCEL), tags(REPLACE), tags(STATUS), {}]),
    st.dictionaries(KNOWN_TAGS | ANY_TEXT, GOOD_VALUES | ANY_TEXT, max_size=4),
)


@given(MESSAGES)
def test_whatever_a_client_writes_gives_one_command_that_the_log_can_hold(fields: dict[str, str]) -> None:
    text = "".join([f"{tag}={value}{SOH}" for tag, value in fields.items()])
    command = INBOUND.to_command(fields, CONTEXT, text)
    assert isinstance(command, ClientRequest)
    assert (command.session_id, command.msg_seq_num) == ("FIX.4.4:FIRMA1", 42)
    encoded = msgspec.msgpack.encode(command)
    assert msgspec.msgpack.decode(encoded, type=Command) == command
    assert len(encoded) < 2000
