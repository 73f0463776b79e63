"""The public messages, byte for byte."""

import pytest
from msgspec import Raw

from marketdata.messages import (
    BookSnapshot,
    FeedError,
    FeedHeads,
    IndicativePrice,
    Level,
    MarketPhase,
    OrderEntry,
    Range,
    Refusal,
    Reply,
    SnapshotRequest,
    Statistics,
    Trade,
    decode_increment,
    decode_reply,
    decode_request,
    encode,
    public_increment,
)
from matcher.increments import Indicative, MarketDataIncrement, PhaseChange, TradePrint, TradeRevision
from matcher.orders import BUY, SELL
from matcher.phases import OPENING_AUCTION

from .conftest import INSTRUMENT, increment_of

INCREMENT = increment_of(7, ("1", SELL, 18950, 40), ("2", BUY, 18949, 0), trades=(TradePrint(3, 18950, 60, BUY),))
INCREMENT_JSON = (
    b'{"type":"increment","symbol":"AAPL","md_seq":7,"input_seq":107,"transact_ns":1790000007123456789,'
    b'"levels":[["1","2","189.50","40",18950,40,1,[[18950,"40",40]]],["2","1","189.49","0",18949,0,0,[]]],'
    b'"trades":[{"match_id":3,"price":"189.50","qty":"60","price_ticks":18950,"qty_lots":60,'
    b'"aggressor_side":"1","transact_ns":1790000007123456789}]}'
)
AUCTION = increment_of(
    8,
    trades=(TradePrint(4, 18950, 60, ""),),
    phase=PhaseChange(OPENING_AUCTION, 9, "late"),
    indicative=Indicative(18950, 60, SELL, 5),
    revisions=(TradeRevision(3, 18951, 50), TradeRevision(2, 18949, 0)),
)
AUCTION_JSON = (
    b'{"type":"increment","symbol":"AAPL","md_seq":8,"input_seq":108,"transact_ns":1790000008123456789,"levels":[],'
    b'"trades":[{"match_id":4,"price":"189.50","qty":"60","price_ticks":18950,"qty_lots":60,'
    b'"aggressor_side":"","transact_ns":1790000008123456789}],'
    b'"phase":{"phase":"2","since_ns":1790000008123456789,"ends_ns":9,"text":"late"},'
    b'"indicative":{"price":"189.50","qty":"60","price_ticks":18950,"qty_lots":60,'
    b'"imbalance_side":"2","imbalance_qty":"5","imbalance_qty_lots":5},'
    b'"revisions":[{"match_id":3,"price":"189.51","qty":"50","price_ticks":18951,"qty_lots":50},'
    b'{"match_id":2,"price":"189.49","qty":"0","price_ticks":18949,"qty_lots":0}]}'
)
SNAPSHOT = BookSnapshot(
    symbol="AAPL",
    md_seq=7,
    transact_ns=5,
    tick="0.01",
    lot="1",
    depth=0,
    phase=MarketPhase(OPENING_AUCTION, 4, 9, "late"),
    indicative=IndicativePrice("189.50", "60", 18950, 60, BUY, "5", 5),
    bids=[Level("189.49", "10", 18949, 10, 2, [OrderEntry(4, "7", 7), OrderEntry(6, "3", 3)])],
    asks=[],
    trades=[Trade(3, "189.50", "60", 18950, 60, "1", 5)],
    statistics=Statistics(
        trade_count=1,
        open="189.50",
        high="189.50",
        low="189.50",
        last="189.50",
        vwap="189.5000",
        volume="60",
        previous_close="",
        open_ticks=18950,
        high_ticks=18950,
        low_ticks=18950,
        last_ticks=18950,
        previous_close_ticks=0,
        volume_lots=60,
        value=1137000,
        ended_day="20260102",
    ),
    checksum=17,
    has_orders=True,
)
RANGE = Range("AAPL", 9, [Raw(INCREMENT_JSON), Raw(AUCTION_JSON)])


def test_an_increment_says_ticks_and_decimal_text() -> None:
    assert encode(public_increment(INCREMENT, INSTRUMENT)) == INCREMENT_JSON


def test_phase_indicative_price_and_revisions_are_there_when_they_changed() -> None:
    assert encode(public_increment(AUCTION, INSTRUMENT)) == AUCTION_JSON


@pytest.mark.parametrize(("payload", "increment"), [(INCREMENT_JSON, INCREMENT), (AUCTION_JSON, AUCTION)])
def test_an_increment_is_read_back_as_it_was(payload: bytes, increment: MarketDataIncrement) -> None:
    assert decode_increment(payload) == public_increment(increment, INSTRUMENT)


def test_a_snapshot_has_every_field() -> None:
    assert encode(SNAPSHOT) == (
        b'{"type":"snapshot","symbol":"AAPL","md_seq":7,"transact_ns":5,"tick":"0.01","lot":"1","depth":0,'
        b'"phase":{"phase":"2","since_ns":4,"ends_ns":9,"text":"late"},'
        b'"indicative":{"price":"189.50","qty":"60","price_ticks":18950,"qty_lots":60,'
        b'"imbalance_side":"1","imbalance_qty":"5","imbalance_qty_lots":5},'
        b'"bids":[["189.49","10",18949,10,2,[[4,"7",7],[6,"3",3]]]],"asks":[],'
        b'"trades":[{"match_id":3,"price":"189.50","qty":"60","price_ticks":18950,"qty_lots":60,'
        b'"aggressor_side":"1","transact_ns":5}],'
        b'"statistics":{"trade_count":1,"open":"189.50","high":"189.50","low":"189.50","last":"189.50",'
        b'"vwap":"189.5000","volume":"60","previous_close":"","open_ticks":18950,"high_ticks":18950,'
        b'"low_ticks":18950,"last_ticks":18950,"previous_close_ticks":0,"volume_lots":60,"value":1137000,'
        b'"ended_day":"20260102"},"checksum":17,"has_orders":true,"part":1,"parts":1}'
    )


@pytest.mark.parametrize("reply", [SNAPSHOT, FeedHeads({"A": 7}, {"A": 1}), RANGE, Refusal("UNKNOWN_SYMBOL", "no")])
def test_a_reply_is_read_back_as_it_was(reply: Reply) -> None:
    assert decode_reply(encode(reply)) == reply


@pytest.mark.parametrize(
    ("payload", "request_"),
    [
        (b"AAPL", SnapshotRequest(symbol="AAPL")),
        (b" BRK.B\n", SnapshotRequest(symbol="BRK.B")),
        (b'{"symbol":"AAPL","depth":5}', SnapshotRequest(symbol="AAPL", depth=5)),
        (b'{"heads":true}', SnapshotRequest(heads=True)),
    ],
)
def test_a_request_is_a_symbol_or_an_object(payload: bytes, request_: SnapshotRequest) -> None:
    assert decode_request(payload) == request_


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"{",
        b'{"symbol":1}',
        b'{"sybmol":"AAPL"}',
        b'{"symbol":"A","depth":-1}',
        b'{"symbol":"A","depth":1000001}',
        b'{"symbol":"A","depth":100000000000000000000}',
        b'{"part":0}',
        b'{"symbol":"A","to_md_seq":3}',
    ],
)
def test_a_malformed_request_is_an_error(payload: bytes) -> None:
    with pytest.raises(FeedError):
        decode_request(payload)


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"type":"snapshot"}', INCREMENT_JSON[:-1]])
def test_what_is_no_increment_is_an_error(payload: bytes) -> None:
    with pytest.raises(FeedError):
        decode_increment(payload)
