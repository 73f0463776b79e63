"""
Where in an execution log something stands: its records are in order of their inputs and of the time they were stored.

A look costs one request for each halving of the log, some dozens; nothing is kept.
"""

from collections.abc import Callable

from bus.connection import Bus, BusError
from bus.records import ExecRecord, decode_exec
from bus.streams import LogState, StoredRecord, read_record


async def first_where(bus: Bus, stream: str, state: LogState, is_behind: Callable[[StoredRecord], bool]) -> int:
    """
    Sequence of the first record of a log that is behind a certain place; one more than the last if none is.

    Args:
        bus: Connected.
        stream: The log.
        state: What it holds.
        is_behind: Whether a record is; if one is, so are all that follow it.

    Raises:
        BusError: JetStream does not answer.
        RecordError: A record cannot be read.
    """
    low, high = state.first_seq, state.last_seq + 1
    while low < high:
        middle = (low + high) // 2
        record = await read_record(bus, stream, middle)
        if record is None:
            raise BusError(f"{stream} does not have its record {middle}; ask again")  # it was trimmed just now
        if is_behind(record):
            high = middle
        else:
            low = middle + 1
    return low


async def first_of_input(bus: Bus, stream: str, state: LogState, input_seq: int) -> int:
    """
    Sequence of the first record that answers for this input or a later one; a long answer is in several records.

    Raises:
        BusError: JetStream does not answer.
        RecordError: A record cannot be read.
    """
    seq = await first_where(bus, stream, state, lambda record: _begin(record) >= input_seq)
    if seq == state.first_seq:
        return seq
    before = await read_exec(bus, stream, seq - 1)
    if before is None or before.last_input_seq < input_seq:
        return seq
    return await first_where(bus, stream, state, lambda record: _begin(record) >= before.first_input_seq)


async def read_exec(bus: Bus, stream: str, seq: int) -> ExecRecord | None:
    """
    Read one record; None if there is none of that sequence.

    Raises:
        BusError: JetStream does not answer.
        RecordError: It cannot be read.
    """
    record = await read_record(bus, stream, seq)
    return None if record is None else decode_exec(record.payload)


def _begin(record: StoredRecord) -> int:
    return decode_exec(record.payload).first_input_seq
