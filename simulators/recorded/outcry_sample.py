"""
Our own recordings: JSON lines, first a header, then one `FlowEvent` a line, by their field names.

    {"format":"outcry-flow-1","about":"...","price_places":2,"qty_places":0}
    {"row":1,"time_ns":34200000000000,"symbol":"OAK","kind":"new","order_ref":"1","side":"1","price":9990,"qty":40,
     "book":[[[9990,40]],[]]}

Fields at their defaults are left out. `book` is the state after the row: bids, then asks, best first.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from simulators.recorded.rows import FlowEvent, RecordedFlowError

FORMAT: Final = "outcry-flow-1"


class Header(msgspec.Struct, frozen=True):
    """The first line."""

    format: str
    about: str
    """Who made the rows, and how."""
    price_places: int
    qty_places: int


_encode = msgspec.json.Encoder().encode
_decode_header = msgspec.json.Decoder(Header).decode
_decode_event = msgspec.json.Decoder(FlowEvent).decode


def is_header(line: str) -> bool:
    """Whether a first line is of this format."""
    return line.startswith("{") and f'"{FORMAT}"' in line


def parse_header(line: str) -> Header:
    """
    Read the first line.

    Raises:
        RecordedFlowError: Not a header of this format.
    """
    try:
        header = _decode_header(line)
    except msgspec.MsgspecError as error:
        raise RecordedFlowError(f"the first line is no header of {FORMAT}: {error}") from error
    if header.format != FORMAT:
        raise RecordedFlowError(f"the file is of format {header.format!r}; this build reads {FORMAT!r}")
    return header


def parse(lines: Iterable[str]) -> Iterator[FlowEvent]:
    """
    Read all lines after the header.

    Raises:
        RecordedFlowError: A line is not a row.
    """
    for row, line in enumerate(lines, 1):
        try:
            yield _decode_event(line)
        except msgspec.MsgspecError as error:
            raise RecordedFlowError(f"row {row} is not a row of {FORMAT}: {error}") from error


def encode(header: Header, events: Iterable[FlowEvent]) -> Iterator[bytes]:
    """Write the lines of a file."""
    yield _encode(header) + b"\n"
    for event in events:
        yield _encode(event) + b"\n"
