"""What records of EXEC hold, for all that read them here; one that cannot be read ends the gateway."""

from bus.reader import LogMessage
from bus.records import RecordError, decode_events, decode_exec
from bus.subjects import exec_stream
from matcher.events import Event


class ExecutionsBroken(Exception):
    """EXEC cannot be read on; the message names stream and sequence, and says what to do."""


def broken(shard: int, exec_seq: int, error: Exception) -> ExecutionsBroken:
    """That a record cannot be read, or an event of it not be reported."""
    return ExecutionsBroken(f"{exec_stream(shard)} sequence {exec_seq}: {error}")


def read_events(shard: int, message: LogMessage) -> tuple[int, list[Event]]:
    """
    The last input that a record answers, and its events.

    Raises:
        ExecutionsBroken: It cannot be read.
    """
    try:
        record = decode_exec(message.payload)
        return record.last_input_seq, decode_events(record)
    except RecordError as error:
        raise broken(shard, message.seq, error) from error
