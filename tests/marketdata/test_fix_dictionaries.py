"""
W and X against QuickFIX's dictionaries: the venue's own, and the stock ones that most clients have.

With the stock dictionaries of 4.2 and 4.4 a client sets AllowUnknownMsgFields=Y, because they know no RptSeq(83) in W
and X; its entries arrive whole even so.
"""

import functools
import sys
from pathlib import Path

import pytest
import quickfix as fix

from marketdata.book import Book
from marketdata.fix_messages import (
    ENTRY_TYPES,
    BusinessReject,
    Fields,
    RequestRefused,
    Wish,
    business_reject,
    dialect_of,
    increment_head,
    request_reject,
    snapshot_head,
)
from marketdata.fix_status import status_body
from marketdata.fix_views import View, ViewKey
from matcher.increments import Indicative, PhaseChange, TradePrint, TradeRevision
from matcher.orders import BUY, SELL
from matcher.phases import CONTINUOUS, VOLATILITY_AUCTION
from sessions.dictionary.dictionary import Dictionary
from sessions.dictionary.rules_of_engagement import DIRECTORY
from sessions.fix_text import pairs
from sessions.quickfix import dictionaries

from .conftest import NOW_NS, SYMBOL, public

VERSIONS = {"FIX.4.2": "FIX42", "FIX.4.4": "FIX44", "FIXT.1.1": "FIX50SP2"}
KINDS = ["empty W", "W", "X", "auction W", "auction X", "auction's end X", "f", "unknown f", "Y", "j"]
STOCK = Path(sys.prefix) / "share" / "quickfix"


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return dictionaries.write(tmp_path_factory.mktemp("dictionaries"))


def bodies(begin_string: str) -> dict[str, str]:
    """One of each message of the feed, by what it is."""
    dialect = dialect_of(f"{begin_string}:MD1")
    view = View(SYMBOL, ViewKey(dialect, Wish(0, ("0", "1", "2"))))
    auction_view = View(SYMBOL, ViewKey(dialect, Wish(0, ENTRY_TYPES)))
    book = Book(SYMBOL)
    empty = view.snapshot(book, now_ns=NOW_NS)
    book.apply(public(1, ("0", BUY, 100, 5), ("0", BUY, 99, 5), ("0", SELL, 102, 7)))
    increment = public(2, ("0", BUY, 102, 1), ("2", SELL, 102, 0), trades=(TradePrint(1, 102, 7, BUY),))
    book.apply(increment)
    changed = view.increment(increment, book)
    plain = view.snapshot(book, now_ns=NOW_NS)
    auction_view.snapshot(book, now_ns=NOW_NS)
    in_auction = public(
        3, phase=PhaseChange(VOLATILITY_AUCTION, NOW_NS, "a price"), indicative=Indicative(102, 5, BUY, 3)
    )
    book.apply(in_auction)
    begun, auction = auction_view.increment(in_auction, book), auction_view.snapshot(book, now_ns=NOW_NS)
    phase = book.phase
    over = public(
        4,
        trades=(TradePrint(2, 102, 5, ""),),
        phase=PhaseChange(CONTINUOUS, 0, ""),
        revisions=(TradeRevision(1, 101, 7), TradeRevision(9, 101, 0)),
    )
    book.apply(over)
    return {
        "auction W": snapshot_head("r1") + auction,
        "auction X": increment_head("r1") + begun,
        "auction's end X": increment_head("r1") + auction_view.increment(over, book),
        "f": status_body(dialect, "s1", SYMBOL, phase, now_ns=NOW_NS),
        "unknown f": status_body(dialect, "s1", SYMBOL, None, now_ns=NOW_NS),
        "empty W": snapshot_head("r1") + empty,
        "W": snapshot_head("r1") + plain,
        "X": increment_head("r1") + changed,
        "Y": request_reject(RequestRefused("r1", "0", "no such symbol")),
        "j": business_reject(dialect, Fields("35=D\x0134=2\x01"), BusinessReject("6", "no")),
    }


