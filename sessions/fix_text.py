"""
FIX messages as raw text: reading, and the timestamps to write. Pure, and fast enough for every message of a session.

A message is `tag=value` fields, each ended by SOH. FIX engines hand over whole messages in canonical order: header,
body sorted by tag (repeating groups in their own order), trailer.
"""

import time
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from functools import lru_cache
from typing import Final

SOH: Final = "\x01"

HEADER_TAGS: Final = frozenset(
    map(
        str,
        (
            *(8, 9, 35, 34, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145),
            *(212, 213, 347, 369, 370, 627, 1128, 1129, 1156, 1400, 1401),
        ),
    )
)
"""Standard header tags of FIX 4.2, 4.4 and FIXT.1.1; those of NoHops(627) entries are not used here."""

TRAILER_TAGS: Final = frozenset(("10", "89", "93"))

_NS_PER_S: Final = 1_000_000_000


def parse(text: str) -> dict[str, str]:
    """
    Read a message's fields by tag; of a tag that is there more than once, the first one counts.

    The first, because the header comes first: no value that a client puts in its body can pass for its MsgSeqNum(34).
    For repeating groups see `split_group` and `pairs`.
    """
    fields = text.split(SOH)[-2::-1]  # backwards, without what follows the last SOH: the first of equal tags is kept
    try:
        return dict([field.split("=", 1) for field in fields])
    except ValueError:  # a data field, such as EncodedText(355), holds a SOH
        return dict([field.split("=", 1) for field in fields if "=" in field])


def pairs(text: str) -> list[tuple[str, str]]:
    """Read a message's fields in their order, as repeating groups need it: `[("35", "V"), ("262", "r1"), ...]`."""
    return list(_pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for field in text.split(SOH):
        tag, equals, value = field.partition("=")
        if equals:
            yield tag, value


def split_group(text: str, delimiter: str, outside: Container[str]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """
    Take a message with one repeating group apart: what stands outside of it, and its entries in their order.

    Args:
        text: The message; where its other fields stand, before or after the group, does not matter.
        delimiter: The tag that begins each entry, such as ClOrdID(11) in a NewOrderList(E).
        outside: Tags that belong to no entry. Any other tag after a delimiter is part of that entry, so a tag that
            nobody knows is not lost.

    Returns:
        Both as `parse` reads: of a tag that is there more than once, in the message or in one entry, the first counts.
    """
    message: dict[str, str] = {}
    entries: list[dict[str, str]] = []
    entry = message
    for tag, value in _pairs(text):
        if tag == delimiter:
            entry = {}
            entries.append(entry)
        (message if tag in outside else entry).setdefault(tag, value)
    return message, entries


def miscounted_group(text: str, delimiters: Mapping[str, str]) -> str | None:
    """
    Find a repeating group whose count is not the number of its entries; of a nested one, the counts' sum.

    Args:
        text: The message.
        delimiters: By the count's tag, such as NoRelatedSym(146), the tag that begins each entry.

    Returns:
        The first such count's tag; None when all are right.
    """
    fields = pairs(text)
    entries = Counter(tag for tag, _ in fields)
    for tag in dict.fromkeys(tag for tag, _ in fields if tag in delimiters):
        counts = [value for name, value in fields if name == tag]
        if not all(map(str.isdecimal, counts)) or sum(map(int, counts)) != entries[delimiters[tag]]:
            return tag
    return None


def body_of(text: str) -> str:
    """
    Cut header and trailer off a complete message: MsgType(35) first, then the body, as `Engine.send` takes it.

    Args:
        text: A message as an engine stores it, header first and CheckSum(10) last.
    """
    fields = text.split(SOH)
    start = 0
    msg_type = ""
    while start < len(fields):
        tag = fields[start].partition("=")[0]
        if tag not in HEADER_TAGS:
            break
        if tag == "35":
            msg_type = fields[start]
        start += 1
    end = len(fields) - 1  # the last one is what follows the last SOH: nothing
    while end > start and fields[end - 1].partition("=")[0] in TRAILER_TAGS:
        end -= 1
    return SOH.join((msg_type, *fields[start:end], ""))


def utc_timestamp(ns: int) -> str:
    """
    Write ns since 1970 UTC as a FIX UTCTimestamp with microseconds: `20261120-21:04:05.678901`.

    Cut off, not rounded, so that a later moment never has an earlier text.
    """
    second, rest_ns = divmod(ns, _NS_PER_S)
    return f"{_second_text(second)}.{rest_ns // 1000:06d}"


@lru_cache(maxsize=64)
def _second_text(second: int) -> str:
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(second))
