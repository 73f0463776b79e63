"""
Which instruments there are: SecurityListRequest(x) is answered with SecurityList(y), in as many messages as it takes.

The list is what the gateway knows at that moment; nothing is waited for, and nothing is told of later: that is
SecurityDefinition(d)'s. FIX 4.2 has neither message. What each message holds is in `FEED.md`.
"""

from collections.abc import Mapping
from typing import Final

from marketdata.fix.instruments import group_of, quantity_fields, terms_text, trading_rules
from marketdata.fix.messages import FIX44, SNAPSHOT, Dialect, Fields, require
from matcher.instruments import Instrument
from sessions.fix_text import SOH

FRAGMENT_INSTRUMENTS_MAX: Final = 100
"""In one message."""

VALID: Final = "0"
UNSUPPORTED: Final = "1"
NONE_FOUND: Final = "2"
"""SecurityRequestResult(560)."""

_BY_SYMBOL: Final = "0"
_BY_SESSION: Final = "3"
_ALL: Final = "4"
_BY_SEGMENT: Final = "5"
"""SecurityListRequestType(559)."""


class ListRefused(Exception):
    """A request to answer with a y that has no instruments."""

    def __init__(self, req_id: str, result: str) -> None:
        super().__init__(result)
        self.req_id = req_id
        self.result = result


def security_list(dialect: Dialect, fields: Fields, instruments: Mapping[str, Instrument]) -> list[str]:
    """
    The bodies that answer a SecurityListRequest(x), refusals included.

    Args:
        dialect: How to say it.
        fields: Of the request.
        instruments: All that are traded.

    Raises:
        BusinessReject: A required tag is missing.
    """
    names = {"320": "SecurityReqID", "559": "SecurityListRequestType"}
    req_id = fields.first("320")
    require(fields, names, message="SecurityListRequest", ref_id=req_id)
    try:
        found = _asked_for(dialect, fields, instruments)
    except ListRefused as refused:
        return [_head(req_id, 1, refused.result)]
    starts = range(0, len(found), FRAGMENT_INSTRUMENTS_MAX)
    fragments = [found[start : start + FRAGMENT_INSTRUMENTS_MAX] for start in starts]
    return [
        f"{_head(req_id, number, VALID)}393={len(found)}{SOH}893={'Y' if number == len(fragments) else 'N'}{SOH}"
        f"146={len(fragment)}{SOH}{''.join(_entry(dialect, instrument) for instrument in fragment)}"
        for number, fragment in enumerate(fragments, 1)
    ]


def _asked_for(dialect: Dialect, fields: Fields, instruments: Mapping[str, Instrument]) -> list[Instrument]:
    """
    What a request asks for, at least one; the checks run in the order of the tags of `FEED.md`.

    Raises:
        ListRefused: It asks for something that is not offered, or for nothing.
    """
    req_id, kind = fields.first("320"), fields.first("559")
    by_group, group_tag = (_BY_SEGMENT, "1300") if dialect.is_sp2 else (_BY_SESSION, "336")
    named = {_BY_SYMBOL: fields.first("55"), by_group: fields.first(group_tag), _ALL: "all"}.get(kind)
    if not named or fields.first("263") not in ("", SNAPSHOT):
        raise ListRefused(req_id, UNSUPPORTED)
    if kind == _BY_SYMBOL:
        found = [instruments[named]] if named in instruments else []
    else:
        found = [each for each in instruments.values() if kind == _ALL or group_of(each) == named]
    if not found:
        raise ListRefused(req_id, NONE_FOUND)
    return found


def _head(req_id: str, number: int, result: str) -> str:
    return f"35=y{SOH}320={req_id}{SOH}322={req_id}-{number}{SOH}560={result}{SOH}"


def _entry(dialect: Dialect, instrument: Instrument) -> str:
    head = f"55={instrument.symbol}{SOH}"
    currency, text = f"15={instrument.currency}{SOH}", f"58={terms_text(instrument)}{SOH}"
    if dialect == FIX44:
        return f"{head}{currency}{quantity_fields(instrument)}336={group_of(instrument)}{SOH}{text}"
    terms = f"1151={group_of(instrument)}{SOH}969={instrument.tick}{SOH}{trading_rules(instrument)}"
    return f"{head}{terms}{currency}{text}"
