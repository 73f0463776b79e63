"""
Drop copies: the application behind the engine for sessions of kind "dropcopy".

Reports come to these sessions from `executions`, like those of the sessions that they copy. What they ask for
themselves, reports once more (BW) and trade capture (AD), is read from EXEC in the background (`replay`). They can
change nothing: any order on them is refused. Requests are answered by this process and do not go through the log; one
that it took and had not answered when it was killed is not answered.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from gateway.drop_copy.copies import DropCopies
from gateway.drop_copy.replay import REPORTS_MAX, TOO_MANY, Outcome, Replayer
from gateway.drop_copy.replay_messages import (
    LAST_INPUTS,
    NOT_AVAILABLE,
    ReplayRefused,
    ReplayRequest,
    read_replay_request,
    replay_ack,
    replay_refusal,
    replay_report,
    request_id,
)
from gateway.drop_copy.spans import Span
from gateway.drop_copy.trade_capture import TradeCapture
from gateway.fix.inbound import ID_TAGS
from gateway.fix.refusals import business_message_reject
from gateway.fix.report_fields import dialect_of, possible_resend, report_text
from matcher.events import Event
from matcher.instruments import Instrument
from matcher.rejects import RejectReason
from sessions.fix_text import parse
from sessions.port import InboundMessage

log = structlog.get_logger()

_ORDER_MESSAGES: Final = frozenset((*"DEFGHiqsZ", "AB", "AC", "AF", "BZ", "CA"))
"""What is for order sessions: it would change something, or ask for the state of an order."""
_UNANSWERED: Final = ("3", "j")
_ID_TAGS: Final[Mapping[str, str]] = {**ID_TAGS, "BW": "1346", "AD": "568"}
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {"BW": ("1346", "1347"), "AD": ("568", "569")}


class DropCopyDesk:
    """Answers the drop-copy sessions of a gateway."""

    def __init__(
        self,
        copies: DropCopies,
        trades: TradeCapture,
        *,
        shards: int,
        send: Callable[[str, list[str]], None],
    ) -> None:
        """
        Args:
            copies: Says which reports a session gets.
            trades: Serves trade capture.
            shards: Of the venue.
            send: Sends bodies to a session.
        """
        self._copies = copies
        self._trades = trades
        self._shards = shards
        self._send = send
        self._replayer: Replayer
        self.follow: Callable[[str], None] = lambda _session_id: None
        """Told of a session that has logged on, or whose sequence numbers may have begun anew."""
        self._epochs: dict[str, int] = {}

    def attach(self, replayer: Replayer) -> None:
        """Give the desk what reads the logs, once, before the first logon."""
        self._replayer = replayer
        self._trades.attach(replayer)

    def define(self, instrument: Instrument) -> None:
        """An instrument is traded from now on."""
        self._trades.define(instrument)

    def on_logon(self, session_id: str) -> None:
        """Its reports go on where its client stopped."""
        self.follow(session_id)

    def on_logout(self, session_id: str) -> None:
        """What it asked for has no one to answer to any more; its reports wait in its store."""
        self._replayer.forget(session_id)
        self._trades.end_session(session_id)

    def on_messages(self, messages: list[InboundMessage]) -> None:
        """Answer requests, each on its own."""
        for message in messages:
            if self._epochs.get(message.session_id) != message.session_epoch:
                self._epochs[message.session_id] = message.session_epoch
                self.follow(message.session_id)
            self._answer(message)

    def _answer(self, message: InboundMessage) -> None:
        session_id = message.session_id
        fields = message.fields or parse(message.text)
        msg_type = fields["35"]
        if msg_type in _UNANSWERED:
            log.warning("client_rejected_our_message", session=session_id, text=fields.get("58"))
        elif msg_type == "BW" or (msg_type == "AD" and not dialect_of(session_id).exec_trans_type):
            self._take(session_id, fields, message.text)
        elif msg_type in _ORDER_MESSAGES:
            text = "this session gets reports and can change nothing; send it on a session of kind orders"
            self._reject(session_id, fields, RejectReason.NOT_AUTHORIZED, text)
        else:
            self._reject(session_id, fields, RejectReason.UNSUPPORTED_MESSAGE, _unsupported(session_id, msg_type))

    def _take(self, session_id: str, fields: Mapping[str, str], text: str) -> None:
        """Serve a BW or AD."""
        msg_type = fields["35"]
        if missing := [tag for tag in _REQUIRED[msg_type] if not fields.get(tag)]:
            advice = f"MsgType(35) {msg_type} also needs {', '.join(missing)}"
            self._reject(session_id, fields, RejectReason.MISSING_TAG, advice)
        elif msg_type == "BW":
            self._replay(session_id, fields, text)
        else:
            self._trades.take(session_id, fields, text)

    def _replay(self, session_id: str, fields: Mapping[str, str], text: str) -> None:
        try:
            request = read_replay_request(text, self._shards)
            job = _ReplayJob(session_id, request, self._copies, self._send)
            if not self._replayer.submit(job):
                self._reject(session_id, fields, RejectReason.THROTTLED, TOO_MANY)
        except ReplayRefused as refused:
            self._send(session_id, [replay_refusal(request_id(fields), fields["1347"], refused)])

    def _reject(self, session_id: str, fields: Mapping[str, str], reason: RejectReason, text: str) -> None:
        body = business_message_reject(
            dialect_of(session_id),
            ref_seq_num=fields["34"],
            ref_msg_type=report_text(fields["35"]),
            ref_id=report_text(fields.get(_ID_TAGS.get(fields["35"], "11"), "")),
            reason=reason,
            text=text,
        )
        self._send(session_id, [body])


def _unsupported(session_id: str, msg_type: str) -> str:
    text = f"MsgType(35) {report_text(msg_type)!r} is not taken here"
    if dialect_of(session_id).exec_trans_type:
        return f"{text}; send BW, and for trade capture log on in a later version than FIX 4.2"
    return f"{text}; send BW or AD"


class _ReplayJob:
    """One BW."""

    joins = False

    def __init__(
        self, session_id: str, request: ReplayRequest, copies: DropCopies, send: Callable[[str, list[str]], None]
    ) -> None:
        self.session_id = session_id
        self.shards: Sequence[int] = [span.shard for span in request.spans]
        self.spans: Sequence[Span] = () if request.req_type == LAST_INPUTS else request.spans
        self._request = request
        self._copies = copies
        self._send = send

    def begin(self, last_input_seqs: dict[int, int]) -> None:
        self._send(self.session_id, [replay_ack(self._request, last_input_seqs)])

    def refuse(self, span: Span, fault: str) -> None:
        refused = ReplayRefused(NOT_AVAILABLE, fault, str(span.shard))
        self._send(self.session_id, [replay_refusal(self._request.req_id, self._request.req_type, refused)])

    def body_of(self, event: Event, shard: int) -> str | None:
        body = self._copies.of_reader(self.session_id, event, shard)
        return None if body is None else possible_resend(body)

    def join(self, shard: int, exec_seq: int) -> None:
        """Nothing goes on."""

    def end(self, outcome: Outcome) -> None:
        if self._request.req_type == LAST_INPUTS:
            return
        text = f"; {outcome.fault}" if outcome.fault else ""
        if outcome.is_cut:
            text = f", and one request gets no more than {REPORTS_MAX}; ask again from behind RefApplLastSeqNum(1357)"
        body = replay_report(self._request, outcome.reports, outcome.last_input_seqs, text)
        self._send(self.session_id, [body])
