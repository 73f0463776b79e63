"""A connection before anybody knows whose it is, pure: its first message has to be a sound, short Logon(A)."""

from typing import Final, NamedTuple

from sessions.native.framing import Framer, Garbage
from sessions.native.messages import read_fields, read_text
from sessions.port import SessionKey

FIRST_MESSAGE_BYTES_MAX: Final = 1 << 13
"""Bound of a Logon; what comes behind it in the same segment does not count."""


class Guest(NamedTuple):
    """Who a first message says that it is from; nothing of it has been verified yet."""

    key: SessionKey
    target_comp_id: str
    """Whom it takes us for."""


class Lobby:
    """Keeps what a new connection sends, until its first message is there."""

    def __init__(self) -> None:
        self.received = b""
        """All of it, for the session to read again."""
        self._framer = Framer(message_bytes_max=FIRST_MESSAGE_BYTES_MAX)

    def feed(self, data: bytes) -> Guest | str | None:
        """Take received bytes: the guest; or in one word why there will be none; None while that is not known."""
        self.received += data
        found = self._framer.feed(data)
        if not found:
            return self._framer.end.value if self._framer.end is not None else None
        first = found[0]
        if isinstance(first, Garbage):
            return "first_message_garbled"
        fields, _ = read_fields(first, read_text(first))
        if fields["35"] != "A":
            return "first_message_no_logon"
        return Guest(SessionKey(fields["8"], fields.get("49", "")), fields.get("56", ""))
