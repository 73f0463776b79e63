"""
Replay over FIX: ApplicationMessageRequest(BW) read, ApplicationMessageRequestAck(BX) and ApplicationMessageReport(BY)
written, as `FIX.md` states them, the same in every version. Pure.

An ExecID(17) is `<shard>-<input>-<index>`. So a shard is an application to FIX, RefApplID(1355), and its inputs are
what ApplBegSeqNum(1182) and ApplEndSeqNum(1183) count.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from gateway.drop_copy.spans import Span
from gateway.fix.fields import HEADER_TAGS, quoted, tag_number
from gateway.fix.report_fields import NONE, field, report_text
from sessions.fix_text import split_group
from sessions.native.messages import read_number, read_timestamp

REPLAY_TAGS: Final = frozenset(("1182", "1183", "1346", "1347", "1351", "1355", "7005", "7006"))
"""Tags that make a request."""
HARMLESS_REPLAY_TAGS: Final = frozenset(("58", "354", "355"))

REPORTS: Final = "0"
LAST_INPUTS: Final = "2"
"""ApplReqType(1347)."""
DONE: Final = "0"
NO_SUCH_SHARD: Final = "1"
NOT_AVAILABLE: Final = "2"
"""ApplResponseType(1348)."""
_ERRORS: Final[Mapping[str, str]] = {DONE: "", NO_SUCH_SHARD: "0", NOT_AVAILABLE: "1"}
"""ApplResponseError(1354) by the response."""
_RESEND_COMPLETED: Final = "3"
_REQ_TYPES: Final = frozenset("0123456")

_IN_ENTRIES: Final = frozenset(("1355", "1182", "1183"))


class _AnyButEntries:
    """Whatever is no field of an entry stands outside of the group."""

    def __contains__(self, tag: object) -> bool:
        return tag not in _IN_ENTRIES


class ReplayRequest(msgspec.Struct, frozen=True):
    """BW: reports that are wanted once more, or where the logs end."""

    req_id: str
    req_type: Literal["0", "2"]
    spans: Sequence[Span]
    """Of each shard that is asked about, one."""


class ReplayRefused(Exception):
    """A request to answer with BX that refuses it."""

    def __init__(self, response: str, text: str, shard_text: str = "") -> None:
        super().__init__(text)
        self.response = response
        """ApplResponseType(1348)."""
        self.shard_text = shard_text
        """RefApplID(1355) as it was sent, of the entry at fault."""


def read_replay_request(text: str, shards: int) -> ReplayRequest:
    """
    Read BW.

    Args:
        text: The whole message.
        shards: Of the venue.

    Raises:
        ReplayRefused: The first fault.
    """
    message, entries = split_group(text, "1355", _AnyButEntries())
    req_type = message.get("1347", "")
    if req_type not in (REPORTS, LAST_INPUTS):
        advice = "send 0 (reports once more) or 2 (the newest inputs)"
        raise ReplayRefused(NOT_AVAILABLE, f"ApplReqType(1347) {quoted(req_type)} is not taken here; {advice}")
    _check_tags(message)
    begin_ns, end_ns = _time(message, "7005"), _time(message, "7006")
    if end_ns and end_ns <= begin_ns:
        raise ReplayRefused(NOT_AVAILABLE, "7006 is not after 7005; send a later end")
    spans = [_span(entry, shards, begin_ns, end_ns) for entry in entries or _all_shards(shards)]
    if len({span.shard for span in spans}) < len(spans):
        raise ReplayRefused(NOT_AVAILABLE, "a shard is named twice in RefApplID(1355); name it once")
    return ReplayRequest(request_id(message), LAST_INPUTS if req_type == LAST_INPUTS else REPORTS, spans)


def request_id(fields: Mapping[str, str]) -> str:
    """ApplReqID(1346), fit to be echoed."""
    return report_text(fields.get("1346", ""))


def _all_shards(shards: int) -> list[dict[str, str]]:
    return [{"1355": str(shard)} for shard in range(shards)]


def _check_tags(message: Mapping[str, str]) -> None:
    refused = sorted(message.keys() - HEADER_TAGS - REPLAY_TAGS - HARMLESS_REPLAY_TAGS, key=tag_number)
    if refused:
        named = ", ".join(f"{report_text(tag)[:8]}={quoted(message[tag])}" for tag in refused[:8])
        raise ReplayRefused(NOT_AVAILABLE, f"not looked at here: {named}; send the request without these tags")


def _time(message: Mapping[str, str], tag: str) -> int:
    if not (text := message.get(tag, "")):
        return 0
    time_ns = read_timestamp(text)
    if time_ns is None:
        advice = "send a UTC time such as 20260105-09:30:00"
        raise ReplayRefused(NOT_AVAILABLE, f"{tag} {quoted(text)} is no time; {advice}")
    return time_ns


def _span(entry: Mapping[str, str], shards: int, begin_ns: int, end_ns: int) -> Span:
    shard_text = report_text(entry["1355"])
    shard = read_number(shard_text, digits_max=6)
    if shard is None or shard >= shards:
        text = f"RefApplID(1355) {quoted(entry['1355'])} is no shard; send 0 to {shards - 1}, as an ExecID(17) begins"
        raise ReplayRefused(NO_SUCH_SHARD, text, shard_text)
    begin, end = read_number(entry.get("1182") or "0"), read_number(entry.get("1183") or "0")
    if begin is None or end is None:
        text = "ApplBegSeqNum(1182) and ApplEndSeqNum(1183) are the second number of an ExecID(17), or 0 for no bound"
        raise ReplayRefused(NOT_AVAILABLE, text, shard_text)
    if end and end < begin:
        text = f"ApplEndSeqNum(1183) {end} is before ApplBegSeqNum(1182) {begin}; send a later end, or 0"
        raise ReplayRefused(NOT_AVAILABLE, text, shard_text)
    return Span(shard, begin, end, begin_ns, end_ns)


def replay_ack(request: ReplayRequest, last_input_seqs: Mapping[int, int]) -> str:
    """BX: the request is taken; of each shard the newest input."""
    entries = "".join(
        f"1355={span.shard}\x01{_bounds(span)}1357={last_input_seqs[span.shard]}\x01" for span in request.spans
    )
    return (
        f"35=BX\x01{field('1346', request.req_id)}1347={request.req_type}\x011348={DONE}\x01"
        f"1351={len(request.spans)}\x01{entries}1353={request.req_id or NONE}\x01"
    )


def replay_refusal(req_id: str, req_type: str, refused: ReplayRefused) -> str:
    """BX: the request is not taken, and why."""
    entry = ""
    if refused.shard_text:
        entry = f"1351=1\x011355={refused.shard_text}\x011354={_ERRORS[refused.response]}\x01"
    req_type = field("1347", req_type if req_type in _REQ_TYPES else "")
    return (
        f"35=BX\x0158={refused}\x01{field('1346', req_id)}{req_type}1348={refused.response}\x01{entry}"
        f"1353={req_id or NONE}\x01"
    )


def replay_report(request: ReplayRequest, reports: int, last_input_seqs: Mapping[int, int], text: str) -> str:
    """BY: the end of the reports that were asked for; of each shard how far they went."""
    entries = "".join(
        f"1355={span.shard}\x011357={last_input_seqs.get(span.shard, max(0, span.begin_input_seq - 1))}\x01"
        for span in request.spans
    )
    said = f"{reports} reports{text}"
    return (
        f"35=BY\x0158={said}\x01{field('1346', request.req_id)}1351={len(request.spans)}\x01{entries}"
        f"1356={request.req_id or NONE}\x011426={_RESEND_COMPLETED}\x01"
    )


def _bounds(span: Span) -> str:
    begin = f"1182={span.begin_input_seq}\x01" if span.begin_input_seq else ""
    return f"{begin}1183={span.end_input_seq}\x01" if span.end_input_seq else begin