def whole(begin_string: str, body: str) -> str:
    msg_type, rest = body.split("\x01", 1)
    content = f"{msg_type}\x0134=2\x0149=OUTCRY\x0152=20260921-14:13:20.123\x0156=MD1\x01{rest}"
    head = f"8={begin_string}\x019={len(content)}\x01"
    return f"{head}{content}10={sum((head + content).encode()) % 256:03}\x01"


@functools.cache
def dictionary(path: Path, lenient: bool) -> fix.DataDictionary:
    parsed = fix.DataDictionary(str(path))
    parsed.allowUnknownMsgFields(lenient)
    return parsed


def received(begin_string: str, path: Path, body: str, *, lenient: bool = False) -> fix.Message:
    """The message as a client with this dictionary takes it; raises what makes its engine send a Reject(3)."""
    application = dictionary(path, lenient)
    text = whole(begin_string, body)
    if begin_string != "FIXT.1.1":
        message = fix.Message(text, application, True)
        application.validate(message)
        return message
    session = dictionary(STOCK / "FIXT11.xml", lenient)
    message = fix.Message(text, session, application, True)
    application.validate(message, True)
    return message


@pytest.mark.parametrize("begin_string", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_with_our_dictionary_accepts_every_message(begin_string: str, kind: str, own: dict[str, Path]) -> None:
    received(begin_string, own[VERSIONS[begin_string]], bodies(begin_string)[kind])


@functools.cache
def given_away(begin_string: str) -> Dictionary:
    if begin_string == "FIXT.1.1":
        return Dictionary.load(DIRECTORY / "FIXT11.xml", DIRECTORY / "FIX50SP2.xml")
    return Dictionary.load(DIRECTORY / f"{VERSIONS[begin_string]}.xml")


@pytest.mark.parametrize("begin_string", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_dictionaries_that_we_give_away_accept_every_message(begin_string: str, kind: str) -> None:
    fields = pairs(whole(begin_string, bodies(begin_string)[kind]))
    assert given_away(begin_string).check(dict(fields)["35"], fields) is None


@pytest.mark.parametrize("begin_string", VERSIONS)
@pytest.mark.parametrize(("kind", "entries", "delimiter"), [("W", 4, 269), ("X", 3, 279)])
def test_with_our_dictionary_the_number_is_in_the_last_entry(
    begin_string: str, kind: str, entries: int, delimiter: int, own: dict[str, Path]
) -> None:
    message = received(begin_string, own[VERSIONS[begin_string]], bodies(begin_string)[kind])
    last = fix.Group(268, delimiter)
    message.getGroup(entries, last)
    assert (message.groupCount(268), last.getField(83)) == (entries, "2")


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_with_the_stock_dictionary_of_50sp2_accepts_every_message(kind: str) -> None:
    received("FIXT.1.1", STOCK / "FIX50SP2.xml", bodies("FIXT.1.1")[kind])


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4"])
@pytest.mark.parametrize(("kind", "entries"), [("empty W", 0), ("W", 4), ("X", 3)])
def test_a_client_with_an_older_stock_dictionary_reads_every_entry(begin_string: str, kind: str, entries: int) -> None:
    path = STOCK / f"{VERSIONS[begin_string]}.xml"
    body = bodies(begin_string)[kind]
    message = received(begin_string, path, body, lenient=True)
    assert message.groupCount(268) == entries
    assert message.getField(83) == ("0" if kind == "empty W" else "2")
    with pytest.raises(Exception, match=r"(?i)tag"):
        received(begin_string, path, body)


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4"])
@pytest.mark.parametrize("kind", ["f", "unknown f", "Y", "j"])
def test_a_client_with_an_older_stock_dictionary_accepts_phases_and_refusals(begin_string: str, kind: str) -> None:
    received(begin_string, STOCK / f"{VERSIONS[begin_string]}.xml", bodies(begin_string)[kind])
