"""
What every process of the venue writes: one JSON object a line on standard error, an event name and key/values.

No secret gets through: values under a key that names one are masked, and so are the secrets inside any text, such as
Password(554) and RawData(96) of a raw FIX message. Tracebacks are logged without local variables for the same reason.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import orjson
import structlog
from structlog.typing import EventDict

MASK: Final = "***"

_SECRET_KEY: Final = re.compile(r"passw|secret|^(tag_?)?(96|554|925|1400|1402|1404)$|raw_?data$", re.IGNORECASE)
# RawData(96) may itself hold SOH; RawDataLength(95) says how far it goes.
_RAW_DATA: Final = re.compile(r"(?P<head>(?:^|[\x01|])95=(?P<length>\d{1,9})[\x01|]96=)")
_SECRET_IN_TEXT: Final = (
    re.compile(r"(?P<head>(?<![0-9])(?:96|554|925|1400|1402|1404)=)[^\x01|]*"),
    re.compile(r"(?P<head>passw\w*['\"]?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s,;)|}\x01]+)", re.IGNORECASE),
    re.compile(r"(?P<head>://[^:/@\s]+:)[^@/\s]+(?=@)"),
)


def configure(process: str) -> None:
    """
    Send structlog, and the standard library's warnings and errors, to standard error as JSON lines.

    Args:
        process: Name of this process, on every line.
    """

    def add_process(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:
        event_dict["process"] = process
        return event_dict

    structlog.configure(
        processors=[
            add_process,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_secrets,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStructlog()], force=True)


def mask_secrets(_logger: Any, _method: str, event_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Mask the secrets of a log line (a structlog processor)."""
    return {key: _masked(key, value) for key, value in event_dict.items()}


def mask_text(text: str) -> str:
    """Mask the secrets inside a text: FIX fields, `password=...`, and the password of a URL."""
    text = _mask_raw_data(text)
    for pattern in _SECRET_IN_TEXT:
        text = pattern.sub(rf"\g<head>{MASK}", text)
    return text


def _mask_raw_data(text: str) -> str:
    position = 0
    while found := _RAW_DATA.search(text, position):
        text = text[: found.end()] + MASK + text[found.end() + int(found["length"]) :]
        position = found.end()
    return text


def _masked(key: object, value: Any) -> Any:
    if _SECRET_KEY.search(str(key)):
        return MASK
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(name): _masked(name, inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked("", inner) for inner in value]
        case _:
            return mask_text(str(value))


def _json(event_dict: Any, **_: Any) -> bytes:
    try:
        return orjson.dumps(event_dict)
    except TypeError:  # an integer beyond 64 bits, or text that is not UTF-8: slower, but a log line is never lost
        return json.dumps(event_dict, default=str).encode()


class _ToStructlog(logging.Handler):
    """Passes a library's log record on, so that everything on standard error is JSON and masked."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record under the event name `library`."""
        log = structlog.get_logger()
        level = min(record.levelno, logging.CRITICAL)
        log.log(level, "library", logger=record.name, text=record.getMessage(), exc_info=record.exc_info)
