"""What is not a message, or not from a client: one defined answer each, in each version, and an untouched book."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

import pytest

from sessions.fix_text import SOH
from venue.up import RunningVenue

from .runner import TRANSACT_TIME
from .script import VERSIONS, Pair
from .wire import Wire
from .wire import log_on as connection

_numbers = count(1)

Open = Callable[..., Awaitable[Wire]]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def wires() -> AsyncIterator[list[Wire]]:
    """Those of a test; cut when it ends."""
    opened: list[Wire] = []
    yield opened
    for wire in opened:
        wire.cut()


@pytest.fixture
def connect(shared_venue: RunningVenue, version: str, wires: list[Wire]) -> Open:
    async def connected(comp_id: str) -> Wire:
        wire = Wire(version, comp_id)
        await wire.connect(shared_venue.fix_port)
        wires.append(wire)
        return wire

    return connected


@pytest.fixture
def log_on(shared_venue: RunningVenue, version: str, wires: list[Wire]) -> Open:
    async def logged_on(comp_id: str, **how: Any) -> Wire:
        wires.append(await connection(version, comp_id, shared_venue.fix_port, **how))
        return wires[-1]

    return logged_on


def order(wire: Wire, cl_ord_id: str, **changed: str) -> list[Pair]:
    fields = {"35": "D", "11": cl_ord_id, "38": "10", "40": "2", "44": "100.00", "54": "1", "55": "TEST1"}
    fields |= {"60": TRANSACT_TIME} | ({"21": "1"} if wire.begin_string == "FIX.4.2" else {})
    return list((fields | {tag.lstrip("_"): value for tag, value in changed.items()}).items())


def fresh(name: str) -> str:
    return f"wire-{name}-{next(_numbers)}"


async def assert_unknown(wire: Wire, cl_ord_id: str) -> None:
    """The order never came to the book."""
    wire.send([("35", "H"), ("11", cl_ord_id), ("54", "1"), ("55", "TEST1")])
    assert (await wire.expect("8"))["103"] == "5"


async def assert_answered(wire: Wire, test_req_id: str) -> None:
    """The session is well; the engine may first answer what it kept while it waited for the gap."""
    wire.send([("35", "1"), ("112", test_req_id)])
    while (await wire.expect("0"))["112"] != test_req_id:
        pass


async def test_a_wrong_password_gets_a_logout_and_its_141_resets_nothing(connect: Open, log_on: Open) -> None:
    good = await log_on("FIRMA1")
    good.send([("35", "5")])
    good_number = int((await good.expect("5"))["34"])
    await good.expect_close()

    stranger = await connect("FIRMA1")
    stranger.log_on(reset=True, password="wrong")
    refused = await stranger.expect("5")
    assert "553" in refused["58"]
    await stranger.expect_close()

    again = await log_on("FIRMA1", reset=False, next_number=good.next_number)
    again.send([("35", "1"), ("112", "numbers")])
    assert int((await again.expect("0"))["34"]) > good_number


async def test_an_unknown_comp_id_gets_no_answer_but_the_end(connect: Open) -> None:
    stranger = await connect("NOBODY")
    stranger.log_on()
    await stranger.expect_close()


async def test_an_order_before_the_logon_gets_no_answer_but_the_end(connect: Open, log_on: Open) -> None:
    cl_ord_id = fresh("early")
    early = await connect("FIRMA1")
    early.send(order(early, cl_ord_id))
    await early.expect_close()
    await assert_unknown(await log_on("FIRMA1"), cl_ord_id)


async def test_bytes_that_are_no_fix_before_a_logon_harm_nobody_else(connect: Open, log_on: Open) -> None:
    other = await log_on("FIRMB1")
    for garbage in (
        b"\x00\xff" * 5000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"8=FIX.4.4\x019=999999999\x01",
        b"8=FIX.4.4\x019=x\x01",
    ):
        (await connect("NOBODY")).send_bytes(garbage)
    other.send([("35", "1"), ("112", "well")])
    assert (await other.expect("0"))["112"] == "well"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda message: message[:-4] + b"%03d\x01" % ((int(message[-4:-1]) + 1) % 256), id="checksum"),
        pytest.param(lambda message: message.replace(b"\x0138=10\x01", b"\x0138=11\x01"), id="a changed digit"),
        pytest.param(lambda message: b"\x00\x01\xfe\xffgarbage" + message[:-4] + b"999\x01", id="garbage before it"),
    ],
)
async def test_a_garbled_message_is_ignored_and_asked_for_again(log_on: Open, spoil: Callable[[bytes], bytes]) -> None:
    """FIX session protocol, "garbled message": not counted, so the next number shows the gap (ResendRequest(2))."""
    wire, cl_ord_id = await log_on("FIRMA1"), fresh("garbled")
    wire.send_bytes(spoil(wire.compose(order(wire, cl_ord_id))))
    wire.send([("35", "1"), ("112", "next")])
    assert (await wire.expect("2"))["7"] == "2"
    wire.send([("35", "4"), ("34", "2"), ("43", "Y"), ("122", TRANSACT_TIME), ("123", "Y"), ("36", "4")])
    await assert_answered(wire, "after")
    await assert_unknown(wire, cl_ord_id)


async def test_a_message_whose_header_is_out_of_order_is_ignored(log_on: Open) -> None:
    """BeginString(8) comes first: anything else is garbled, perhaps with the message behind it, and asked for again."""
    wire, cl_ord_id = await log_on("FIRMA1"), fresh("header")
    good = wire.compose(order(wire, cl_ord_id))
    head, length, rest = good.split(SOH.encode(), 2)
    wire.send_bytes(SOH.encode().join([length, head, rest]))
    for _ in range(2):
        wire.send([("35", "1"), ("112", "next")])
    assert (await wire.expect("2"))["7"] == "2"
    wire.send([("35", "4"), ("34", "2"), ("43", "Y"), ("122", TRANSACT_TIME), ("123", "Y"), ("36", "5")])
    await assert_answered(wire, "after")
    await assert_unknown(wire, cl_ord_id)


async def test_bytes_that_are_no_text_inside_a_message_are_refused_and_the_session_lives(log_on: Open) -> None:
    wire, cl_ord_id = await log_on("FIRMA1"), fresh("bytes")
    wire.send(order(wire, cl_ord_id, _55="TE\xff\xfeST"))
    refused = await wire.expect("8")
    assert (refused["11"], refused["150"], refused["103"]) == (cl_ord_id, "8", "1")
    await assert_unknown(wire, cl_ord_id)


async def test_a_number_too_low_ends_the_session(log_on: Open) -> None:
    wire, cl_ord_id = await log_on("FIRMA1"), fresh("low")
    wire.send([*order(wire, cl_ord_id), ("34", "1")])
    assert "too low" in (await wire.expect("5"))["58"]
    await wire.expect_close()
    await assert_unknown(await log_on("FIRMA1"), cl_ord_id)


async def test_a_sending_time_out_of_bounds_is_refused_and_ends_the_session(log_on: Open) -> None:
    """SendingTime(52) more than 120 s off: Reject(3) 373=10, then Logout(5)."""
    wire, cl_ord_id = await log_on("FIRMA1"), fresh("time")
    wire.send([*order(wire, cl_ord_id), ("52", "20200101-00:00:00.000")])
    assert (await wire.expect("3"))["373"] == "10"
    await wire.expect("5")
    wire.send([("35", "5")])
    await wire.expect_close()
    await assert_unknown(await log_on("FIRMA1"), cl_ord_id)
