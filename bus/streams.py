"""
The two logs of a shard, as JetStream streams: created when absent, checked when present.

Nothing is ever dropped from a log: no age limit, deletion and purge denied, and a full log refuses new records.
"""

from typing import Any, Final

import msgspec

from bus.connection import ApiError, Bus
from bus.subjects import exec_stream, exec_subject, ord_stream, ord_subjects

_STREAM_NOT_FOUND: Final = 10059
_MESSAGE_NOT_FOUND: Final = 10037


class ForeignStream(Exception):
    """A stream has the name of ours and other subjects; the message is one sentence that says what to do."""


class StoredRecord(msgspec.Struct, frozen=True):
    """A record read back by its place."""

    seq: int
    payload: bytes


async def ensure_shard(bus: Bus, shard: int, *, max_bytes: int, replicas: int) -> None:
    """
    Create ORD<shard> and EXEC<shard> where they do not exist yet.

    Raises:
        BusError: JetStream refuses or does not answer.
        ForeignStream: A stream of that name holds other subjects.
    """
    await _ensure(bus, ord_stream(shard), ord_subjects(shard), max_bytes, replicas)
    await _ensure(bus, exec_stream(shard), exec_subject(shard), max_bytes, replicas)


async def last_seq(bus: Bus, stream: str) -> int:
    """
    Sequence of the newest record, 0 for an empty stream, as its leader knows it.

    Raises:
        BusError: No such stream, or no answer.
    """
    info = await bus.request_json(f"$JS.API.STREAM.INFO.{stream}")
    return int(info["state"]["last_seq"])


async def read_record(bus: Bus, stream: str, seq: int) -> StoredRecord | None:
    """
    Read one record from the stream's leader, None when there is none of that sequence.

    Raises:
        BusError: No such stream, or no answer.
    """
    try:
        reply = await bus.request_json(f"$JS.API.STREAM.MSG.GET.{stream}", {"seq": seq})
    except ApiError as error:
        if error.err_code == _MESSAGE_NOT_FOUND:
            return None
        raise
    message = reply["message"]
    return StoredRecord(int(message["seq"]), msgspec.convert(message.get("data", ""), bytes, strict=False))


async def _ensure(bus: Bus, stream: str, subjects: str, max_bytes: int, replicas: int) -> None:
    try:
        info = await bus.request_json(f"$JS.API.STREAM.INFO.{stream}")
    except ApiError as error:
        if error.err_code != _STREAM_NOT_FOUND:
            raise
        await bus.request_json(f"$JS.API.STREAM.CREATE.{stream}", _config(stream, subjects, max_bytes, replicas))
        return
    if info["config"].get("subjects") != [subjects]:
        raise ForeignStream(
            f"stream {stream} holds {info['config'].get('subjects')}, not {subjects}: it is not this venue's; "
            "use another NATS account or data directory"
        )


def _config(stream: str, subjects: str, max_bytes: int, replicas: int) -> dict[str, Any]:
    return {
        "name": stream,
        "subjects": [subjects],
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "max_bytes": max_bytes,
        "num_replicas": replicas,
        "deny_delete": True,
        "deny_purge": True,
        "allow_direct": True,
        "allow_atomic": True,
        "duplicate_window": 0,
    }
