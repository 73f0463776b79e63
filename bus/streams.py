"""
The two logs of a shard, as JetStream streams: created when absent, checked when present.

Nothing is ever dropped from a log: no age limit, deletion and purge denied, and a full log refuses new records.

A log counts in ticks and lots, so its numbers mean nothing without their sizes. ORD<k> carries them as stream metadata:
each symbol of the shard with its units, those that were defined at run time included. Symbols may be added, and one
that is no longer configured goes on in its log; one that has other units, or is on another shard now, is refused
before anything is written.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from bus.connection import ApiError, Bus, BusError
from bus.subjects import exec_stream, exec_subject, ord_stream, ord_subjects

STREAM_NOT_FOUND: Final = 10059
ELECTION_PATIENCE_S: Final = 10.0
"""For a cluster whose servers have just met to elect their leader."""
_MESSAGE_NOT_FOUND: Final = 10037
_NO_LEADER_YET: Final = (10005, 10008, 10009)
"""No peers to place a stream on, not available, not the leader."""
_RETRY_S: Final = 0.1
_UNITS: Final = "outcry_units"
"""Metadata key: a JSON object of units by symbol."""


class ForeignStream(Exception):
    """A stream is not this venue's: other subjects, or other units; the message is one sentence."""


class StoredRecord(msgspec.Struct, frozen=True):
    """A record read back by its place."""

    seq: int
    payload: bytes


async def ensure_shard(
    bus: Bus,
    shard: int,
    *,
    max_bytes: int,
    replicas: int,
    units: Mapping[str, str] | None = None,
    elsewhere: Collection[str] = (),
) -> None:
    """
    Create ORD<shard> and EXEC<shard> where they do not exist yet, and see that they are this venue's.

    Args:
        bus: Connected.
        shard: Which.
        max_bytes: Bound of each log.
        replicas: Servers that hold each log.
        units: By symbol of the shard, such as "tick 0.01, lot 1"; None: not compared.
        elsewhere: The symbols that are configured on other shards.

    Raises:
        BusError: JetStream refuses or does not answer.
        ForeignStream: A stream of that name holds other subjects, or was written with other units.
    """
    ord_config = await _ensure(bus, ord_stream(shard), ord_subjects(shard), max_bytes, replicas)
    await _ensure(bus, exec_stream(shard), exec_subject(shard), max_bytes, replicas)
    if units is not None:
        await _agree_on_units(bus, ord_config, units, elsewhere)


async def read_units(bus: Bus, shard: int) -> dict[str, str]:
    """
    By symbol: the units of everything that was ever traded on a shard.

    Raises:
        BusError: No such shard, or no answer.
    """
    info = await bus.request_json(f"$JS.API.STREAM.INFO.{ord_stream(shard)}")
    return _units_of(info["config"])


async def add_units(bus: Bus, shard: int, units: Mapping[str, str]) -> None:
    """
    Note the units of symbols that are new on a shard; to be done before anything in those units is written.

    Raises:
        BusError: No such shard, or no answer.
        ForeignStream: A symbol has other units there.
    """
    info = await bus.request_json(f"$JS.API.STREAM.INFO.{ord_stream(shard)}")
    await _agree_on_units(bus, dict(info["config"]), units, ())


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


async def _agree_on_units(
    bus: Bus, config: dict[str, Any], units: Mapping[str, str], elsewhere: Collection[str]
) -> None:
    stream, written = config["name"], _units_of(config)
    for symbol, unit in written.items():
        if symbol in elsewhere or units.get(symbol, unit) != unit:
            now = "is on another shard" if symbol in elsewhere else f"has {units[symbol]}"
            raise ForeignStream(
                f"{stream} was written with {symbol} at {unit}, but now it {now}; give it back its line in the "
                "instruments file (and its shard), or begin with an empty data directory"
            )
    if not units.items() <= written.items():
        metadata = config.get("metadata", {}) | {_UNITS: msgspec.json.encode(written | dict(units)).decode()}
        await bus.request_json(f"$JS.API.STREAM.UPDATE.{stream}", config | {"metadata": metadata})


def _units_of(config: dict[str, Any]) -> dict[str, str]:
    units: dict[str, str] = msgspec.json.decode(config.get("metadata", {}).get(_UNITS, "{}"))
    return units


async def _ensure(bus: Bus, stream: str, subjects: str, max_bytes: int, replicas: int) -> dict[str, Any]:
    """The stream's configuration as it is now."""
    patience_until_s = asyncio.get_running_loop().time() + ELECTION_PATIENCE_S
    while True:
        try:
            info = await _info_or_create(bus, stream, subjects, max_bytes, replicas)
            break
        except BusError as error:
            is_election = not isinstance(error, ApiError) or error.err_code in _NO_LEADER_YET
            if not is_election or asyncio.get_running_loop().time() > patience_until_s:
                raise
            await asyncio.sleep(_RETRY_S)
    if info["config"].get("subjects") != [subjects]:
        raise ForeignStream(
            f"stream {stream} holds {info['config'].get('subjects')}, not {subjects}: it is not this venue's; "
            "use another NATS account or data directory"
        )
    return dict(info["config"])


async def _info_or_create(bus: Bus, stream: str, subjects: str, max_bytes: int, replicas: int) -> dict[str, Any]:
    try:
        return await bus.request_json(f"$JS.API.STREAM.INFO.{stream}")
    except ApiError as error:
        if error.err_code != STREAM_NOT_FOUND:
            raise
        return await bus.request_json(f"$JS.API.STREAM.CREATE.{stream}", _config(stream, subjects, max_bytes, replicas))


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
