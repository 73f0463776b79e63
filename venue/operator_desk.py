"""
The operator's way to the matchers: one command onto a shard's log, and its answer from the other.

Each command is a record of a life of its own of the writer `operator`: `boot` is one more than the sequence at which
ORD ended, so it grows from command to command whatever the clock says, and the same bytes may be stored twice without
being taken twice. When the matcher has read past the record and has not answered, it passed it over, because another
operator's command came in between: then, and only then, is the command given again in a new life.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Self

import msgspec

from bus.connection import Bus, BusError, PubAck, PubFailure
from bus.reader import LogReader
from bus.records import RecordError, decode_events, decode_exec, encode_ord
from bus.streams import add_units, last_seq, read_units
from bus.subjects import exec_stream, ord_stream, ord_subject, status_subject
from configs.instruments_file import InvalidInstrument, units_of_text
from matcher.commands import GatewayStarted
from matcher.events import OperatorAnswered
from matcher.instruments import Increment
from matcher.operator_commands import OperatorCommand, TimerCommand
from matcher.process.status import InstrumentStatus, LimitsStatus, decode_status, encode_request

OPERATOR: Final = "operator"
"""The `gateway_id` of its records."""
LIVES_MAX: Final = 5
"""How often a command is given that other operators' commands always overtake."""
_RETRY_S: Final = 0.2


class OperatorError(Exception):
    """A command could not be given, or nobody answered; the message is one sentence."""


class TradedSymbol(msgspec.Struct, frozen=True):
    """Where a symbol is traded, and what its numbers mean."""

    symbol: str
    shard: int
    tick: Increment
    lot: Increment


