"""
A shard's two logs as a matcher reads them: what cannot be read, or does not fit, ends it with one sentence.

A record that is not understood is not guessed at: nothing of it is applied, nothing is written, and whoever looks finds
stream and sequence in the message.
"""

from typing import Final

import msgspec

from bus.connection import Bus
from bus.reader import LogMessage
from bus.records import ExecRecord, OrdRecord, RecordError, decode_exec, decode_ord
from bus.streams import LogState, last_seq, read_record
from bus.subjects import exec_stream, ord_stream


class LogBroken(Exception):
    """A log cannot be gone on from; the message names stream and sequence, and says what to do."""


class Position(msgspec.Struct, frozen=True):
    """Where EXEC stands."""

    exec_seq: int
    """Its newest record; 0 if there is none."""
    leader_epoch: int
    """Who wrote that."""
    consumed_input_seq: int
    """ORD is answered up to here."""


NOWHERE: Final = Position(0, 0, 0)


def read_ord(shard: int, message: LogMessage) -> OrdRecord:
    """
    Read a record of ORD.

    Raises:
        LogBroken: It does not decode, or is of another version.
    """
    try:
        return decode_ord(message.payload)
    except RecordError as error:
        raise LogBroken(f"{ord_stream(shard)} sequence {message.seq}: {error}") from error


def read_exec(shard: int, exec_seq: int, payload: bytes) -> ExecRecord:
    """
    Read a record of EXEC.

    Raises:
        LogBroken: It does not decode, is of another version, or of another shard.
    """
    try:
        record = decode_exec(payload)
    except RecordError as error:
        raise LogBroken(f"{exec_stream(shard)} sequence {exec_seq}: {error}") from error
    if record.shard != shard:
        raise LogBroken(f"{exec_stream(shard)} sequence {exec_seq} is of shard {record.shard}, not {shard}")
    return record


async def read_position(bus: Bus, shard: int) -> Position:
    """
    Ask JetStream where EXEC stands, and see that ORD has what it answers.

    Raises:
        BusError: JetStream does not answer.
        LogBroken: The newest record cannot be read, or ORD ends before it.
    """
    stream = exec_stream(shard)
    exec_seq = await last_seq(bus, stream)
    if not exec_seq:
        return NOWHERE
    stored = await read_record(bus, stream, exec_seq)
    if stored is None:
        raise LogBroken(f"{stream} sequence {exec_seq} is its newest, but it cannot be read; restore the store")
    record = read_exec(shard, exec_seq, stored.payload)
    ord_seq = await last_seq(bus, ord_stream(shard))
    if record.last_input_seq > ord_seq:
        raise LogBroken(
            f"{stream} answers {ord_stream(shard)} up to sequence {record.last_input_seq}, but that log ends "
            f"at {ord_seq}: orders were lost by the store; restore it from its backup"
        )
    return Position(exec_seq, record.leader_epoch, record.last_input_seq)


async def first_answer_after(bus: Bus, shard: int, input_seq: int, state: LogState) -> int:
    """
    The first record of EXEC that answers what comes after an input, or says that it will; one more than its newest if
    there is none.

    Args:
        bus: Connected.
        shard: Which.
        input_seq: Where in ORD.
        state: What EXEC holds.

    Raises:
        BusError: JetStream does not answer.
        LogBroken: A record cannot be read.
    """
    stream = exec_stream(shard)
    begin, end = state.first_seq, state.last_seq + 1
    while begin < end:
        middle = (begin + end) // 2
        stored = await read_record(bus, stream, middle)
        if stored is None:
            raise LogBroken(f"{stream} sequence {middle} is gone; if nobody has just trimmed it, restore the store")
        if read_exec(shard, middle, stored.payload).first_input_seq > input_seq:
            end = middle
        else:
            begin = middle + 1
    return begin
