"""The samples of FEED.md: each is a message of the feed, whole and as the feed writes it."""

import json
import re
from pathlib import Path

import pytest

from marketdata.book import Book
from marketdata.fix_messages import Fields
from marketdata.fix_requests import ENTRY_TYPES, Subscribe, read_request
from marketdata.fix_status import read_status_request
from marketdata.messages import BookSnapshot, decode_increment, decode_reply, encode
from matcher.phases import CLOSING_AUCTION, PHASE_NAMES, SECURITY_TRADING_STATUS
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
    assert {text.split("|")[0] for _, _, text in FIX_SAMPLES} == {"35=V", "35=W", "35=X", "35=e", "35=f"}


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
    assert direction == (">" if msg_type[1] in "Ve" else "<")
    fields = Fields(text.replace("|", SOH))
    if msg_type[1] == "V":
        request = read_request(fields, {"AAPL": INSTRUMENT})
        assert isinstance(request, Subscribe)
        assert set(request.wish.entry_types) <= set(ENTRY_TYPES)
    elif msg_type[1] == "e":
        assert read_status_request(fields, {"AAPL": INSTRUMENT}).req_id == "s1"


def test_every_phase_is_in_the_table_with_its_status() -> None:
    rows = dict(re.findall(r"^\| ([^|]*) \| (\d+) \| \d+ \| \d+ \|", PAGE, re.MULTILINE))
    told = {phase: status for names, status in rows.items() for phase in names[:5].replace(",", "").split()[:2]}
    assert {phase: told[phase] for phase in PHASE_NAMES} == SECURITY_TRADING_STATUS