class OperatorDesk:
    """Gives commands over a connection; every wait is bounded."""

    def __init__(self, bus: Bus, *, shards: int, patience_s: float) -> None:
        """
        Args:
            bus: Connected.
            shards: Of the venue.
            patience_s: How long to wait for each answer.
        """
        self._bus = bus
        self._shards = shards
        self._patience_s = patience_s

    async def find(self, symbol: str) -> TradedSymbol:
        """
        Look up a symbol, as the logs know it.

        Raises:
            OperatorError: It is not traded here, or JetStream does not answer.
        """
        for shard in range(self._shards):
            units = await self._units(shard)
            if symbol in units:
                try:
                    return TradedSymbol(symbol, shard, *units_of_text(units[symbol]))
                except InvalidInstrument as error:
                    raise OperatorError(f"{ord_stream(shard)} does not know the units of {symbol}: {error}") from error
        raise OperatorError(f"{symbol!r} is not traded here; `./outcry operator status` lists what is")

    async def symbols(self, shard: int) -> list[str]:
        """
        All that is traded on a shard, as its log knows it.

        Raises:
            OperatorError: JetStream does not answer.
        """
        return sorted(await self._units(shard))

    async def note_units(self, units: Sequence[Mapping[str, str]]) -> None:
        """
        See that the symbols that are to be defined have these units for ever, and are on these shards.

        Args:
            units: Of each shard, by symbol. Nothing is noted unless all of them can be.

        Raises:
            OperatorError: One has others, or is on another shard.
            ForeignStream: As above, since a moment ago.
        """
        there = [await self._units(shard) for shard in range(self._shards)]
        for shard, of_shard in enumerate(units):
            for symbol, unit in of_shard.items():
                for other, known in enumerate(there):
                    if other != shard and symbol in known:
                        raise OperatorError(
                            f"{symbol} is on shard {other} for ever; give it shard = {other}; nothing was done"
                        )
                if (known_unit := there[shard].get(symbol, unit)) != unit:
                    raise OperatorError(
                        f"{symbol} is traded at {known_unit} for ever, but the file has {unit}; give it back its tick "
                        "and lot, or trade a new symbol; nothing was done"
                    )
        try:
            for shard, of_shard in enumerate(units):
                await add_units(self._bus, shard, of_shard)
        except BusError as error:
            raise OperatorError(str(error)) from error

    async def give(self, shard: int, command: OperatorCommand, *following: TimerCommand) -> OperatorAnswered:
        """
        Put a command onto a shard's log and wait for its answer.

        Args:
            shard: Whose log.
            command: What is answered.
            following: What stands behind it in the same record, so that nothing of anybody else comes between.

        Raises:
            OperatorError: No answer in time; the message says whether the command may still be done.
        """
        try:
            async with asyncio.timeout(self._patience_s), _Answers(self._bus, shard) as answers:
                for _ in range(LIVES_MAX):
                    input_seq = await self._store(shard, command, *following)
                    answer = await answers.find(command.request_id, input_seq)
                    if answer is not None:
                        return answer
        except TimeoutError as error:
            raise OperatorError(
                f"no matcher of shard {shard} answered within {self._patience_s:g} s; see that one is running, and "
                "look with `./outcry operator status`, because the command may be in the log and still be done"
            ) from error
        except BusError as error:
            raise OperatorError(str(error)) from error
        raise OperatorError(
            f"other operators' commands overtook this one {LIVES_MAX} times; it was not done, try again"
        )

    async def status(self, shard: int) -> tuple[list[InstrumentStatus], list[LimitsStatus]]:
        """
        Ask a shard's leading matcher what it knows.

        Raises:
            OperatorError: None answers.
        """
        instruments: list[InstrumentStatus] = []
        limits: list[LimitsStatus] = []
        first = 0
        try:
            while True:
                request = encode_request(first)
                part = decode_status(await self._bus.request(status_subject(shard), request, self._patience_s))
                instruments += part.instruments
                limits += part.limits
                if not part.has_more:
                    return instruments, limits
                first += max(len(part.instruments), len(part.limits))
        except (BusError, msgspec.MsgspecError) as error:
            raise OperatorError(f"no matcher of shard {shard} answers ({error}); see that one is running") from error

    async def _units(self, shard: int) -> dict[str, str]:
        try:
            return await read_units(self._bus, shard)
        except BusError as error:
            raise OperatorError(f"{error}; has this venue ever run?") from error

    async def _store(self, shard: int, command: OperatorCommand, *following: TimerCommand) -> int:
        """Begin a life with this command; returns its ORD sequence. The same record is sent until it is stored."""
        boot = await last_seq(self._bus, ord_stream(shard)) + 1
        started = GatewayStarted(OPERATOR, command.received_ns)
        record = encode_ord(gateway_id=OPERATOR, boot=boot, record_number=1, commands=[started, command, *following])
        while True:
            stored: asyncio.Future[PubAck | PubFailure] = asyncio.get_running_loop().create_future()
            self._bus.publish_acked(ord_subject(shard, command.symbol), record, stored.set_result)
            answer = await stored
            if isinstance(answer, PubAck):
                return answer.seq
            await asyncio.sleep(_RETRY_S)


class _Answers:
    # EXEC of one shard from now on: the answers to the operator, and how far ORD has been read.

    def __init__(self, bus: Bus, shard: int) -> None:
        self._bus = bus
        self._stream = exec_stream(shard)
        self._answered: dict[str, OperatorAnswered] = {}
        self._consumed_seq = 0

    async def __aenter__(self) -> Self:
        end = await last_seq(self._bus, self._stream)
        self._reader = LogReader(self._bus, stream=self._stream, start_seq=end + 1)
        await self._reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reader.stop()

    async def find(self, request_id: str, input_seq: int) -> OperatorAnswered | None:
        """The answer to a request that stands at `input_seq`; None when that was passed over."""
        while request_id not in self._answered and self._consumed_seq < input_seq:
            for message in await self._reader.next_batch():
                try:
                    record = decode_exec(message.payload)
                    events = decode_events(record)
                except RecordError as error:
                    raise OperatorError(f"{self._stream} sequence {message.seq}: {error}") from error
                self._consumed_seq = record.last_input_seq
                self._answered |= {each.request_id: each for each in events if isinstance(each, OperatorAnswered)}
        return self._answered.get(request_id)
