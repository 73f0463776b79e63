"""The samples of FEED.md: each is a message of the feed, whole and as the feed writes it."""

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from marketdata.book import Book
from marketdata.fix.definitions import definition_tail, read_definition_request
from marketdata.fix.messages import FIX44, FIX50SP2, Fields
from marketdata.fix.requests import ENTRY_TYPES, Subscribe, read_request
from marketdata.fix.status import read_status_request
from marketdata.messages import BookSnapshot, decode_increment, decode_reply, encode
from matcher.instruments import TickBand, TradingRules
from matcher.phases import CLOSING_AUCTION, CONTINUOUS, PHASE_NAMES, SECURITY_TRADING_STATUS
from sessions.dictionary.dictionary import Dictionary
from sessions.dictionary.rules_of_engagement import DIRECTORY
from sessions.fix_text import SOH, pairs

from .conftest import INSTRUMENT

PAGE = (Path(__file__).parents[2] / "marketdata" / "FEED.md").read_text()
JSON_SAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
FIX_SAMPLES = [
    (begin_string, *line.split(maxsplit=2)[1:])
    for begin_string, block in re.findall(r"```fix (\S+)\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
DICTIONARIES = {
    "FIX.4.4": Dictionary.load(DIRECTORY / "FIX44.xml"),
    "FIXT.1.1": Dictionary.load(DIRECTORY / "FIXT11.xml", DIRECTORY / "FIX50SP2.xml"),
}


def test_there_are_samples_of_everything() -> None:
    kinds = [json.loads(sample)["type"] for sample in JSON_SAMPLES]
    assert kinds == ["increment", "increment", "increment", "snapshot", "range"]
    assert {text.split("|")[0] for _, _, text in FIX_SAMPLES} == {f"35={msg_type}" for msg_type in "VWXefxycdgh"}


@pytest.mark.parametrize("sample", JSON_SAMPLES)
def test_each_json_sample_is_what_the_feed_would_write(sample: str) -> None:
    decode = decode_increment if sample.startswith('{"type":"increment"') else decode_reply
    assert json.loads(encode(decode(sample.encode()))) == json.loads(sample)


def test_the_increments_follow_each_other_as_the_page_says() -> None:
    first, auction, bust = (decode_increment(sample.encode()) for sample in JSON_SAMPLES[:3])
    snapshot = decode_reply(JSON_SAMPLES[3].encode())
    assert isinstance(snapshot, BookSnapshot)
    book = Book.of_snapshot(snapshot)
    assert (book.md_seq, book.asks()) == (first.md_seq, [first.levels[0].level])
    book.trades.extend(first.trades)
    book.apply(auction)
    assert book.asks() == []
    assert (book.phase.phase, book.indicative) == (CLOSING_AUCTION, auction.indicative)
    book.md_seq = bust.md_seq - 1
    book.apply(bust)
    assert list(book.trades) == []


@pytest.mark.parametrize(("begin_string", "direction", "text"), FIX_SAMPLES)
def test_each_fix_sample_is_sound_and_what_is_sent_is_understood(begin_string: str, direction: str, text: str) -> None:
    msg_type, *body = pairs(text.replace("|", SOH))
    head = [("8", begin_string), ("9", "1"), msg_type, ("34", "1"), ("49", "A"), ("52", "20260105-09:30:00")]
    assert DICTIONARIES[begin_string].check(msg_type[1], [*head, ("56", "B"), *body, ("10", "000")]) is None
    assert direction == (">" if msg_type[1] in "Vexcg" else "<")
    fields = Fields(text.replace("|", SOH))
    if msg_type[1] == "V":
        request = read_request(fields, {"AAPL": INSTRUMENT})
        assert isinstance(request, Subscribe)
        assert set(request.wish.entry_types) <= set(ENTRY_TYPES)
    elif msg_type[1] == "e":
        assert read_status_request(fields, {"AAPL": INSTRUMENT}).req_id == "s1"
    elif msg_type[1] == "c":
        assert read_definition_request(fields, {"AAPL": INSTRUMENT}).req_id == "c1"


def test_a_definition_is_told_as_the_page_says() -> None:
    rules = TradingRules(qty_lots_max=500)
    stock = replace(INSTRUMENT, group="STOCKS", reference_price_ticks=18_950, rules=rules)
    wide = replace(stock, rules=replace(rules, tick_bands=[TickBand(20_000, 5)], price_band_bps=1_000))
    for dialect, instrument, begin_string in ((FIX44, stock, "FIX.4.4"), (FIX50SP2, wide, "FIXT.1.1")):
        first = next(text for version, _, text in FIX_SAMPLES if version == begin_string and text.startswith("35=d"))
        told = definition_tail(dialect, instrument, CONTINUOUS, market="OUTCRY")
        assert first.endswith(f"|323=1|{told.replace(SOH, '|')}")


def test_every_phase_is_in_the_table_with_its_status() -> None:
    rows = dict(re.findall(r"^\| ([^|]*) \| (\d+) \| \d+ \| \d+ \|", PAGE, re.MULTILINE))
    told = {phase: status for names, status in rows.items() for phase in names[:5].replace(",", "").split()[:2]}
    assert {phase: told[phase] for phase in PHASE_NAMES} == SECURITY_TRADING_STATUS
