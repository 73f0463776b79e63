"""
The two logs of a shard, as JetStream streams, and the stream of places: created when absent, checked when present.

Nothing drops out of a log by itself: no age limit, deletion denied, and a full log refuses new records. Only the
leading matcher takes records away, from the beginning, when nobody needs them any more
(`matcher/process/retention.py`). Logs that were made when purges were denied keep everything: JetStream does not take
that back.

A log counts in ticks and lots, so its numbers mean nothing without their sizes. ORD<k> carries them as stream metadata:
each symbol of the shard with its units, those that were defined at run time included. Symbols may be added, and one
that is no longer configured goes on in its log; one that has other units, or is on another shard now, is refused.

So every process looks at the logs of all shards first (`check_units`), and none writes to any before: each of a venue's
processes finds the same fault, and a configuration that is refused leaves nothing behind.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from bus.connection import ApiError, Bus, BusError
from bus.subjects import PLACES_STREAM, PLACES_SUBJECTS, exec_stream, exec_subject, ord_stream, ord_subjects

STREAM_NOT_FOUND: Final = 10059
ELECTION_PATIENCE_S: Final = 10.0
"""For a cluster whose servers have just met to elect their leader."""
MESSAGE_NOT_FOUND: Final = 10037
_NO_LEADER_YET: Final = (10005, 10008, 10009)
"""No peers to place a stream on, not available, not the leader."""
_RETRY_S: Final = 0.1
_PLACES_MAX: Final = 10_000
"""Two logs for each shard, a few readers for each log."""
_UNITS: Final = "outcry_units"
"""Metadata key: a JSON object of units by symbol."""
_T = TypeVar("_T")


class ForeignStream(Exception):
    """A stream is not this venue's: other subjects, or other units; the message is one sentence."""


class StoredRecord(msgspec.Struct, frozen=True):
    """A record read back by its place."""

    seq: int
    payload: bytes
    stored_ns: int
    """When its stream stored it, by its server's clock."""


class LogState(msgspec.Struct, frozen=True):
    """What a log holds, as its leader knows it."""

    first_seq: int
    """Of its oldest record; one more than `last_seq` if it has none."""
    last_seq: int
    bytes: int
    may_be_trimmed: bool


async def check_units(bus: Bus, units: Sequence[Mapping[str, str]]) -> None:
    """
    See that the logs that are there fit a venue's symbols; changes nothing.

    Args:
        bus: Connected.
        units: Of each shard, by symbol, such as "tick 0.01, lot 1".

    Raises:
        BusError: JetStream refuses or does not answer.
        ForeignStream: A symbol has other units in a log, or is in the log of another shard.
    """
    there = await _configs_of_logs(bus, len(units))
    shards = {symbol: shard for shard, of_shard in enumerate(units) for symbol in of_shard}
    for shard, config in there.items():
        for symbol, unit in _units_of(config).items():
            now_on = shards.get(symbol, shard)
            if now_on != shard:
                raise ForeignStream(
                    f"{config['name']} was written with {symbol} at {unit}, but now it is on shard {now_on}; "
                    f"{_how_it_returns(symbol, shard, len(there), len(units))}, or begin with an empty data directory"
                )
        _check_agreement(config, units[shard] if shard < len(units) else {})


async def ensure_shard(
    bus: Bus, shard: int, *, max_bytes: int, replicas: int, units: Mapping[str, str] | None = None
) -> None:
    """
    Create ORD<shard>, EXEC<shard> and PLACES where they do not exist yet, and see that they are this venue's.

    Args:
        bus: Connected.
        shard: Which.
        max_bytes: Bound of each log.
        replicas: Servers that hold each log.
        units: By symbol of the shard, such as "tick 0.01, lot 1"; None: not compared.

    Raises:
        BusError: JetStream refuses or does not answer.
        ForeignStream: A stream of that name holds other subjects, or was written with other units.
    """
    ord_config = await _ensure(bus, _log(ord_stream(shard), ord_subjects(shard), max_bytes, replicas))
    await _ensure(bus, _log(exec_stream(shard), exec_subject(shard), max_bytes, replicas))
    await _ensure(bus, _places(replicas))
    if units is not None:
        await _agree_on_units(bus, ord_config, units)


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
    await _agree_on_units(bus, dict(info["config"]), units)


async def last_seq(bus: Bus, stream: str) -> int:
    """
    Sequence of the newest record, 0 for an empty stream, as its leader knows it.

    Raises:
        BusError: No such stream, or no answer.
    """
    info = await bus.request_json(f"$JS.API.STREAM.INFO.{stream}")
    return int(info["state"]["last_seq"])


async def log_state(bus: Bus, stream: str) -> LogState:
    """
    What a log holds, as its leader knows it.

    Raises:
        BusError: No such stream, or no answer.
    """
    info = await bus.request_json(f"$JS.API.STREAM.INFO.{stream}")
    state = info["state"]
    may_be_trimmed = not info["config"].get("deny_purge", False)
    return LogState(max(1, int(state["first_seq"])), int(state["last_seq"]), int(state["bytes"]), may_be_trimmed)


