"""A session that sends on and on, though it is refused, is logged out; and still every request is answered once."""

import asyncio
from collections import Counter

import pytest

from venue.up import RunningVenue

from .script import VERSIONS
from .wire import Disconnected, Wire, log_on

SENT = 12


@pytest.mark.parametrize("version", VERSIONS)
async def test_abuse_ends_in_a_logout_and_nothing_is_lost(shared_venue: RunningVenue, version: str) -> None:
    """FIRMT2 may send one, and have three refused in a second."""
    client = await log_on(version, "FIRMT2", shared_venue.fix_port)
    ask(client, SENT)
    before, logout = await until_closed(client)
    assert logout == "more than 3 requests were refused within a second; send fewer"
    client = await come_back(client, shared_venue.fix_port)
    client.send([("35", "2"), ("7", "1"), ("16", "0")])
    sent_again: list[dict[str, str]] = []
    while len(answered(sent_again)) < len(answered(before)) or len(answered(before, sent_again)) < SENT:
        sent_again.append(dict(await client.receive()))
    assert answered(before, sent_again) == {f"s-{number}" for number in range(SENT)}
    assert max(Counter(name for name in map(name_of, sent_again) if name).values()) == 1
    refusals = [message for message in sent_again if message["35"] == "j"]
    assert len(refusals) == SENT - 1
    assert all(message["58"].startswith("THROTTLED: ") for message in refusals)
    client.cut()


def ask(client: Wire, count: int) -> None:
    """Send all of them at once."""
    asks = [[("35", "H"), ("11", f"s-{number}"), ("54", "1"), ("55", "TEST1")] for number in range(count)]
    client.send_bytes(b"".join(client.compose(each) for each in asks))


async def until_closed(client: Wire) -> tuple[list[dict[str, str]], str]:
    """What comes until the venue closes, which it does when its Logout is answered; and what that says."""
    messages: list[dict[str, str]] = []
    logout = ""
    while True:
        try:
            message = dict(await client.receive())
        except Disconnected:
            client.cut()
            return messages, logout
        if message["35"] == "5":
            logout = message["58"]
            client.send([("35", "5")])
        messages.append(message)


async def come_back(client: Wire, port: int) -> Wire:
    async with asyncio.timeout(30):
        return await log_on(client.begin_string, client.comp_id, port, reset=False, next_number=client.next_number)


def name_of(message: dict[str, str]) -> str | None:
    return message.get("11", message.get("379"))


def answered(*conversations: list[dict[str, str]]) -> set[str]:
    return {name for messages in conversations for message in messages if (name := name_of(message))}
