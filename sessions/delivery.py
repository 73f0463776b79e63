"""What an engine hands to an application, and the handing over, in order, on the event loop's thread."""

from typing import NamedTuple

import structlog

from sessions.fatal import stop_process
from sessions.port import Application, InboundMessage

log = structlog.get_logger(__name__)


class SessionUp(NamedTuple):
    """A session was logged on."""

    session_id: str


class SessionDown(NamedTuple):
    """A session is no longer logged on."""

    session_id: str


Inbound = InboundMessage | SessionUp | SessionDown


def deliver(application: Application, items: list[Inbound]) -> None:
    """Call an application with what came for it; messages that follow each other go in one call."""
    try:
        messages: list[InboundMessage] = []
        for item in items:
            if isinstance(item, InboundMessage):
                messages.append(item)
                continue
            if messages:
                application.on_messages(messages)
                messages = []
            if isinstance(item, SessionUp):
                log.info("fix_logon", session=item.session_id)
                application.on_logon(item.session_id)
            else:
                log.info("fix_logout", session=item.session_id)
                application.on_logout(item.session_id)
        if messages:
            application.on_messages(messages)
    except Exception:  # asyncio would only log it, and these messages be lost
        stop_process("application")
