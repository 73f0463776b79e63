"""Which reports a drop copy gets, and how they are said in its version: the owner's report, with the owner's name."""

import msgspec
import pytest

from gateway.drop_copy.copies import DropCopies, Owner, inserted
from gateway.fix.outbound import Reports
from matcher.events import (
    CancelRejected,
    Event,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderStatusReported,
    RequestRefused,
    TradeBusted,
)
from matcher.instruments import Increment, Instrument
from matcher.orders import OrderState
from matcher.rejects import RejectReason
from sessions.accounts import Account
from sessions.port import SessionKey

TEST = Instrument("TEST", Increment(1, 2), Increment(1, 0), 100, "USD", 0)
OWNERS = {"A1": "A", "A2": "A", "B1": "B", "B2": "B", "C1": "C"}
ORDER = OrderState(7, "FIX.4.2:A1", "A", "a-1", "", "TEST", "1", "2", "0", 500, 10, 6, 4, 2000, "1")
HEAD = (3, 1, 1_767_605_400_000_000_000, "FIX.4.2:A1")
FILLED = OrderFilled(*HEAD, ORDER, 9, 500, 4, True)
REFUSED = RequestRefused(
    *HEAD, 5, "D", RejectReason.PRICE_OFF_TICK, "no", 44, "TEST", "a-2", "", "", "1", "2", "0", "1", "1"
)


def reader(version: str = "FIX.4.4", comp_id: str = "DC", *, firms: str = "", sessions: str = "") -> Account:
    copied = "all" if firms == "all" else tuple(firms.split())
    return Account(SessionKey(version, comp_id), "READERS", "dropcopy", "", copied, tuple(sessions.split()))  # type: ignore[arg-type]


def copies_for(*readers: Account) -> DropCopies:
    copies = DropCopies(Reports({"TEST": TEST}))
    copies.follow(readers, OWNERS)
    return copies


def body(text: str) -> str:
    return text.replace("|", "\x01")


def test_a_copy_is_the_owners_report_in_the_readers_version_with_the_owners_name() -> None:
    readers = [reader(version, firms="A") for version in ("FIX.4.2", "FIX.4.4", "FIXT.1.1")]
    told = dict(copies_for(*readers).of(FILLED, 1))
    start = "35=8|6=5.00|11=a-1|14=4|17=1-3-1|{}31=5.00|32=4|37=1-7|38=10|39=1|40=2|44=5.00|54=1|55=TEST|59=0|"
    parties = "453=2|448=A|447=D|452=1|448=A1|447=D|452={}|"
    assert told == {
        "FIX.4.2:DC": body(start.format("20=0|") + "60=20260105-09:30:00.000|76=A|109=A1|150=1|151=6|"),
        "FIX.4.4:DC": body(
            start.format("") + f"60=20260105-09:30:00.000|150=F|151=6|{parties.format(36)}527=TEST-9|851=2|"
        ),
        "FIXT.1.1:DC": body(
            start.format("") + f"60=20260105-09:30:00.000000|150=F|151=6|{parties.format(55)}851=2|880=TEST-9|1057=Y|"
        ),
    }


@pytest.mark.parametrize(
    ("account", "reads"),
    [
        (reader(firms="A"), {"A1", "A2"}),
        (reader(firms="A C"), {"A1", "A2", "C1"}),
        (reader(firms="all"), {"A1", "A2", "B1", "B2", "C1"}),
        (reader(sessions="A2 B1"), {"A2", "B1"}),
        (reader(firms="B", sessions="A2"), {"A2", "B1", "B2"}),
    ],
)
def test_it_gets_the_reports_of_its_firms_and_sessions_and_no_others(account: Account, reads: set[str]) -> None:
    copies = copies_for(account)
    for comp_id, firm in OWNERS.items():
        order = msgspec.structs.replace(ORDER, session_id=f"FIX.4.4:{comp_id}", firm=firm)
        assert bool(copies.of(OrderAccepted(*HEAD, order), 0)) == (comp_id in reads)
        refused = msgspec.structs.replace(REFUSED, requester_session_id=f"FIX.4.4:{comp_id}")
        assert bool(copies.of(refused, 0)) == (comp_id in reads)


def test_a_report_to_two_sessions_of_a_firm_is_copied_once_as_the_owners() -> None:
    event = OrderCanceled(3, 1, HEAD[2], "FIX.4.4:A2", ORDER, "c-1", "a-1", "")
    ((session_id, text),) = copies_for(reader(firms="A")).of(event, 0)
    assert session_id == "FIX.4.4:DC"
    assert body("|11=c-1|") in text
    assert body("|448=A1|") in text


def test_a_bust_names_the_fill_that_it_undoes() -> None:
    busted = TradeBusted(8, 0, HEAD[2], "", ORDER, 9, 3, 1, 500, 4, "by agreement")
    ((_, text),) = copies_for(reader("FIXT.1.1", firms="A")).of(busted, 1)
    assert body("|17=1-8-0|19=1-3-1|") in text
    assert body("|150=H|") in text
    assert body("|58=by agreement|") in text


@pytest.mark.parametrize(
    "event",
    [
        OrderStatusReported(*HEAD, ORDER, "", None, ""),
        CancelRejected(*HEAD, "TEST", "1", 7, "1", "c", "a", RejectReason.TOO_LATE, ""),
        msgspec.structs.replace(REFUSED, msg_type="F"),
        msgspec.structs.replace(REFUSED, msg_type="H"),
        msgspec.structs.replace(REFUSED, reason=RejectReason.THROTTLED),
    ],
    ids=["status", "cancel reject", "refused cancel", "refused status", "throttled"],
)
def test_what_answers_a_question_is_not_copied(event: Event) -> None:
    assert copies_for(reader(firms="all")).of(event, 0) == []


def test_a_session_that_is_not_configured_any_more_is_still_its_firms() -> None:
    order = msgspec.structs.replace(ORDER, session_id="FIX.4.4:GONE")
    assert copies_for(reader(firms="A")).of(OrderAccepted(*HEAD, order), 0)


def test_another_configuration_counts_at_once() -> None:
    copies = copies_for(reader(firms="B"))
    assert copies.of(FILLED, 0) == []
    copies.follow([reader(firms="A")], OWNERS)
    assert copies.of(FILLED, 0)
    copies.follow([], OWNERS)
    assert copies.of(FILLED, 0) == []


def test_one_readers_copy_is_the_same_as_among_all() -> None:
    copies = copies_for(reader(firms="A"), reader("FIXT.1.1", firms="A"), reader(comp_id="DC3", firms="B"))
    for session_id, text in copies.of(FILLED, 1):
        assert copies.of_reader(session_id, FILLED, 1) == text
    assert copies.of_reader("FIX.4.4:DC3", FILLED, 1) is None
    assert copies.of_reader("FIX.4.4:NOBODY", FILLED, 1) is None


def test_an_owner_is_told_by_its_session() -> None:
    assert Owner("A", "FIX.4.4:A1").comp_id == "A1"


@pytest.mark.parametrize(
    ("tag", "expected"),
    [(5, "35=8|5=x|6=1|40=2|"), (7, "35=8|6=1|7=x|40=2|"), (99, "35=8|6=1|40=2|99=x|")],
)
def test_fields_are_put_where_their_tag_belongs(tag: int, expected: str) -> None:
    assert inserted(body("35=8|6=1|40=2|"), tag, body(f"{tag}=x|")) == body(expected)
