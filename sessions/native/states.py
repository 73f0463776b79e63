"""
The states of a FIX session and what leads from one to the next: the whole table, for both roles.

What is not in the table cannot happen; `after` raises, and the tests walk through every line.
"""

from enum import Enum
from typing import Final


class State(Enum):
    """Where a session stands."""

    DOWN = "down"
    """No connection."""
    AWAITING_LOGON = "awaiting_logon"
    """Acceptor: connected, and the first message has to be a Logon(A)."""
    LOGON_SENT = "logon_sent"
    """Initiator: our Logon is unanswered."""
    UP = "up"
    """Both Logons have been exchanged."""
    LOGOUT_SENT = "logout_sent"
    """Our Logout(5) is unanswered; what still comes is taken, and resends are answered."""
    CLOSING = "closing"
    """What waits is still written, nothing is read, then the connection is closed."""


class Happening(Enum):
    """What moves a session."""

    ACCEPTED = "accepted"
    """A client has connected."""
    CONNECTED = "connected"
    """We have connected to a venue."""
    LOGGED_ON = "logged_on"
    """The other side's Logon was taken."""
    LOGOUT_BEGUN = "logout_begun"
    """We asked for a logout."""
    FINISHED = "finished"
    """A Logout was answered, or refused a Logon; or a time-out, or a fault that no session survives."""
    DISCONNECTED = "disconnected"
    """The connection is gone."""


TRANSITIONS: Final = {
    (State.DOWN, Happening.ACCEPTED): State.AWAITING_LOGON,
    (State.DOWN, Happening.CONNECTED): State.LOGON_SENT,
    (State.AWAITING_LOGON, Happening.LOGGED_ON): State.UP,
    (State.AWAITING_LOGON, Happening.FINISHED): State.CLOSING,
    (State.AWAITING_LOGON, Happening.DISCONNECTED): State.DOWN,
    (State.LOGON_SENT, Happening.LOGGED_ON): State.UP,
    (State.LOGON_SENT, Happening.FINISHED): State.CLOSING,
    (State.LOGON_SENT, Happening.DISCONNECTED): State.DOWN,
    (State.UP, Happening.LOGOUT_BEGUN): State.LOGOUT_SENT,
    (State.UP, Happening.FINISHED): State.CLOSING,
    (State.UP, Happening.DISCONNECTED): State.DOWN,
    (State.LOGOUT_SENT, Happening.FINISHED): State.CLOSING,
    (State.LOGOUT_SENT, Happening.DISCONNECTED): State.DOWN,
    (State.CLOSING, Happening.DISCONNECTED): State.DOWN,
}


def after(state: State, happening: Happening) -> State:
    """
    The next state.

    Raises:
        KeyError: The table has no such line: a defect of the caller.
    """
    return TRANSITIONS[state, happening]
