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
from msgspec.structs import replace

from marketdata.book import Book
from marketdata.fix import definitions, trading_sessions
from marketdata.fix.definitions import DefinitionRefused, definition_tail
from marketdata.fix.messages import (
    FIX42,
    BusinessReject,
    Dialect,
    Fields,
    RequestRefused,
    business_reject,
    dialect_of,
    increment_head,
    request_reject,
    snapshot_head,
)
from marketdata.fix.requests import ENTRY_TYPES, Wish
from marketdata.fix.security_list import security_list
from marketdata.fix.statistics import STATISTICS
from marketdata.fix.status import status_body
from marketdata.fix.trading_sessions import SessionRefused, session_body
from marketdata.fix.views import View, ViewKey
from marketdata.messages import MarketPhase, Statistics
from matcher.increments import Indicative, PhaseChange, TradePrint, TradeRevision
from matcher.instruments import TickBand, TradingRules
from matcher.orders import BUY, SELL
from matcher.phases import CONTINUOUS, HALT, VOLATILITY_AUCTION, Phase
from sessions.dictionary.dictionary import Dictionary
from sessions.dictionary.rules_of_engagement import DIRECTORY
from sessions.fix_text import pairs
from sessions.quickfix import dictionaries

from .conftest import INSTRUMENT, NOW_NS, OTHER, SYMBOL, public

