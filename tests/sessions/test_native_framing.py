"""Bytes to messages: what is a message, what is skipped, and what ends the stream."""

import pytest

from sessions.native.framing import Framer, Garbage, StreamEnd, checksum
from tests.sessions.raw_client import frame

ONE = frame("FIX.4.4", "35=0\x0134=1\x01")
TWO = frame("FIXT.1.1", "35=1\x0134=2\x01112=x\x01")
HEAD = b"8=FIX.4.4\x019="


def damaged(message: bytes, old: bytes, new: bytes) -> bytes:
    assert message.count(old) == 1
    return message.replace(old, new)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (ONE, [ONE]),
        (ONE + TWO + ONE, [ONE, TWO, ONE]),
        (ONE[:-1], []),
        (b"garbage" + ONE, [Garbage.BETWEEN_MESSAGES, ONE]),
        (ONE + b"garbage" + ONE, [ONE, Garbage.BETWEEN_MESSAGES, ONE]),
        (b"8=FI" + ONE, [Garbage.BETWEEN_MESSAGES, ONE]),
        (b"8=FIX" + ONE, [Garbage.BEGINNING, ONE]),
        (b"8=FIX.4.4\x0135=0\x01" + ONE, [Garbage.BEGINNING, ONE]),
        (HEAD + b"x\x01" + ONE, [Garbage.BEGINNING, ONE]),
        (HEAD + b"\x01" + ONE, [Garbage.BEGINNING, ONE]),
        (HEAD + b"-5\x01" + ONE, [Garbage.BEGINNING, ONE]),
        (damaged(ONE, b"34=1", b"34=2") + ONE, [Garbage.CHECKSUM, ONE]),
        (damaged(ONE, b"35=0", b"36=1") + ONE, [Garbage.CHECKSUM, ONE]),
        (frame("FIX.4.4", "34=1\x0135=0\x01") + ONE, [Garbage.MSG_TYPE, ONE]),
        (damaged(ONE, b"9=10", b"9=9") + ONE, [Garbage.BODY_LENGTH, ONE]),
        (damaged(ONE, b"9=10", b"9=11") + ONE, [Garbage.BODY_LENGTH, ONE]),
        (damaged(ONE, b"9=10", b"9=30") + ONE + TWO, [Garbage.BODY_LENGTH, ONE, TWO]),
        (
            frame("FIX.4.4", "35=0\x0195=7\x0196=10=000\x01\x01") + ONE,
            [frame("FIX.4.4", "35=0\x0195=7\x0196=10=000\x01\x01"), ONE],
        ),
    ],
)
def test_sound_messages_come_out_and_the_rest_is_named(data: bytes, found: list[object]) -> None:
    framer = Framer()
    assert framer.feed(data) == found
    assert framer.end is None
    assert framer.pending_bytes < len(ONE)


def test_a_message_may_come_byte_by_byte() -> None:
    framer = Framer()
    assert [found for byte in ONE + TWO for found in framer.feed(bytes([byte]))] == [ONE, TWO]


@pytest.mark.parametrize("length", [b"2000000000", b"99999999", b"65530"])
def test_a_message_beyond_the_bound_ends_the_stream_at_once(length: bytes) -> None:
    framer = Framer()
    assert framer.feed(HEAD + length + b"\x01") == []
    assert framer.end is StreamEnd.MESSAGE_TOO_LONG
    assert framer.pending_bytes == 0
    assert framer.feed(ONE) == []


def test_the_longest_message_is_taken() -> None:
    body = "35=0\x0158=" + "x" * 65_000 + "\x01"
    longest = frame("FIX.4.4", body)
    framer = Framer(message_bytes_max=len(longest))
    assert framer.feed(longest) == [longest]
    shorter = Framer(message_bytes_max=len(longest) - 1)
    assert (shorter.feed(longest), shorter.end) == ([], StreamEnd.MESSAGE_TOO_LONG)


def test_endless_garbage_ends_the_stream_and_is_never_held() -> None:
    framer = Framer(garbage_bytes_max=1000)
    held = []
    for _ in range(100):
        framer.feed(b"garbage 8=FI" * 10)
        held.append(framer.pending_bytes)
        if framer.end is not None:
            break
    assert framer.end is StreamEnd.TOO_MUCH_GARBAGE
    assert max(held) < 10
    assert len(held) == 9


def test_a_sound_message_forgives_the_garbage_before_it() -> None:
    framer = Framer(garbage_bytes_max=100)
    for _ in range(10):
        framer.feed(b"x" * 90 + ONE)
    assert framer.end is None


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 513, 5000])
@pytest.mark.parametrize("byte", [0x01, 0x7F, 0xFF])
def test_the_checksum_is_the_sum_of_all_bytes(size: int, byte: int) -> None:
    data = bytes([byte]) * size
    assert checksum(data) == sum(data) % 256
