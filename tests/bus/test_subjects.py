"""Symbols as subject tokens, both ways, and the default shard of a symbol."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import subjects
from bus.connection import Bus
from bus.streams import ensure_shard, last_seq
from bus.subjects import GATEWAY_SYMBOL, default_shard, md_subject, ord_subject, symbol_of_token, symbol_token
from tests.jetstream import LOG_BYTES_MAX, store

ESCAPED = [
    ("AAPL", "AAPL"),
    ("BRK.B", "BRK%2EB"),
    ("BTC/USD", "BTC/USD"),
    ("ES 2026", "ES%202026"),
    ("100%", "100%25"),
    ("%", "%25"),
    ("*", "%2A"),
    (">", "%3E"),
    ("a\tb\n", "a%09b%0A"),
    ("Ü", "%C3%9C"),
    ("日経", "%E6%97%A5%E7%B5%8C"),
    ("_-/$+:=@#&()", "_-/$+:=@#&()"),
    (GATEWAY_SYMBOL, "%"),
]


@pytest.mark.parametrize(("symbol", "token"), ESCAPED)
def test_a_symbol_is_one_token_and_comes_back(symbol: str, token: str) -> None:
    assert symbol_token(symbol) == token
    assert symbol_of_token(token) == symbol


@given(st.text())
def test_any_text_comes_back_from_a_token_without_special_characters(symbol: str) -> None:
    token = symbol_token(symbol)
    assert symbol_of_token(token) == symbol
    assert re.fullmatch(r"[!-~]+", token)
    assert not set(token) & set(".*>")


@given(st.text(), st.text())
def test_no_two_symbols_share_a_token(one: str, other: str) -> None:
    assert (symbol_token(one) == symbol_token(other)) == (one == other)


async def test_a_server_takes_every_token(bus: Bus) -> None:
    await ensure_shard(bus, 0, max_bytes=LOG_BYTES_MAX, replicas=1)
    for symbol, _ in ESCAPED:
        await store(bus, ord_subject(0, symbol), symbol.encode())
    assert await last_seq(bus, "ORD0") == len(ESCAPED)


def test_the_names_of_a_shard() -> None:
    assert (subjects.ord_stream(2), subjects.exec_stream(2)) == ("ORD2", "EXEC2")
    assert (subjects.ord_subjects(2), subjects.exec_subject(2)) == ("ord.2.>", "exec.2")
    assert ord_subject(2, "BRK.B") == "ord.2.BRK%2EB"
    assert md_subject("BRK.B") == "md.BRK%2EB"


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("", 0x811C9DC5),
        ("a", 0xE40C292C),
        ("b", 0xE70C2DE5),
        ("c", 0xE60C2C52),
        ("foo", 0xA9F37ED7),
        ("foobar", 0xBF9CF968),
    ],
)
def test_the_default_shard_is_fnv_1a_as_published(text: str, digest: int) -> None:
    assert default_shard(text, 2**32) == digest
    assert default_shard(text, 7) == digest % 7


@given(st.text(), st.integers(1, 1000))
def test_the_default_shard_is_a_shard(symbol: str, shards: int) -> None:
    assert 0 <= default_shard(symbol, shards) < shards