async def trim(bus: Bus, stream: str, first_seq: int) -> None:
    """
    Take away all records before `first_seq`, which the stream has; those that are gone already do not matter.

    Raises:
        BusError: The stream does not allow it, or no answer.
    """
    await bus.request_json(f"$JS.API.STREAM.PURGE.{stream}", {"seq": first_seq})


async def read_record(bus: Bus, stream: str, seq: int) -> StoredRecord | None:
    """
    Read one record from the stream's leader, None when there is none of that sequence.

    Raises:
        BusError: No such stream, or no answer.
    """
    try:
        reply = await bus.request_json(f"$JS.API.STREAM.MSG.GET.{stream}", {"seq": seq})
    except ApiError as error:
        if error.err_code == MESSAGE_NOT_FOUND:
            return None
        raise
    message = reply["message"]
    payload = msgspec.convert(message.get("data", ""), bytes, strict=False)
    return StoredRecord(int(message["seq"]), payload, _ns(message["time"]))


def _ns(text: str) -> int:
    """An RFC 3339 time as ns since 1970 UTC, of which the last three digits do not count here."""
    return round(msgspec.convert(text, datetime).timestamp() * 1_000_000) * 1000


async def _configs_of_logs(bus: Bus, shards: int) -> dict[int, dict[str, Any]]:
    """Of each shard that has an ORD stream, be it one of so many or one of a venue that had more."""
    configs: dict[int, dict[str, Any]] = {}
    shard = 0
    while True:
        info = await _patiently(partial(_info, bus, ord_stream(shard)))
        if info is not None:
            configs[shard] = info["config"]
        elif shard >= shards:
            return configs
        shard += 1


def _how_it_returns(symbol: str, shard: int, shards_there: int, shards_now: int) -> str:
    if shards_there != shards_now:
        return f"shards = {shards_now}, and the logs are those of {shards_there}: make it {shards_there} again"
    return f"give it back its shard with shard = {shard} in the line of {symbol} in the instruments file"


def _check_agreement(config: dict[str, Any], units: Mapping[str, str]) -> None:
    for symbol, unit in _units_of(config).items():
        if units.get(symbol, unit) != unit:
            raise ForeignStream(
                f"{config['name']} was written with {symbol} at {unit}, but now it has {units[symbol]}; give it back "
                "its line in the instruments file, or begin with an empty data directory"
            )


async def _agree_on_units(bus: Bus, config: dict[str, Any], units: Mapping[str, str]) -> None:
    _check_agreement(config, units)
    written = _units_of(config)
    if not units.items() <= written.items():
        metadata = config.get("metadata", {}) | {_UNITS: msgspec.json.encode(written | dict(units)).decode()}
        await bus.request_json(f"$JS.API.STREAM.UPDATE.{config['name']}", config | {"metadata": metadata})


def _units_of(config: dict[str, Any]) -> dict[str, str]:
    units: dict[str, str] = msgspec.json.decode(config.get("metadata", {}).get(_UNITS, "{}"))
    return units


async def _ensure(bus: Bus, wanted: dict[str, Any]) -> dict[str, Any]:
    """The stream's configuration as it is now."""
    stream, subjects = wanted["name"], wanted["subjects"]
    info = await _patiently(partial(_info_or_create, bus, wanted))
    if info["config"].get("subjects") != subjects:
        raise ForeignStream(
            f"stream {stream} holds {info['config'].get('subjects')}, not {', '.join(subjects)}: it is not this "
            "venue's; use another NATS account or data directory"
        )
    return dict(info["config"])


async def _patiently(request: Callable[[], Awaitable[_T]]) -> _T:
    """The answer to a request, as soon as there is a leader to give it."""
    patience_until_s = asyncio.get_running_loop().time() + ELECTION_PATIENCE_S
    while True:
        try:
            return await request()
        except BusError as error:
            is_election = not isinstance(error, ApiError) or error.err_code in _NO_LEADER_YET
            if not is_election or asyncio.get_running_loop().time() > patience_until_s:
                raise
            await asyncio.sleep(_RETRY_S)


async def _info_or_create(bus: Bus, wanted: dict[str, Any]) -> dict[str, Any]:
    info = await _info(bus, wanted["name"])
    return info if info is not None else await bus.request_json(f"$JS.API.STREAM.CREATE.{wanted['name']}", wanted)


async def _info(bus: Bus, stream: str) -> dict[str, Any] | None:
    """None: there is no such stream."""
    try:
        return await bus.request_json(f"$JS.API.STREAM.INFO.{stream}")
    except ApiError as error:
        if error.err_code != STREAM_NOT_FOUND:
            raise
        return None


def _log(stream: str, subjects: str, max_bytes: int, replicas: int) -> dict[str, Any]:
    return {
        "name": stream,
        "subjects": [subjects],
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "max_bytes": max_bytes,
        "num_replicas": replicas,
        "deny_delete": True,
        "deny_purge": False,
        "allow_direct": True,
        "allow_atomic": True,
        "duplicate_window": 0,
    }


def _places(replicas: int) -> dict[str, Any]:
    return {
        "name": PLACES_STREAM,
        "subjects": [PLACES_SUBJECTS],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_msgs_per_subject": 1,
        "max_msgs": _PLACES_MAX,
        "num_replicas": replicas,
        "deny_delete": True,
        "deny_purge": True,
        "duplicate_window": 0,
    }
