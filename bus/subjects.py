"""
Every NATS subject and stream name of the venue, built here and nowhere else.

A subject token may not hold `.`, `*`, `>`, white space or control characters (NATS ADR-6), but a symbol may (`BRK.B`).
`symbol_token` writes such characters, and `%`, as `%XX` per UTF-8 byte; `symbol_of_token` reads them back.
"""

import re
from typing import Final
from urllib.parse import unquote

GATEWAY_SYMBOL: Final = ""
"""Stands in a command for "no symbol": the gateway's own affairs, and requests that name no known symbol."""

_NO_SYMBOL: Final = "%"  # a token that no symbol escapes to, since % itself is escaped
_PLAIN_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-/$+:=@#&()]+")


def ord_stream(shard: int) -> str:
    """Name of the shard's order log."""
    return f"ORD{shard}"


def exec_stream(shard: int) -> str:
    """Name of the shard's execution log."""
    return f"EXEC{shard}"


PLACES_STREAM: Final = "PLACES"
"""Name of the stream of places: how far each reader of a log has come for good (`bus/places.py`)."""
PLACES_SUBJECTS: Final = "place.>"
"""Wildcard over all that it stores."""


def place_subject(stream: str, reader: str) -> str:
    """Where a reader of a log tells its place in it; `reader` is fit for a token as it is."""
    return f"place.{stream}.{reader}"


def ord_subjects(shard: int) -> str:
    """Wildcard over all that ORD<shard> stores."""
    return f"ord.{shard}.>"


def ord_subject(shard: int, symbol: str) -> str:
    """Where a gateway publishes commands of `symbol`."""
    return f"ord.{shard}.{symbol_token(symbol)}"


def exec_subject(shard: int) -> str:
    """Where the shard's leading matcher publishes; a batch may span symbols and is still one write, so no symbol."""
    return f"exec.{shard}"


def md_subject(symbol: str) -> str:
    """Public market-data increments of one symbol."""
    return f"md.{symbol_token(symbol)}"


MD_SUBJECTS: Final = "md.>"
"""Those of all symbols."""
MD_SNAPSHOT_SUBJECT: Final = "md-snapshot"
"""Request/reply: the body is a symbol, the reply its book."""


def status_subject(shard: int) -> str:
    """Request/reply: what the shard's leading matcher knows, for the operator (`matcher/process/status.py`)."""
    return f"status.{shard}"


def lead_subject(shard: int) -> str:
    """Request/reply: the leading matcher says that it leads (`matcher/process/leadership.py`)."""
    return f"lead.{shard}"


def takeover_subject(shard: int, replica: int) -> str:
    """The leading matcher hands over to this replica (`matcher/process/leadership.py`)."""
    return f"takeover.{shard}.{replica}"


def handover_subject(shard: int) -> str:
    """Request/reply: the leading matcher is to hand over (`venue/handover.py`)."""
    return f"handover.{shard}"


def gateway_subject(gateway_id: str) -> str:
    """Request/reply: what one gateway asks of another (`gateway/moves.py`)."""
    return f"gateway.{gateway_id}"


def symbol_token(symbol: str) -> str:
    """Escape a symbol as one subject token; `GATEWAY_SYMBOL` has a token of its own."""
    if not symbol:
        return _NO_SYMBOL
    if _PLAIN_TOKEN.fullmatch(symbol):
        return symbol
    return "".join(c if _PLAIN_TOKEN.fullmatch(c) else "".join(f"%{b:02X}" for b in c.encode()) for c in symbol)


def symbol_of_token(token: str) -> str:
    """Read a subject token back: the inverse of `symbol_token`."""
    return GATEWAY_SYMBOL if token == _NO_SYMBOL else unquote(token)


def default_shard(symbol: str, shards: int) -> int:
    """FNV-1a 32 of the symbol modulo `shards`, as the NATS server's `partition()` computes it."""
    digest = 0x811C9DC5
    for byte in symbol.encode():
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    return digest % shards
