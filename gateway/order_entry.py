"""
Order entry: the application behind the engine for sessions of kind "orders".

Every application message becomes one command, a refusal included, and is answered through the logs: so each is
answered exactly once, whatever is killed in between. The exceptions are the client's own rejects of our messages (3
and j), which ask for nothing.
"""

from collections.abc import Callable
from typing import Final

import structlog

from gateway.fix_inbound import Inbound, RequestContext
from gateway.metrics import GatewayMetrics
from gateway.sequencer import Sequencer
from gateway.session_progress import SessionProgress
from sessions.accounts import Accounts
from sessions.fix_text import parse
from sessions.port import InboundMessage

log = structlog.get_logger()

_UNANSWERED: Final = ("3", "j")


class OrderEntry:
    """Turns inbound messages into sequenced commands."""

    def __init__(self, inbound: Inbound, sequencer: Sequencer, accounts: Accounts, metrics: GatewayMetrics) -> None:
        self._inbound = inbound
        self._sequencer = sequencer
        self._metrics = metrics
        orders = [account for account in accounts if account.kind == "orders"]
        self._firm_of = {account.key.session_id: account.firm for account in orders}
        self.progress = {session_id: SessionProgress() for session_id in self._firm_of}
        self.note_numbers: Callable[[str], None] = lambda _session_id: None
        """Told of a session whose sequence numbers may have begun anew."""

    def on_logon(self, session_id: str) -> None:
        """Orders live on whether their session is up or not; but its numbers may have begun anew."""
        self.note_numbers(session_id)

    def on_logout(self, session_id: str) -> None:
        """Nothing: reports wait in the session's store."""

    def on_messages(self, messages: list[InboundMessage]) -> None:
        """Sequence a batch of messages."""
        for message in messages:
            self._take(message)
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
            message.received_ns,
            self._firm_of[session_id],
        )
        self._sequencer.submit(self._inbound.to_command(fields, context), progress)
        self._metrics.count_request(msg_type)
