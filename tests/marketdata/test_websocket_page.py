"""WEBSOCKET.md: its samples are messages of the protocol, and its tables are complete."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from marketdata.book import checksum_of
from marketdata.candles import CANDLES_KEPT, LENGTHS_S, TRADES_REMEMBERED
from marketdata.messages import BookIncrement, BookSnapshot
from marketdata.replica import Change
from marketdata.websocket.metrics import WebSocketMetrics
from marketdata.websocket.payloads import Answer, CandlesTold, StatisticsTold, StatusTold, TradesTold
from marketdata.websocket.requests import CHANNELS, DEPTH_MAX, OPERATIONS, ViewKey, decode_request
from marketdata.websocket.watches import Watch, decode_head

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "marketdata" / "WEBSOCKET.md").read_text()
BLOCKS = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
REQUESTS, ANSWERS = BLOCKS[0].splitlines(), BLOCKS[1].splitlines()
MESSAGES = BLOCKS[2:]
SHAPES: dict[str, Any] = {
    "trades": TradesTold,
    "statistics": StatisticsTold,
    "status": StatusTold,
    "candles": CandlesTold,
}


def test_there_is_a_sample_of_every_request_answer_and_channel() -> None:
    assert {json.loads(sample)["op"] for sample in REQUESTS} == set(OPERATIONS)
    kinds = {shape.__struct_config__.tag for shape in get_args(Answer)}
    assert {json.loads(sample)["type"] for sample in ANSWERS} == kinds - {"error"}
    assert {json.loads(sample)["channel"] for sample in MESSAGES} == set(CHANNELS)


@pytest.mark.parametrize("sample", REQUESTS)
def test_each_request_is_understood(sample: str) -> None:
    assert decode_request(sample.encode()).id == json.loads(sample)["id"]


@pytest.mark.parametrize("sample", ANSWERS)
def test_each_answer_is_as_it_is_written(sample: str) -> None:
    assert msgspec.json.encode(msgspec.json.decode(sample, type=Answer)).decode() == sample


@pytest.mark.parametrize("sample", MESSAGES)
def test_each_message_is_as_it_is_written(sample: str) -> None:
    message = json.loads(sample)
    own = {
        name: message.pop(name) for name in ("channel", "depth", "view", "length_s", "prev_md_seq") if name in message
    }
    if message["type"] == "stale":
        assert set(message) == {"type", "symbol", "md_seq"}
        return
    if own["channel"] == "book":
        shape: Any = BookSnapshot if message["type"] == "snapshot" else BookIncrement
        message |= {"depth": own["depth"]} if shape is BookSnapshot else {}
    else:
        shape = SHAPES[own["channel"]]
        message.pop("type")
    assert json.loads(msgspec.json.encode(msgspec.convert(message, shape))) == message


def test_a_reader_takes_the_samples_of_a_book_one_after_the_other() -> None:
    watch = Watch("AAPL", ViewKey("book", 2))
    changes = []
    for sample in (MESSAGES[0], MESSAGES[1], MESSAGES[-1]):
        payload = sample.encode()
        changes.append(watch.on_message(decode_head(payload), payload)[0])
    assert changes == [Change.RESTORED, Change.APPLIED, Change.LOST]
    assert json.loads(ANSWERS[1])["checksum"] == checksum_of(watch.replica.bids, watch.replica.asks)


def test_the_programs_have_twenty_lines() -> None:
    for page in (PAGE, (ROOT / "README.md").read_text()):
        (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        assert len(program.splitlines()) <= 20


def test_numbers_codes_and_metrics_are_those_of_the_code() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "marketdata" / "websocket").glob("*.py"))
    codes = set(re.findall(r'BadRequest\(\s*"([A-Z_]+)"', sources))
    table = PAGE.partition("| code |")[2].partition("##")[0]
    assert set(re.findall(r"[A-Z]+_?[A-Z]+(?:_[A-Z]+)*", table)) == codes
    registry = CollectorRegistry()
    WebSocketMetrics(registry)
    exposed = {metric.name for metric in registry.collect()}
    assert {name.removesuffix("_total") for name in re.findall(r"`(websocket_[a-z_]+)", PAGE)} == exposed
    for number in (CANDLES_KEPT, DEPTH_MAX, f"{TRADES_REMEMBERED:,}", ", ".join(map(str, LENGTHS_S))):
        assert str(number) in PAGE
