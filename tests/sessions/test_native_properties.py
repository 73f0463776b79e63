"""Whatever comes, in whatever pieces: the same result, a defined event, never an exception, bounded memory."""

import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.native.events import Event, Unchecked
from sessions.native.framing import MESSAGE_BYTES_MAX, Framer
from sessions.native.lobby import Lobby
from sessions.native.messages import read_fields, read_text
from sessions.native.shapes import SEEN_OFTEN, SHAPES_ALIKE_MAX, FieldReader
from tests.sessions.native_talk import ORDER, REPORT, Talk
from tests.sessions.raw_client import frame

FUZZ_S = 12.0
SEED = 20261120
TAGS = ["1", "7", "8", "9", "10", "11", "16", "34", "35", "36", "38", "43", "44", "49", "52", "54", "55", "56", "58"]
TAGS += [
    "95",
    "96",
    "97",
    "98",
    "108",
    "112",
    "122",
    "123",
    "141",
    "146",
    "267",
    "269",
    "464",
    "553",
    "554",
    "789",
    "x",
    "",
]
VALUES = ["", "0", "1", "2", "3", "9", "30", "Y", "N", "D", "A", "VENUE", "CLIENT", "right", "20261120-12:00:00", "-1"]
VALUES += ["99999999999999999999", "1.5", "é", "\udcff", "a=b", "\x00", "x" * 300, "4294967296", "000"]
MSG_TYPES = ["0", "1", "2", "3", "4", "5", "A", "D", "F", "V", "8", "R", "ZZ", "", "j"]


def conversation(chance: random.Random, talk: Talk, messages: int = 12) -> bytes:
    """A Logon, then sense and nonsense, the numbers mostly right."""
    parts = [talk.compose("A", talk.logon_body())]
    for _ in range(chance.randrange(messages)):
        match chance.randrange(8):
            case 0:
                parts.append(chance.randbytes(chance.randrange(40)))
            case 1:
                body = "".join(f"{chance.choice(TAGS)}={chance.choice(VALUES)}\x01" for _ in range(chance.randrange(9)))
                parts.append(frame(talk.begin_string, f"35={chance.choice(MSG_TYPES)}\x01{body}"))
            case 2:
                damaged = bytearray(talk.compose("D", ORDER))
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                parts.append(bytes(damaged))
            case 3:
                body = "".join(f"{chance.choice(TAGS)}={chance.choice(VALUES)}|" for _ in range(chance.randrange(6)))
                parts.append(talk.compose(chance.choice(MSG_TYPES), body, seq=chance.choice([None, 1, 2, 5, 9])))
            case 4:
                parts.append(talk.compose("D", ORDER)[: chance.randrange(60)])
            case 5:
                parts.append(talk.compose("4", f"{chance.choice(['123=Y|', ''])}36={chance.randrange(20)}|"))
            case 6:
                parts.append(talk.compose("2", f"7={chance.randrange(9)}|16={chance.randrange(9)}|"))
            case _:
                header = chance.choice(["", "43=Y|122=20261120-11:00:00|", "43=Y|"])
                parts.append(talk.compose("D", ORDER, header=header))
    return b"".join(parts)


def outcome(data: bytes, cuts: list[int]) -> tuple[list[Event], list[str], int, int, object]:
    """What comes of a stream that is cut at these places."""
    talk = Talk().accept()
    talk.session.send(["35=B\x01148=x\x01"], talk.now_ns)
    answers = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        answers += talk.hear(data[start:end])
    session = talk.session
    return talk.events, answers, session.next_inbound, session.next_outbound, session.state


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_any_segmentation_gives_the_same_result(seed: int, data: st.DataObject) -> None:
    stream = conversation(random.Random(seed), Talk())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    assert outcome(stream, cuts) == outcome(stream, [])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_byte_by_byte_gives_the_same_result(seed: int) -> None:
    stream = conversation(random.Random(seed), Talk(), messages=6)
    assert outcome(stream, list(range(1, len(stream)))) == outcome(stream, [])


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400), pieces=st.integers(1, 5))
def test_any_bytes_are_framed_the_same_in_any_pieces(data: bytes, pieces: int) -> None:
    data = data.replace(b"F", b"8=FIX.4.4\x019=5\x01")
    whole, cut = Framer(garbage_bytes_max=200), Framer(garbage_bytes_max=200)
    size = max(1, len(data) // pieces)
    found = [item for start in range(0, len(data), size) for item in cut.feed(data[start : start + size])]
    assert (whole.feed(data), whole.end) == (found, cut.end)


def test_fuzz_any_bytes_give_events_and_never_an_exception() -> None:
    chance = random.Random(SEED)
    begun = time.monotonic()
    streams = 0
    while time.monotonic() - begun < FUZZ_S:
        is_initiator = chance.randrange(2) == 0
        begin_string = chance.choice(["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
        talk = Talk(begin_string, is_initiator=is_initiator, dictionary=chance.choice([None, Unchecked()]))
        if is_initiator:
            talk.session.connect(talk.now_ns)
            talk.answers()
        else:
            talk.accept()
        data = conversation(chance, talk, messages=30)
        start = 0
        while start < len(data):
            end = start + chance.randrange(1, 400)
            talk.hear(data[start:end])
            start = end
            if chance.randrange(4) == 0:
                talk.now_ns += chance.randrange(20 * 10**9)
                talk.events += talk.session.tick(talk.now_ns)
                talk.answers()
            if chance.randrange(4) == 0:
                talk.send(REPORT)
            assert talk.session.output_waiting == 0
        talk.gone().gone()
        streams += 1
    assert streams > 100


def test_a_lobby_keeps_little_and_decides_on_any_bytes() -> None:
    chance = random.Random(SEED)
    for _ in range(300):
        lobby = Lobby()
        data = conversation(chance, Talk()) if chance.randrange(2) else chance.randbytes(20_000)
        for start in range(0, len(data), 100):
            if (guest := lobby.feed(data[start : start + 100])) is not None:
                break
        assert guest is not None or len(lobby.received) < 9000
        assert len(lobby.received) < MESSAGE_BYTES_MAX


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_reader_of_shapes_reads_what_a_plain_reader_reads(seed: int) -> None:
    chance = random.Random(seed)
    reader = FieldReader()
    shapes = [[chance.choice(TAGS) for _ in range(chance.randrange(1, 6))] for _ in range(2)]
    for _ in range(SEEN_OFTEN * 3):
        body = "".join(f"{tag}={chance.choice(VALUES)}\x01" for tag in chance.choice(shapes))
        message = frame("FIX.4.4", f"35={chance.choice('DF')}\x01{body}")
        assert reader.read(message, read_text(message)) == read_fields(message, read_text(message))


def test_shapes_that_never_come_again_fill_no_memory() -> None:
    reader = FieldReader()
    for n in range(1000):
        message = frame("FIX.4.4", f"35=D\x01{n + 100}=x\x01")
        reader.read(message, read_text(message))
    assert len(reader._counts) <= 64
    assert reader._shapes == {}


def test_of_shapes_that_are_alike_the_latest_are_known() -> None:
    reader = FieldReader()
    for n in range(SHAPES_ALIKE_MAX + 2):
        message = frame("FIX.4.4", f"35=8\x0134={n}\x01{n + 100}=x\x01")
        for _ in range(SEEN_OFTEN + 1):
            assert reader.read(message, read_text(message)) == read_fields(message, read_text(message))
    ((key, alike),) = reader._shapes.items()
    assert key == ("8", 6)
    assert [shape.tags[-2] for shape in alike] == ["105", "104", "103", "102"]