VERSIONS = {"FIX.4.2": "FIX42", "FIX.4.4": "FIX44", "FIXT.1.1": "FIX50SP2"}
BOOKS = ["empty W", "W", "X", "auction W", "auction X", "auction's end X", "orders W", "orders X", "day W", "day X"]
DEFINITIONS = ["d", "unknown d", "halted d", "refused d"]
ANSWERS = ["f", "unknown f", "h", "auction h", "unknown h", "Y", "j"]
LISTS = ["y", "refused y", "refused h"]
"""FIX 4.2 has none of these."""
SUMMED = ["checksum W"]
"""With a field of the venue, for those who asked for it."""
KINDS = [
    (begin_string, kind)
    for begin_string in VERSIONS
    for kind in [*BOOKS, *DEFINITIONS, *ANSWERS, *SUMMED, *(LISTS if begin_string != "FIX.4.2" else [])]
]
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
    answers = of_sessions(dialect, phase) | of_instruments(dialect) | of_days_and_orders(dialect)
    return answers | {
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


def of_days_and_orders(dialect: Dialect) -> dict[str, str]:
    wish = Wish(0, ("0", "1", "2", *STATISTICS), is_by_order=True)
    orders, days = View(SYMBOL, ViewKey(dialect, wish)), View(SYMBOL, ViewKey(dialect, Wish(0, STATISTICS)))
    summed = View(SYMBOL, ViewKey(dialect, Wish(0, ("0", "1"), has_checksum=True)))
    day = Statistics(
        1, "1.02", "1.02", "1.02", "1.02", "1.0200", "7", "0.98", 102, 102, 102, 102, 98, 7, 714, "20260920"
    )
    book = Book(SYMBOL)
    for increment in (
        replace(public(1, ("0", BUY, 100, 5), ("0", BUY, 99, 5), ("0", SELL, 102, 7)), statistics=day),
        replace(
            public(2, ("1", BUY, 100, 4), ("2", SELL, 102, 0), ("0", SELL, 103, 1)), statistics=replace(day, low="")
        ),
    ):
        before = {view: view.snapshot(book, now_ns=NOW_NS) for view in (orders, days)}
        book.apply(increment)
        changes = {view: view.increment(increment, book) for view in (orders, days)}
    return {
        "orders W": snapshot_head("r1") + before[orders],
        "orders X": increment_head("r1") + changes[orders],
        "day W": snapshot_head("r1") + before[days],
        "day X": increment_head("r1") + changes[days],
        "checksum W": snapshot_head("r1") + summed.snapshot(book, now_ns=NOW_NS),
    }


def of_sessions(dialect: Dialect, auction: MarketPhase) -> dict[str, str]:
    open_ = MarketPhase(CONTINUOUS, NOW_NS, 0, "")
    answers = {
        kind: session_body(dialect, "g1", "STOCKS", phase, now_ns=NOW_NS)
        for kind, phase in {"h": open_, "auction h": auction, "unknown h": None}.items()
    }
    if dialect != FIX42:
        refused = SessionRefused("g1", "BONDS", "1", "there is no such group")
        answers["refused h"] = trading_sessions.refusal_body(dialect, refused, now_ns=NOW_NS)
    return answers


def of_instruments(dialect: Dialect) -> dict[str, str]:
    rules = TradingRules([TickBand(10_000, 5)], qty_lots_max=500, notional_max=10**6, price_band_bps=1_000)
    instrument = replace(INSTRUMENT, rules=rules, group="STOCKS")
    head = "35=d|320=c1|322=c1-1|323=1|" + ("393=1|" if dialect == FIX42 else "")
    phases: dict[str, Phase | None] = {"d": CONTINUOUS, "halted d": HALT, "unknown d": None}
    answers = {
        kind: head.replace("|", "\x01") + definition_tail(dialect, instrument, phase, market="OUTCRY")
        for kind, phase in phases.items()
    }
    answers["refused d"] = definitions.refusal_body(dialect, DefinitionRefused("c1", "no", symbol="XYZ"))
    if dialect != FIX42:
        both = {each.symbol: each for each in (instrument, OTHER)}
        answers["y"], answers["refused y"] = (
            security_list(dialect, Fields(text.replace("|", "\x01")), both)[0]
            for text in ("35=x|320=l1|559=4|", "35=x|320=l1|559=0|55=XYZ|")
        )
    return answers


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


@pytest.mark.parametrize(("begin_string", "kind"), KINDS)
def test_a_client_with_our_dictionary_accepts_every_message(begin_string: str, kind: str, own: dict[str, Path]) -> None:
    received(begin_string, own[VERSIONS[begin_string]], bodies(begin_string)[kind])


@functools.cache
def given_away(begin_string: str) -> Dictionary:
    if begin_string == "FIXT.1.1":
        return Dictionary.load(DIRECTORY / "FIXT11.xml", DIRECTORY / "FIX50SP2.xml")
    return Dictionary.load(DIRECTORY / f"{VERSIONS[begin_string]}.xml")


@pytest.mark.parametrize(("begin_string", "kind"), KINDS)
def test_the_dictionaries_that_we_give_away_accept_every_message(begin_string: str, kind: str) -> None:
    fields = pairs(whole(begin_string, bodies(begin_string)[kind]))
    assert given_away(begin_string).check(dict(fields)["35"], fields) is None


@pytest.mark.parametrize("begin_string", VERSIONS)
@pytest.mark.parametrize(("kind", "entries", "delimiter"), [("W", 4, 269), ("X", 3, 279), ("orders X", 4, 279)])
def test_with_our_dictionary_the_number_is_in_the_last_entry(
    begin_string: str, kind: str, entries: int, delimiter: int, own: dict[str, Path]
) -> None:
    message = received(begin_string, own[VERSIONS[begin_string]], bodies(begin_string)[kind])
    last = fix.Group(268, delimiter)
    message.getGroup(entries, last)
    assert (message.groupCount(268), last.getField(83)) == (entries, "2")


@pytest.mark.parametrize("kind", [*BOOKS, *DEFINITIONS, *ANSWERS, *LISTS])
def test_a_client_with_the_stock_dictionary_of_50sp2_accepts_every_message(kind: str) -> None:
    received("FIXT.1.1", STOCK / "FIX50SP2.xml", bodies("FIXT.1.1")[kind])


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4"])
@pytest.mark.parametrize(("kind", "entries"), [("empty W", 0), ("W", 4), ("X", 3), ("orders X", 4)])
def test_a_client_with_an_older_stock_dictionary_reads_every_entry(begin_string: str, kind: str, entries: int) -> None:
    path = STOCK / f"{VERSIONS[begin_string]}.xml"
    body = bodies(begin_string)[kind]
    message = received(begin_string, path, body, lenient=True)
    assert message.groupCount(268) == entries
    assert message.getField(83) == ("0" if kind == "empty W" else "2")
    with pytest.raises(Exception, match=r"(?i)tag"):
        received(begin_string, path, body)


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4"])
@pytest.mark.parametrize("kind", ["f", "unknown f", "h", "auction h", "Y", "j", "refused d"])
def test_a_client_with_an_older_stock_dictionary_accepts_phases_and_refusals(begin_string: str, kind: str) -> None:
    received(begin_string, STOCK / f"{VERSIONS[begin_string]}.xml", bodies(begin_string)[kind])


@pytest.mark.parametrize("kind", LISTS)
def test_a_client_with_the_stock_dictionary_of_44_accepts_lists(kind: str) -> None:
    message = received("FIX.4.4", STOCK / "FIX44.xml", bodies("FIX.4.4")[kind])
    assert message.groupCount(146) == (2 if kind == "y" else 0)


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4"])
@pytest.mark.parametrize("kind", ["d", "unknown d", "halted d"])
def test_a_client_with_an_older_stock_dictionary_reads_every_field_of_a_definition(
    begin_string: str, kind: str
) -> None:
    path = STOCK / f"{VERSIONS[begin_string]}.xml"
    body = bodies(begin_string)[kind]
    message = received(begin_string, path, body, lenient=True)
    told = {tag: message.getField(int(tag)) for tag, _ in pairs(body) if tag != "35"}
    assert told == dict(pairs(body)[1:])
    with pytest.raises(Exception, match=r"(?i)tag"):
        received(begin_string, path, body)
