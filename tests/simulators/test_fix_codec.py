"""The bytes of the FIX client: messages built, framed and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.fix_codec import FixFramingError, Framer, UtcTimestamps, checksum, encode, fields, mark, pairs, value

NOW_NS = 1_790_000_000_123_000_000
"""20260921-14:13:20.123"""
SECOND_NS = 1_000_000_000


def test_a_message_is_built_with_its_length_and_checksum():
    message = encode("FIX.4.4", "35=0\x0134=2\x01")

    assert message == b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=166\x01"


@given(st.binary(max_size=2000))
def test_the_checksum_is_the_sum_of_all_bytes(data):
    assert checksum(data) == sum(data) % 256


@given(st.lists(st.integers(1, 200), max_size=30))
def test_messages_arrive_whole_however_the_stream_is_cut(cuts):
    stream = b"".join(encode("FIX.4.4", f"35=8\x0134={n}\x0158={'x' * (n * 37 % 300)}\x01") for n in range(1, 12))
    framer, received, at = Framer("FIX.4.4"), [], 0
    for size in cuts:
        received += framer.feed(stream[at : at + size])
        at += size
    received += framer.feed(stream[at:])

    assert "".join(received).encode() == stream
    assert [value(text, mark(34)) for text in received] == [str(n) for n in range(1, 12)]


@pytest.mark.parametrize(
    "garbled",
    [
        b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=167\x01",
        b"8=FIX.4.4\x019=9\x0135=0\x0134=2\x0110=166\x01",
        b"8=FIX.4.4\x019=30\x0135=0\x0134=2\x0110=166\x01",
    ],
    ids=["checksum", "body length too small", "body length too large"],
)
@pytest.mark.parametrize("cut", [1, 5, 1000])
def test_a_garbled_message_is_skipped_and_counted(garbled, cut):
    good = encode("FIX.4.4", "35=0\x0134=3\x01")
    stream = garbled + good + good
    framer = Framer("FIX.4.4")

    received = [text for at in range(0, len(stream), cut) for text in framer.feed(stream[at : at + cut])]

    assert received == [good.decode(), good.decode()]
    assert framer.garbled == 1


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400", b"8=FIX.4.2\x019=5\x01", b"8=FIX.4.4\x019=abc\x01", b"8=FIX.4.4\x019=" + b"1" * 40]
)
def test_what_is_not_fix_of_this_version_is_an_error(data):
    with pytest.raises(FixFramingError):
        Framer("FIX.4.4").feed(data)


def test_fields_are_found_one_by_one_all_together_and_in_groups():
    text = "8=FIX.4.4\x019=5\x0135=W\x01268=2\x01269=0\x01270=10.5\x01269=1\x01270=10.6\x0110=000\x01"

    assert value(text, mark(270)) == "10.5"
    assert value(text, mark(70)) == ""
    assert fields(text)[270] == "10.6"
    assert [content for tag, content in pairs(text) if tag == 270] == ["10.5", "10.6"]


def test_timestamps_are_utc_with_milliseconds():
    timestamps = UtcTimestamps()

    assert timestamps.text(NOW_NS) == "20260921-14:13:20.123"
    assert timestamps.text(NOW_NS + 999_999) == "20260921-14:13:20.123"
    assert timestamps.text(NOW_NS + 1_000_000) == "20260921-14:13:20.124"
    assert timestamps.text(NOW_NS + SECOND_NS) == "20260921-14:13:21.123"
