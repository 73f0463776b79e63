"""V as the feed reads it: what is refused with which code, and what a request means. `|` stands for SOH."""

import pytest

from marketdata.fix.messages import (
    FIX42,
    FIX44,
    BusinessReject,
    Fields,
    RequestRefused,
    business_reject,
    in_book_order,
    request_reject,
)
from marketdata.fix.requests import Subscribe, Unsubscribe, Wish, read_request

from .conftest import INSTRUMENT, OTHER

INSTRUMENTS = {"AAPL": INSTRUMENT, "BRK.B": OTHER}
GOOD = "35=V|34=7|262=r1|263=1|264=0|265=1|267=2|269=0|269=1|146=1|55=AAPL|"


def fields(text: str) -> Fields:
    return Fields(text.replace("|", "\x01"))


def read(text: str) -> Subscribe | Unsubscribe:
    return read_request(fields(text), INSTRUMENTS)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        (GOOD, Subscribe("r1", ("AAPL",), Wish(0, ("0", "1")), is_snapshot=False)),
        (
            "35=V|262=r2|263=0|264=5|267=5|269=Q|269=2|269=1|269=A|269=0|146=2|55=BRK.B|55=AAPL|",
            Subscribe("r2", ("BRK.B", "AAPL"), Wish(5, ("0", "1", "2", "A", "Q")), is_snapshot=True),
        ),
        (
            "35=V|262=r3|263=1|264=1|266=Y|267=1|269=2|146=2|55=AAPL|55=AAPL|",
            Subscribe("r3", ("AAPL",), Wish(1, ("2",)), is_snapshot=False),
        ),
        (
            GOOD.replace("263=1", "263=0").replace("265=1", "265=0"),
            Subscribe("r1", ("AAPL",), Wish(0, ("0", "1")), True),
        ),
        (
            GOOD.replace("265=1", "265=1|266=N|9010=1"),
            Subscribe("r1", ("AAPL",), Wish(0, ("0", "1"), is_by_order=True, has_checksum=True), is_snapshot=False),
        ),
        (
            "35=V|262=r2|263=0|264=5|267=7|269=e|269=B|269=9|269=8|269=7|269=5|269=4|146=1|55=AAPL|",
            Subscribe("r2", ("AAPL",), Wish(5, ("4", "5", "7", "8", "9", "B", "e")), is_snapshot=True),
        ),
        ("35=V|262=r1|263=2|264=0|267=1|269=0|146=1|55=AAPL|", Unsubscribe("r1")),
        ("35=V|262=r1|263=2|", Unsubscribe("r1")),
    ],
    ids=[
        *("subscribe", "snapshot", "trades only, a symbol twice", "265 means nothing in a snapshot"),
        *("order by order", "statistics", "end", "short end"),
    ],
)
def test_a_request_is_read(text: str, request_: Subscribe | Unsubscribe) -> None:
    assert read(text) == request_


@pytest.mark.parametrize(
    ("was", "becomes", "reason", "text"),
    [
        ("55=AAPL", "55=XYZ", "0", "Symbol(55)=XYZ is not traded here"),
        ("263=1", "263=3", "4", "SubscriptionRequestType(263)=3; send 0 snapshot, 1 subscribe or 2 unsubscribe"),
        ("264=0", "264=-1", "5", "MarketDepth(264)=-1; send 0 for the whole book, or 1 to 1000"),
        ("264=0", "264=1001", "5", "MarketDepth(264)=1001; send 0 for the whole book, or 1 to 1000"),
        ("264=0", "264=" + "9" * 5000, "5", f"MarketDepth(264)={'9' * 5000}; send 0 for the whole book, or 1 to 1000"),
        ("264=0", "264=\u0663", "5", "MarketDepth(264)=\u0663; send 0 for the whole book, or 1 to 1000"),
        ("265=1", "265=0", "6", "MDUpdateType(265)=0; send 1, incremental refresh"),
        ("265=1", "265=1|266=X", "7", "AggregatedBook(266)=X; send Y for levels, N for orders"),
        ("264=0", "264=5|266=N", "7", "AggregatedBook(266)=N is the whole book; send MarketDepth(264)=0"),
        ("269=1", "269=6", "8", "MDEntryType(269)=6; send one of 0 1 2 A Q 4 5 7 8 9 B e"),
    ],
)
def test_what_is_not_offered_is_refused_with_its_code(was: str, becomes: str, reason: str, text: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        read(GOOD.replace(was, becomes))
    assert request_reject(caught.value).replace("\x01", "|") == f"35=Y|262=r1|281={reason}|58={text}|"


def test_of_two_faults_the_one_that_stands_first_counts() -> None:
    with pytest.raises(RequestRefused) as caught:
        read(GOOD.replace("264=0", "264=x").replace("55=AAPL", "55=XYZ"))
    assert caught.value.reason == "5"


@pytest.mark.parametrize(
    ("without", "name"),
    [
        ("262=r1|", "MDReqID(262)"),
        ("263=1|", "SubscriptionRequestType(263)"),
        ("264=0|", "MarketDepth(264)"),
        ("267=2|269=0|269=1|", "MDEntryType(269)"),
        ("146=1|55=AAPL|", "Symbol(55)"),
    ],
)
def test_a_missing_tag_is_a_business_reject(without: str, name: str) -> None:
    text = GOOD.replace(without, "")
    with pytest.raises(BusinessReject) as caught:
        read(text)
    ref_id = "" if without == "262=r1|" else "379=r1|"
    assert business_reject(FIX44, fields(text), caught.value).replace("\x01", "|") == (
        f"35=j|45=7|58={name} is missing; a MarketDataRequest needs it|372=V|{ref_id}380=5|"
    )


def test_a_version_without_the_code_for_not_authorized_gets_the_one_for_other() -> None:
    reject = BusinessReject("6", "no")
    texts = [business_reject(dialect, fields("35=D|34=2|"), reject) for dialect in (FIX42, FIX44)]
    assert [text.replace("\x01", "|") for text in texts] == [
        "35=j|45=2|58=no|372=D|380=0|",
        "35=j|45=2|58=no|372=D|380=6|",
    ]


def test_removals_come_before_changes_and_new_levels_last() -> None:
    assert in_book_order([("0", "new"), ("1", "change"), ("2", "gone"), ("0", "also new")]) == [
        "gone",
        "change",
        "new",
        "also new",
    ]
