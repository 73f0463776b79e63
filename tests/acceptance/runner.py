"""
Plays acceptance scripts against a running venue, on real FIX sessions.

A script that does not go as written raises `ScriptFailed` with the line, the message and each difference. Whatever
happens, the orders that a script leaves on the books are canceled afterwards, so the next one begins with empty books.
Silence is never a matter of waiting: a client asks each shard for the status of an order that nobody has, and because
a shard answers in order, what the venue owed before would come first.
"""

import time
from collections.abc import Iterable
from itertools import count

from sessions.fix_text import utc_timestamp

from .script import Pair, Script, Step, differences, in_version
from .wire import DEADLINE_S, Disconnected, Wire, log_on, written

SHARD_SYMBOLS = ("TEST1", "TEST2")
"""One of each shard."""
TRANSACT_TIME = utc_timestamp(1_790_000_000_000_000_000)[:-3]
"""The venue goes by its own clock, so any time will do."""

_ANSWERED_IDS = ("11", "262", "379")
"""Tags that name a question in its answer; 379 in the j that a session gets which may not ask so much."""
_MARKER = "FIRMC2"
"""Plays in no script: enters the orders by which a feed shows how far it is."""
_numbers = count(1)


class ScriptFailed(AssertionError):
    """The venue did not do what a script says."""


