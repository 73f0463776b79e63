"""
Opens recorded files: tells the format from the first line, finds the book beside a LOBSTER message file.

Plain or gzip. A file is read as its events are consumed, so its size does not matter.
"""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from simulators.recorded import bitstamp, cran, lobster, outcry_sample, pitch
from simulators.recorded.rows import RecordedFlowError, Recording

FormatName = Literal["auto", "lobster", "pitch", "bitstamp", "cran", "outcry"]
FORMAT_NAMES: Final[tuple[FormatName, ...]] = ("auto", "lobster", "pitch", "bitstamp", "cran", "outcry")
SAMPLE: Final = Path(__file__).parent / "sample.jsonl.gz"
"""A small recording that we made ourselves; see `sample_generator`."""

_MESSAGE_MARK: Final = "_message_"
_BOOK_MARK: Final = "_orderbook_"
_GZIP_MAGIC: Final = b"\x1f\x8b"


def open_recording(path: Path, *, format_name: FormatName = "auto", symbol: str | None = None) -> Recording:
    """
    Open one file.

    Args:
        path: The file; of a LOBSTER pair, the message file.
        format_name: Its format; "auto" tells it from the first line.
        symbol: Of a file whose rows do not hold it; by default the beginning of the file's name.

    Raises:
        RecordedFlowError: It cannot be read, or is of no known format.
    """
    first_line = _first_line(path)
    if format_name == "auto":
        format_name = _format_of(path, first_line)
    match format_name:
        case "lobster":
            return _lobster(path, symbol)
        case "pitch":
            return Recording(path.name, pitch.PRICE_PLACES, pitch.QTY_PLACES, pitch.parse(_lines(path)))
        case "bitstamp":
            events = bitstamp.parse(_lines(path), symbol or _symbol_of_name(path))
            return Recording(path.name, bitstamp.PRICE_PLACES, bitstamp.QTY_PLACES, events, takers_are_recorded=True)
        case "cran":
            events = cran.parse(_lines(path), symbol or _symbol_of_name(path))
            return Recording(path.name, cran.PRICE_PLACES, cran.QTY_PLACES, events)
        case _:
            header = outcry_sample.parse_header(first_line)
            events = outcry_sample.parse(_lines(path, skip=1))
            return Recording(path.name, header.price_places, header.qty_places, events)


def is_book_half(path: Path) -> bool:
    """Whether the file is the order book of a LOBSTER pair, which is read together with its message file."""
    return _BOOK_MARK in path.name


def book_beside(path: Path) -> Path:
    """Where the order book of a LOBSTER message file is, if it has one."""
    return path.with_name(path.name.replace(_MESSAGE_MARK, _BOOK_MARK))


def _format_of(path: Path, line: str) -> FormatName:
    if is_book_half(path):
        raise RecordedFlowError(f"{path} is the book of a LOBSTER pair; give its message file")
    if outcry_sample.is_header(line):
        return "outcry"
    if line.startswith("S") and line[1:9].isdecimal():
        return "pitch"
    if line.startswith(bitstamp.HEADER):
        return "bitstamp"
    if line.startswith(cran.HEADER):
        return "cran"
    if _MESSAGE_MARK in path.name and line.count(",") == 5:
        return "lobster"
    raise RecordedFlowError(f"{path} is of no known format; name it with --format {'|'.join(FORMAT_NAMES[1:])}")


def _lobster(path: Path, symbol: str | None) -> Recording:
    book_path = book_beside(path)
    has_book = book_path != path and book_path.exists()
    books = _lines(book_path) if has_book else None
    levels_seen = lobster.levels_of(_first_line(book_path)) if has_book else None
    events = lobster.parse(_lines(path), books, symbol or _symbol_of_name(path))
    return Recording(path.name, lobster.PRICE_PLACES, lobster.QTY_PLACES, events, levels_seen=levels_seen)


def _symbol_of_name(path: Path) -> str:
    """`AMZN` of `AMZN_2012-06-21_34200000_57600000_message_1.csv.gz`, `SAMPLE` of `sample.txt.gz`."""
    return re.split(r"[_.]", path.name)[0].upper() or path.name


def _first_line(path: Path) -> str:
    return next(_lines(path), "")


def _lines(path: Path, *, skip: int = 0) -> Iterator[str]:
    """The file's lines, unpacked if need be."""
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(2) == _GZIP_MAGIC
        with gzip.open(path, "rt", encoding="latin-1") if is_packed else path.open(encoding="latin-1") as file:
            for number, line in enumerate(file):
                if number >= skip:
                    yield line
    except (OSError, EOFError) as error:
        raise RecordedFlowError(f"{path} cannot be read: {error}") from error
