"""
Order entry: the application behind the engine for sessions of kind "orders".

Every application message becomes one command, a refusal included, and is answered through the logs: so each is
answered exactly once, whatever is killed in between. The exceptions are the client's own rejects of our messages (3
and j), which ask for nothing.

A session that sends more than its throttle lets through gets refusals for what is too much, in the same way; one that
does not stop even then is logged out.
"""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from configs.limits import ThrottleLines
from gateway.fix.inbound import Inbound, RequestContext, throttled
from gateway.metrics import GatewayMetrics
from gateway.sequencer import Sequencer
from gateway.session_progress import SessionProgress
from gateway.stamps import Stamps
from gateway.throttle import Throttle, Verdict
from sessions.accounts import Account, Accounts
from sessions.fix_text import parse
from sessions.port import InboundMessage

log = structlog.get_logger()

_SECOND_NS: Final = 10**9
_UNANSWERED: Final = ("3", "j")
_FLUSH_REQUESTS: Final = 64
"""Of many requests that arrived together, so many go onto the log while the next are read: the venue's processes then
work at the same time, and not one after the other."""


class OrderEntry:
    """Turns inbound messages into sequenced commands."""

    def __init__(
        self,
        inbound: Inbound,
        sequencer: Sequencer,
        accounts: Accounts,
        metrics: GatewayMetrics,
        *,
        stamps: Stamps | None = None,
    ) -> None:
        """
        Args:
            inbound: Reads requests.
            sequencer: Takes the commands.
            accounts: The sessions; those of kind "orders" are ours.
            metrics: Counts requests.
            stamps: Says when requests were received; None: by this machine's clocks.
        """
        self._inbound = inbound
        self._sequencer = sequencer
        self._metrics = metrics
        self._stamps = stamps or Stamps()
        self._firm_of: dict[str, str] = {}
        self._throttles: dict[str, Throttle] = {}
        self.progress: dict[str, SessionProgress] = {}
        for account in accounts:
            if account.kind == "orders":
                self.add_session(account)
        self.note_numbers: Callable[[str], None] = lambda _session_id: None
        """Told of a session whose sequence numbers may have begun anew."""
        self.log_out: Callable[[str, str], None] = lambda _session_id, _text: None
        """Told of a session that is to be logged out, and why."""

    def add_session(self, account: Account) -> None:
        """Take requests of one more session; one that was removed and returns goes on where it was."""
        self._firm_of[account.key.session_id] = account.firm
        self.progress.setdefault(account.key.session_id, SessionProgress())

    def throttle(self, throttles: Mapping[str, ThrottleLines]) -> None:
        """
        Take no more requests than this, from now on; a throttle that stays the same goes on where it is.

        Args:
            throttles: By session; one that is not there sends as many as it likes.
        """
        before = self._throttles
        self._throttles = {
            session_id: before[session_id]
            if session_id in before and before[session_id].lines == lines
            else Throttle(lines)
            for session_id, lines in throttles.items()
            if lines.per_second
        }

    def on_logon(self, session_id: str) -> None:
        """Orders live on whether their session is up or not; but its numbers may have begun anew."""
        self.note_numbers(session_id)

    def on_logout(self, session_id: str) -> None:
        """Nothing: reports wait in the session's store."""

    def on_messages(self, messages: list[InboundMessage]) -> None:
        """Sequence a batch of messages."""
        self._stamps.look()
        for number, message in enumerate(messages, 1):
            self._take(message)
            if number % _FLUSH_REQUESTS == 0:
                self._sequencer.flush()
        self._sequencer.flush()

    def _take(self, message: InboundMessage) -> None:
        fields = message.fields or parse(message.text)
        msg_type = fields["35"]
        if msg_type in _UNANSWERED:
            log.warning("client_rejected_our_message", session=message.session_id, text=fields.get("58"))
            return
        session_id = message.session_id
        msg_seq_num = int(fields["34"])
        progress = self.progress[session_id]
        if message.session_epoch != progress.session_epoch:
            self.note_numbers(session_id)
        progress.begin(message.session_epoch, msg_seq_num)
        context = RequestContext(
            session_id,
            message.session_epoch,
            msg_seq_num,
            progress.durable_msg_seq_num,
            self._stamps.stamp(message.received_ns),
            self._firm_of[session_id],
        )
        waited_s = self._stamps.waited_ns(message.received_ns) / _SECOND_NS
        command = self._inbound.to_command(fields, context, message.text)
        throttle = self._throttles.get(session_id)
        if throttle is None or (verdict := throttle.judge(msg_type, message.received_ns)) is Verdict.TAKEN:
            self._sequencer.submit(command, progress, waited_s=waited_s)
        else:
            refusal = throttled(fields, context, command, throttle.text(msg_type))
            self._sequencer.submit(command, progress, refusal=refusal, waited_s=waited_s)
            self._metrics.throttled += 1
            if verdict is Verdict.ABUSED:
                self._end_abuse(session_id, throttle)
        self._metrics.count_request(msg_type)

    def _end_abuse(self, session_id: str, throttle: Throttle) -> None:
        self._metrics.throttle_logouts += 1
        log.warning("session_throttled", session=session_id, reason=throttle.abuse_text)
        self.log_out(session_id, throttle.abuse_text)
