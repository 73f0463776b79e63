"""Requests about many orders to commands: E, i, Z, q and AF."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fix.inbound import Inbound, RequestContext
from gateway.fix.quotes import QUOTE_ENTRIES_MAX
from matcher.commands import (
    ClientRequest,
    Command,
    ListedOrder,
    MassCancel,
    MassQuote,
    NewOrderList,
    OrderMassStatusRequest,
    QuoteCancel,
    QuoteEntry,
    RefusedRequest,
)
from matcher.instructions import Instructions
from matcher.instruments import Increment, Instrument
from matcher.rejects import RejectReason
from sessions.fix_text import SOH, parse

RECEIVED_NS = 1_760_000_000_123_456_789
CONTEXT = RequestContext("FIX.4.4:FIRMA1", 3, 42, 41, RECEIVED_NS, "FIRMA")
ASKED = ("FIX.4.4:FIRMA1", 3, 42, 41, RECEIVED_NS, "FIRMA")
HEADER = "8=FIX.4.4|9=100|34=42|49=FIRMA1|52=20251009-08:53:20.123|56=OUTCRY"
INBOUND = Inbound(
    {
        symbol: Instrument(symbol, Increment.parse("0.01"), Increment.parse("1"), 1, "USD", shard)
        for symbol, shard in (("AAPL", 0), ("MSFT", 0), ("SAP", 1))
    }
)
R = RejectReason


def command(body: str) -> Any:
    text = f"{HEADER}|{body}|10=000|".replace("|", SOH)
    return INBOUND.to_command(parse(text), CONTEXT, text)


def refusal(body: str) -> RefusedRequest:
    refused = command(body)
    assert isinstance(refused, RefusedRequest), refused
    return refused


LEG_1 = "11=a-1|67=1|38=100|40=2|44=189.50|54=1|55=AAPL|59=1"
LEG_2 = "11=a-2|67=2|1=ACC|38=100|40=3|54=2|55=AAPL|99=180.00"
LEG_3 = "11=a-3|67=3|38=100|40=2|44=200.00|54=2|55=AAPL"
STOP = Instructions(trigger_price_type="2", trigger_direction="D", stop_price_ticks=18000)
READ_1 = ListedOrder("a-1", "", "1", "2", "1", 18950, 100, None)
READ_2 = ListedOrder("a-2", "ACC", "2", "3", "0", 0, 100, STOP)
READ_3 = ListedOrder("a-3", "", "2", "2", "0", 20000, 100, None)
OCO = f"35=E|66=l-1|394=3|1385=1|68=2|73=2|{LEG_1}|{LEG_2}"
OTO = f"35=E|66=l-1|394=3|1385=2|68=2|73=2|{LEG_1}|{LEG_2}"
OTOCO = f"35=E|66=l-1|1385=2|68=3|73=3|{LEG_1}|{LEG_2}|{LEG_3}"


@pytest.mark.parametrize(
    ("body", "contingency_type", "orders"),
    [
        (OCO, "1", [READ_1, READ_2]),
        (OTO, "2", [READ_1, READ_2]),
        (OTOCO, "2", [READ_1, READ_2, READ_3]),
        (f"35=E|66=l-1|68=2|73=2|{LEG_2}|{LEG_1}|390=x|394=3|433=1|893=Y|1385=1", "1", [READ_1, READ_2]),
        (OCO.replace(LEG_1, f"{LEG_1}|453=1|448=T|447=D|452=12|58=why"), "1", [READ_1, READ_2]),
    ],
)
def test_a_list_is_read_in_the_order_of_its_numbers(
    body: str, contingency_type: Any, orders: list[ListedOrder]
) -> None:
    assert command(body) == NewOrderList(*ASKED, "AAPL", "l-1", contingency_type, orders)


@pytest.mark.parametrize(
    ("old", "new", "reason", "text"),
    [
        ("66=l-1|", "", R.MISSING_TAG, "MsgType(35) E also needs ListID(66)"),
        ("1385=1|", "", R.MISSING_TAG, "ContingencyType(1385)"),
        ("55=AAPL|99", "99", R.MISSING_TAG, "Symbol(55)"),
        ("44=189.50|", "", R.MISSING_TAG, "Price(44)"),
        ("66=l-1", "66=l 1", R.INVALID_CL_ORD_ID, "ListID(66) 'l 1'"),
        ("11=a-2", "11=a 2", R.INVALID_CL_ORD_ID, "ClOrdID(11) 'a 2'"),
        ("66=l-1", "115=X|66=l-1", R.NOT_AUTHORIZED, "OnBehalfOfCompID(115)"),
        ("55=AAPL", "55=NOPE", R.UNKNOWN_SYMBOL, "'NOPE'"),
        ("1385=1", "1385=3", R.UNSUPPORTED_INSTRUCTION, "ContingencyType(1385) '3' is not taken here; send 1"),
        ("68=2", "68=3", R.UNSUPPORTED_INSTRUCTION, "TotNoOrders(68) '3' is not 2; send the list whole"),
        ("73=2", "73=3", R.UNSUPPORTED_INSTRUCTION, "NoOrders(73) '3' is not 2"),
        ("394=3", "893=N", R.UNSUPPORTED_INSTRUCTION, "LastFragment(893) must be Y"),
        ("67=2", "67=1", R.UNSUPPORTED_INSTRUCTION, "ListSeqNo(67) must number the orders 1, 2"),
        ("394=3", "9001=3", R.UNSUPPORTED_INSTRUCTION, "9001='3'"),
        ("40=3|", "40=3|9001=3|", R.UNSUPPORTED_INSTRUCTION, "order 2 of the list: not carried out here: 9001='3'"),
        ("55=AAPL|99", "55=MSFT|99", R.UNSUPPORTED_INSTRUCTION, "order 2 of the list: Symbol(55) 'MSFT': all orders"),
        ("54=2", "54=5", R.UNSUPPORTED_SIDE, "order 2 of the list: Side(54) '5'"),
        ("99=180.00", "99=180.005", R.PRICE_OFF_TICK, "order 2 of the list: StopPx(99)"),
        (f"|{LEG_2}", "", R.UNSUPPORTED_INSTRUCTION, "1385)=1 has 2 orders, not 1; send so many"),
        (LEG_2, f"{LEG_2}|{LEG_3}", R.UNSUPPORTED_INSTRUCTION, "1385)=1 has 2 orders, not 3"),
    ],
)
def test_a_faulty_list_is_refused_whole(old: str, new: str, reason: RejectReason, text: str) -> None:
    assert old in OCO
    refused = refusal(OCO.replace(old, new))
    assert refused.reason is reason
    assert text in refused.text


def test_a_refused_list_is_named_by_its_list_id() -> None:
    refused = refusal(OCO.replace("40=3", "40=5"))
    assert (refused.msg_type, refused.cl_ord_id) == ("E", "l-1")


QUOTE_1 = "299=e-1|55=AAPL|132=189.40|133=189.60|134=100|135=200"
QUOTE_2 = "299=e-2|55=MSFT|132=415.10|134=50"
QUOTE_3 = "299=e-3|55=AAPL|134=0|135=0"
MASS_QUOTE = f"35=i|117=q-1|296=1|302=1|304=3|295=3|{QUOTE_1}|{QUOTE_2}|{QUOTE_3}"


def test_a_mass_quote_is_read_and_a_side_without_size_is_pulled() -> None:
    entries = [
        QuoteEntry("e-1", "AAPL", 18940, 100, 18960, 200),
        QuoteEntry("e-2", "MSFT", 41510, 50, 0, 0),
        QuoteEntry("e-3", "AAPL", 0, 0, 0, 0),
    ]
    assert command(MASS_QUOTE) == MassQuote(*ASKED, "", "q-1", entries)


def test_the_entries_of_several_sets_are_one_quote() -> None:
    body = f"35=i|117=q-1|296=2|302=1|304=1|295=1|{QUOTE_1}|302=2|304=1|295=1|{QUOTE_2}"
    assert [entry.quote_entry_id for entry in command(body).entries] == ["e-1", "e-2"]


@pytest.mark.parametrize(
    ("old", "new", "reason", "text"),
    [
        ("117=q-1|", "", R.MISSING_TAG, "MsgType(35) i also needs QuoteID(117)"),
        ("55=MSFT|", "", R.MISSING_TAG, "Symbol(55)"),
        ("117=q-1", "117=q 1", R.INVALID_CL_ORD_ID, "QuoteID(117) 'q 1'"),
        ("299=e-2", "299=e 2", R.INVALID_CL_ORD_ID, "QuoteEntryID(299) 'e 2'"),
        ("55=MSFT", "55=NOPE", R.UNKNOWN_SYMBOL, "'NOPE'"),
        ("55=MSFT", "55=SAP", R.UNSUPPORTED_INSTRUCTION, "send AAPL (shard 0) and SAP (shard 1) separately"),
        ("132=415.10", "132=415.10|9001=1", R.UNSUPPORTED_INSTRUCTION, "QuoteEntryID(299) e-2: not carried out here"),
        ("134=50", "134=x", R.INVALID_QTY, "QuoteEntryID(299) e-2: BidSize(134) 'x'"),
        ("132=415.10|", "", R.INVALID_PRICE, "QuoteEntryID(299) e-2: BidPx(132) is missing"),
        ("132=415.10", "132=415.101", R.PRICE_OFF_TICK, "QuoteEntryID(299) e-2: BidPx(132) '415.101'"),
        (
            f"{QUOTE_1}|{QUOTE_2}|{QUOTE_3}",
            "",
            R.UNSUPPORTED_INSTRUCTION,
            "0 quote entries in one MassQuote(i); send 1",
        ),
    ],
)
def test_a_faulty_mass_quote_is_refused_whole(old: str, new: str, reason: RejectReason, text: str) -> None:
    assert old in MASS_QUOTE
    refused = refusal(MASS_QUOTE.replace(old, new))
    assert (refused.reason, refused.msg_type) == (reason, "i")
    assert text in refused.text


def test_a_mass_quote_has_so_many_entries_and_no_more() -> None:
    def quote(count: int) -> str:
        entries = "|".join([f"299=e-{number}|55=AAPL|134=0" for number in range(count)])
        return f"35=i|117=q-1|296=1|302=1|304={count}|295={count}|{entries}"

    assert len(command(quote(QUOTE_ENTRIES_MAX)).entries) == QUOTE_ENTRIES_MAX
    assert refusal(quote(QUOTE_ENTRIES_MAX + 1)).reason is R.UNSUPPORTED_INSTRUCTION


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("35=Z|117=q-2|298=1|295=1|55=AAPL", QuoteCancel(*ASKED, "AAPL", "q-2", "1")),
        ("35=Z|298=1|295=1|55=SAP", QuoteCancel(*ASKED, "SAP", "", "1")),
        ("35=Z|117=q-2|298=4", QuoteCancel(*ASKED, "", "q-2", "4")),
        ("35=Z|117=q-2|298=4|295=1|55=AAPL", QuoteCancel(*ASKED, "", "q-2", "4")),
        ("35=q|11=c-1|530=1|55=AAPL|60=x", MassCancel(*ASKED, "AAPL", "c-1", "1", "", False)),
        ("35=q|11=c-1|530=1|55=AAPL|54=2|7002=S", MassCancel(*ASKED, "AAPL", "c-1", "1", "2", True)),
        ("35=q|11=c-1|530=7|60=x", MassCancel(*ASKED, "", "c-1", "7", "", False)),
        ("35=q|11=c-1|530=7|54=1|7002=F", MassCancel(*ASKED, "", "c-1", "7", "1", False)),
        ("35=AF|584=m-1|585=1|55=AAPL", OrderMassStatusRequest(*ASKED, "AAPL", "m-1", "1", "")),
        ("35=AF|584=m 1|585=7", OrderMassStatusRequest(*ASKED, "", "m 1", "7", "")),
        ("35=AF|584=m-1|585=8|54=2", OrderMassStatusRequest(*ASKED, "", "m-1", "8", "2")),
    ],
)
def test_a_request_about_many_is_read(body: str, read: Any) -> None:
    assert command(body) == read


@pytest.mark.parametrize(
    ("body", "reason", "text"),
    [
        ("35=Z|117=q-2", R.MISSING_TAG, "MsgType(35) Z also needs QuoteCancelType(298)"),
        ("35=Z|117=q-2|298=2", R.UNSUPPORTED_INSTRUCTION, "QuoteCancelType(298) '2' is not taken here; send 1"),
        ("35=Z|117=q-2|298=1", R.UNSUPPORTED_INSTRUCTION, "0 symbols in a QuoteCancel(Z) with 298=1; send one"),
        ("35=Z|117=q-2|298=1|295=2|55=AAPL|55=SAP", R.UNSUPPORTED_INSTRUCTION, "2 symbols in a QuoteCancel(Z)"),
        ("35=Z|117=q-2|298=1|295=1|55=NOPE", R.UNKNOWN_SYMBOL, "'NOPE'"),
        ("35=Z|117=q 2|298=4", R.INVALID_CL_ORD_ID, "QuoteID(117) 'q 2'"),
        ("35=q|530=7", R.MISSING_TAG, "MsgType(35) q also needs ClOrdID(11)"),
        ("35=q|11=c-1|530=1", R.MISSING_TAG, "Symbol(55)"),
        ("35=q|11=c-1|530=1|55=NOPE", R.UNKNOWN_SYMBOL, "'NOPE'"),
        ("35=q|11=c-1|530=7|55=AAPL", R.UNSUPPORTED_INSTRUCTION, "Symbol(55) 'AAPL' does not go with 530=7"),
        ("35=q|11=c-1|530=3|55=AAPL", R.UNSUPPORTED_INSTRUCTION, "MassCancelRequestType(530) '3' is not taken here"),
        ("35=q|11=c-1|530=5", R.UNSUPPORTED_INSTRUCTION, "MassCancelRequestType(530) '5' is not taken here; send 1"),
        ("35=q|11=c-1|530=7|54=5", R.UNSUPPORTED_SIDE, "Side(54) '5'"),
        ("35=q|11=c-1|530=7|7002=X", R.UNSUPPORTED_INSTRUCTION, "MassScope(7002) 'X' is not taken here; send S"),
        ("35=q|11=c-1|530=7|1300=0", R.UNSUPPORTED_INSTRUCTION, "1300='0'"),
        ("35=q|11=c 1|530=7", R.INVALID_CL_ORD_ID, "ClOrdID(11) 'c 1'"),
        ("35=q|11=c-1|530=7|115=X", R.NOT_AUTHORIZED, "115"),
        ("35=AF|585=7", R.MISSING_TAG, "MassStatusReqID(584)"),
        ("35=AF|584=m-1|585=1", R.MISSING_TAG, "Symbol(55)"),
        ("35=AF|584=m-1|585=3", R.UNSUPPORTED_INSTRUCTION, "MassStatusReqType(585) '3' is not taken here; send 1"),
        ("35=AF|584=m-1|585=7|1=ACC", R.UNSUPPORTED_INSTRUCTION, "1='ACC'"),
        ("35=AF|584=" + "x" * 65 + "|585=7", R.UNSUPPORTED_INSTRUCTION, "MassStatusReqID(584)"),
    ],
)
def test_a_faulty_request_about_many_is_refused(body: str, reason: RejectReason, text: str) -> None:
    refused = refusal(body)
    assert refused.reason is reason
    assert text in refused.text


def test_an_instrument_that_is_defined_later_is_traded() -> None:
    inbound = Inbound({})
    fields = parse(f"35=q{SOH}11=c-1{SOH}530=1{SOH}55=AAPL{SOH}")
    assert isinstance(inbound.to_command(fields, CONTEXT), RefusedRequest)
    inbound.define(Instrument("AAPL", Increment.parse("0.01"), Increment.parse("1"), 1, "USD", 0))
    assert inbound.to_command(fields, CONTEXT) == MassCancel(*ASKED, "AAPL", "c-1", "1", "", False)


def words(text: str) -> list[str]:
    return text.split()


TAGS = st.sampled_from(
    words("11 66 67 68 73 1385 55 54 40 38 44 99 59 117 296 295 299 132 133 134 135 298 893 115 9001 x")
)
VALUES = st.sampled_from(words("1 2 3 4 100 189.50 AAPL SAP NOPE a-1 a b Y")) | st.text(max_size=40)


@given(st.sampled_from("EiZ"), st.lists(st.tuples(TAGS, VALUES), max_size=30))
def test_whatever_a_client_writes_gives_one_command_that_the_log_can_hold(
    msg_type: str, pairs: list[tuple[str, str]]
) -> None:
    read = command("|".join([f"35={msg_type}", *(f"{tag}={value}" for tag, value in pairs)]))
    assert isinstance(read, ClientRequest)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(read), type=Command) == read