class Player:
    """One run of one script in one version."""

    def __init__(self, port: int, begin_string: str, *, engine: str, prefix: str) -> None:
        self._port = port
        self._engine = engine
        self._begin_string = begin_string
        self._prefix = prefix
        self._versions: dict[str, str] = {}
        self._clients: dict[str, Wire] = {}
        self._offline: dict[str, Wire] = {}
        self._captured = {"$today": _trading_date(time.time_ns())}
        self._live: dict[str, tuple[str, dict[str, str]]] = {}
        """Client and last report of each order that may be on a book, by OrderID(37)."""

    async def play(self, script: Script) -> None:
        """
        Do what the script says, then see that no client has anything else coming.

        Raises:
            ScriptFailed: Something went differently.
        """
        try:
            for step in script.steps:
                await self._do(step)
            for name in list(self._clients):
                await self._check_quiet(name, f"{script.name}, at its end")
        finally:
            await self._clear()

    async def _do(self, step: Step) -> None:
        match step.action:
            case "speaks":
                self._versions[step.client] = step.argument
            case ">":
                (await self._client(step.client)).send(self._outgoing(step))
            case "<":
                await self._expect(step)
            case "quiet":
                await self._check_quiet(step.client, step.place)
            case "disconnect":
                await self._leave(step.client)
            case "logout":
                client = await self._client(step.client)
                client.send([("35", "5")])
                await self._expect_fields(step, client, [("35", "5")])
                await self._leave(step.client)
            case "logon":
                await self._log_on(step.client, reset=step.argument == "reset")

    def _version(self, name: str) -> str:
        return self._versions.get(name, self._begin_string)

    async def _client(self, name: str) -> Wire:
        if name not in self._clients:
            await self._log_on(name, reset=True)
            if name.startswith("MD"):
                await self._catch_up(self._clients[name])
            elif name.startswith("DC"):
                await self._marked(name)
        return self._clients[name]

    async def _catch_up(self, reader: Wire) -> None:
        """
        See one order come and go on each book.

        The books are empty when a script begins, but the feed, which runs behind, may still owe what emptied them.
        """
        trader = await self._client(_MARKER)
        for symbol in SHARD_SYMBOLS:
            number = next(_numbers)
            order = [("11", f"marker-{number}"), ("54", "1"), ("55", symbol), ("60", TRANSACT_TIME)]
            terms = [("38", "1"), ("40", "2"), ("44", f"0.{number % 90 + 10}"), ("21", "1")]
            wish = [("262", f"marker-{number}"), ("264", "0"), ("267", "1"), ("269", "0"), ("146", "1"), ("55", symbol)]
            reader.send([("35", "V"), ("263", "1"), *wish])
            await _until(reader, ("35", "W"))
            trader.send([("35", "D"), *order, *terms])
            await _until(reader, ("270", terms[2][1]), ("279", "0"))
            trader.send([("35", "F"), ("11", f"unmark-{number}"), ("41", f"marker-{number}"), *order[1:]])
            await _until(reader, ("270", terms[2][1]), ("279", "2"))
            reader.send([("35", "V"), ("263", "2"), *wish])
            await trader.expect("8")
            await trader.expect("8")

    async def _log_on(self, name: str, *, reset: bool) -> None:
        former = self._offline.pop(name, None)
        self._clients[name] = await log_on(
            self._version(name),
            name,
            self._port,
            reset=reset or former is None,
            next_number=former.next_number if former else 1,
        )

    async def _leave(self, name: str) -> None:
        client = self._clients.pop(name)
        client.cut()
        self._offline[name] = client

    def _outgoing(self, step: Step) -> list[Pair]:
        version = self._version(step.client)
        pairs = self._filled_in(in_version(step.pairs, version, self._engine))
        given, msg_type = {tag for tag, _ in pairs}, pairs[0][1]
        if msg_type in ("D", "F", "G") and "60" not in given:
            pairs.append(("60", TRANSACT_TIME))
        if msg_type in ("D", "G") and version == "FIX.4.2" and "21" not in given:
            pairs.append(("21", "1"))
        return [(tag, self._known(value)) for tag, value in pairs if value != "-"]

    def _known(self, value: str) -> str:
        """A captured value in place of its name, or one above in place of `$name+1`."""
        name, _, above = value.partition("+")
        if not above or name not in self._captured:
            return self._captured.get(value, value)
        return str(int(self._captured[name]) + int(above))

    def _filled_in(self, pairs: Iterable[Pair]) -> list[Pair]:
        return [(tag, value.replace("~", self._prefix)) for tag, value in pairs]

    async def _expect(self, step: Step) -> None:
        client = await self._client(step.client)
        expected = in_version(step.pairs, client.begin_string, self._engine)
        await self._expect_fields(step, client, self._filled_in(expected))

    async def _expect_fields(self, step: Step, client: Wire, expected: list[Pair]) -> None:
        said = f"{step.place}: {step.text}\n  expected {written(expected)}"
        try:
            received = await client.receive()
        except TimeoutError:
            raise self._failure(f"{said}\n  nothing came within {DEADLINE_S:.0f} s") from None
        except Disconnected:
            raise self._failure(f"{said}\n  the venue closed the connection") from None
        self._note(client.comp_id, received)
        found = differences(expected, received, self._captured, is_whole=step.is_whole)
        if found:
            raise self._failure("\n  ".join([said, f"received {written(received)}", *found]))

    async def _check_quiet(self, name: str, place: str) -> None:
        strangers = await self._owed(name)
        if strangers:
            said = "\n  ".join(f"received {written(message)}" for message in strangers)
            raise self._failure(f"{place}: {name} should have nothing coming\n  {said}")

    async def _owed(self, name: str) -> list[list[Pair]]:
        """Ask what the venue answers last, and return all that comes before."""
        if name.startswith("DC"):
            return await self._marked(name)
        client, number = self._clients[name], next(_numbers)
        if name.startswith("MD"):
            ids = {f"quiet-{number}"}
            client.send([("35", "V"), ("262", *ids), ("263", "0"), ("264", "1001"), *_GROUPS])
        else:
            ids = {f"quiet-{number}-{symbol}" for symbol in SHARD_SYMBOLS}
            for symbol in SHARD_SYMBOLS:
                client.send([("35", "H"), ("11", f"quiet-{number}-{symbol}"), ("54", "1"), ("55", symbol)])
        owed = []
        while ids:
            message = await client.receive()
            self._note(name, message)
            answered = ids & {value for tag, value in message if tag in _ANSWERED_IDS}
            ids -= answered
            owed += [] if answered else [message]
        return owed

    async def _marked(self, name: str) -> list[list[Pair]]:
        """Have an order come and go on each shard, and return all that a drop copy gets beside it until then."""
        reader, trader = await self._client(name), await self._client(_MARKER)
        ids = set()
        for symbol in SHARD_SYMBOLS:
            number = next(_numbers)
            order = [("11", f"marker-{number}"), ("54", "1"), ("55", symbol), ("60", TRANSACT_TIME)]
            trader.send([("35", "D"), *order, ("38", "1"), ("40", "2"), ("44", "0.10"), ("21", "1")])
            trader.send([("35", "F"), ("11", f"unmark-{number}"), ("41", f"marker-{number}"), *order[1:]])
            ids |= {f"marker-{number}", f"unmark-{number}"}
            for _ in range(2):
                await trader.expect("8")
        owed = []
        while ids:
            message = await reader.receive()
            answered = ids & {value for tag, value in message if tag == "11"}
            ids -= answered
            owed += [] if answered else [message]
        return owed

    def _note(self, client: str, message: list[Pair]) -> None:
        """Keep in mind what is on the books."""
        fields = dict(message)
        if fields["35"] == "8" and not client.startswith("DC") and fields["17"] != "0":
            if fields["39"] in ("0", "1"):
                self._live[fields["37"]] = (client, fields)
            else:
                self._live.pop(fields["37"], None)

    async def _clear(self) -> None:
        """Read what is still coming, cancel what is live, and close."""
        for name in {name for name, _ in self._live.values()} - set(self._clients):
            await self._log_on(name, reset=True)
        for name in [name for name in self._clients if not name.startswith("MD")]:
            await self._drain(name)
        for name, report in list(self._live.values()):
            cancel = {"11": f"clear-{next(_numbers)}", "41": report["11"], "54": report["54"], "55": report["55"]}
            self._clients[name].send([("35", "F"), *cancel.items(), ("60", TRANSACT_TIME)])
            await self._drain(name)
        for client in self._clients.values():
            client.cut()
        assert not self._live, f"orders could not be canceled: {self._live}"

    async def _drain(self, name: str) -> None:
        try:
            await self._owed(name)
        except (Disconnected, TimeoutError):
            await self._leave(name)
            await self._log_on(name, reset=True)
            await self._owed(name)

    def _failure(self, text: str) -> ScriptFailed:
        history = [f"    {line}" for client in self._clients.values() for line in client.history[-12:]]
        return ScriptFailed("\n".join([text, "  so far:", *history]))


def _trading_date(now_ns: int) -> str:
    """Of a venue of `ephemeral_config`, whose days end half a day from its start."""
    return utc_timestamp(now_ns + 12 * 3600 * 10**9)[:8]


async def _until(reader: Wire, *pairs: Pair) -> None:
    """Read on to a message with these fields."""
    while not set(pairs) <= set(await reader.receive()):
        pass


_GROUPS = [("267", "1"), ("269", "0"), ("146", "1"), ("55", "TEST1")]
