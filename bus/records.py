"""
The two log records and their codec: `OrdRecord` on ORD<k>, `ExecRecord` on EXEC<k>. Their page is `WIRE.md`.

Records are MessagePack arrays, written and read by msgspec straight from and to the vocabulary's structs. Events and
increments are kept encoded inside an `ExecRecord`, so that a reader pays only for the half it wants.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from matcher.commands import Command
from matcher.events import Event, InstrumentDefined
from matcher.increments import MarketDataIncrement

RECORD_VERSION: Final = 2
"""First element of every record; a reader stops at a version that it does not know."""


class RecordError(Exception):
    """A log record that this version cannot read; the message names what is wrong with it."""


class OrdRecord(msgspec.Struct, frozen=True, array_like=True):
    """
    Commands of one symbol from one writer, in arrival order: a gateway, the leading matcher, or the operator.

    (gateway_id, boot, record_number) numbers a writer's records per shard from 1, without holes; a matcher takes
    only the next one, so a writer that rewinds its window (go-back-N) needs no other protection against repeats.
    """

    version: int
    gateway_id: str
    boot: int
    """Grows with each life of the writer: of a gateway the ns since 1970 UTC at which it began."""
    record_number: int
    commands: list[Command]


class StateMark(msgspec.Struct, frozen=True, array_like=True):
    """What the matcher's state was, exactly, when it had applied one record of ORD."""

    input_seq: int
    state_hash: str
    """SHA-256 of its snapshot, hex."""


class ExecRecord(msgspec.Struct, frozen=True, array_like=True):
    """What a matcher answers to a range of ORD records; one write makes all of it durable together."""

    version: int
    shard: int
    leader_epoch: int
    """Grows with each leader; a leader's first record is empty but for its epoch."""
    first_input_seq: int
    last_input_seq: int
    """ORD up to here is consumed: a new leader goes on after it."""
    events: msgspec.Raw
    """list[Event]"""
    increments: msgspec.Raw
    """list[MarketDataIncrement]"""
    marks: list[StateMark] = []
    """Of inputs before `first_input_seq`, for replicas to compare theirs with."""


_Item = TypeVar("_Item", Event, MarketDataIncrement)

_encode = msgspec.msgpack.Encoder().encode
_decode_ord = msgspec.msgpack.Decoder(OrdRecord).decode
_decode_exec = msgspec.msgpack.Decoder(ExecRecord).decode
_decode_events = msgspec.msgpack.Decoder(list[Event]).decode
_decode_increments = msgspec.msgpack.Decoder(list[MarketDataIncrement]).decode
_decode_elements = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_int = msgspec.msgpack.Decoder(int).decode

_DEFINED_TAG: Final = _encode(InstrumentDefined.__struct_config__.tag)
"""Stands somewhere in every list of events that has an `InstrumentDefined` in it."""
_UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that are no record."""


def encode_ord(*, gateway_id: str, boot: int, record_number: int, commands: list[Command]) -> bytes:
    """Encode commands of one symbol as one ORD record."""
    return _encode(OrdRecord(RECORD_VERSION, gateway_id, boot, record_number, commands))


def decode_ord(payload: bytes) -> OrdRecord:
    """
    Decode one ORD record.

    Raises:
        RecordError: Not a record, or one of another version.
    """
    try:
        record = _decode_ord(payload)
    except _UNDECODABLE as error:
        raise RecordError(_fault(payload, error)) from error
    if record.version != RECORD_VERSION:
        raise RecordError(_wrong_version(record.version))
    return record


def encode_exec(
    *,
    shard: int,
    leader_epoch: int,
    first_input_seq: int,
    last_input_seq: int,
    events: list[Event] | msgspec.Raw,
    increments: list[MarketDataIncrement] | msgspec.Raw,
    marks: Sequence[StateMark] = (),
) -> bytes:
    """
    Encode the answer to ORD records `first_input_seq` to `last_input_seq` as one EXEC record.

    Events and increments may be a part that `encode_parts` made.
    """
    return _encode(
        ExecRecord(
            RECORD_VERSION,
            shard,
            leader_epoch,
            first_input_seq,
            last_input_seq,
            msgspec.Raw(_encode(events)),  # of a part that is encoded already, itself
            msgspec.Raw(_encode(increments)),
            list(marks),
        )
    )


def encode_items(items: Sequence[Event] | Sequence[MarketDataIncrement]) -> bytes:
    """The bytes that a record has for these events, or increments."""
    return _encode(items)


def encode_parts(items: list[_Item], *, bytes_max: int) -> list[msgspec.Raw]:
    """Encode events or increments in consecutive lists, each of about `bytes_max` at most, or of one larger item."""
    parts: list[list[msgspec.Raw]] = []
    room = 0
    for item in items:
        encoded = msgspec.Raw(_encode(item))
        size = len(encoded)
        if not parts or size > room:
            parts.append([])
            room = bytes_max
        parts[-1].append(encoded)
        room -= size
    return [msgspec.Raw(_encode(part)) for part in parts]


def decode_exec(payload: bytes) -> ExecRecord:
    """
    Decode one EXEC record, leaving its events and increments encoded.

    Raises:
        RecordError: Not a record, or one of another version.
    """
    try:
        record = _decode_exec(payload)
    except _UNDECODABLE as error:
        raise RecordError(_fault(payload, error)) from error
    if record.version != RECORD_VERSION:
        raise RecordError(_wrong_version(record.version))
    return record


def decode_events(record: ExecRecord) -> list[Event]:
    """
    Decode the private events of an EXEC record.

    Raises:
        RecordError: They are not events of this version.
    """
    try:
        return _decode_events(record.events)
    except _UNDECODABLE as error:
        raise RecordError(f"the events of inputs from {record.first_input_seq} on do not decode: {error}") from error


def decode_definitions(record: ExecRecord) -> list[InstrumentDefined]:
    """
    The instruments that an EXEC record defines: for readers that want no other private event.

    Raises:
        RecordError: Its events are not events of this version.
    """
    if _DEFINED_TAG not in bytes(record.events):  # they are rare, and looking is cheaper than decoding
        return []
    return [event for event in decode_events(record) if isinstance(event, InstrumentDefined)]


def decode_increments(record: ExecRecord) -> list[MarketDataIncrement]:
    """
    Decode the market-data increments of an EXEC record.

    Raises:
        RecordError: They are not increments of this version.
    """
    try:
        return _decode_increments(record.increments)
    except _UNDECODABLE as error:
        raise RecordError(
            f"the increments of inputs from {record.first_input_seq} on do not decode: {error}"
        ) from error


def _fault(payload: bytes, error: Exception) -> str:
    # Another version may have another shape, so its number is looked for even in what does not decode.
    try:
        version = _decode_int(_decode_elements(payload)[0])
    except (*_UNDECODABLE, IndexError):
        version = RECORD_VERSION
    if version != RECORD_VERSION:
        return _wrong_version(version)
    return f"a record of {len(payload)} bytes does not decode: {error}"


def _wrong_version(version: int) -> str:
    return f"record version {version}, but this build reads version {RECORD_VERSION}; use the build that wrote the log"
