"""News(B) of the venue itself as FIX: that requests wait, and for whom. Pure."""

from enum import Enum
from typing import NamedTuple


class Held(NamedTuple):
    """The requests of one session that wait for a silent log or matcher."""

    requests: int
    first_msg_seq_num: int
    last_msg_seq_num: int


class Cause(Enum):
    """Why requests are not answered, as a client is told."""

    LOG_SILENT = "the venue's order log does not answer"
    LOG_FULL = "the venue's order log is full"
    MATCHER_SILENT = "the venue's matching engine does not answer"


def held_news(held: Held, cause: Cause, *, hold_max_ms: int) -> str:
    """
    Tell a session that its requests wait.

    Args:
        held: How many, and up to which.
        cause: Why.
        hold_max_ms: See `gateway.hold_max_ms`.
    """
    what = "1 request, " if held.requests == 1 else f"{held.requests} requests, up to "
    held_line = (
        f"{what}MsgSeqNum(34) {held.last_msg_seq_num}, held: each will be answered, as will what you send from now on; "
        "do not send it again"
    )
    late_line = "what is held is done when it can be, however late"
    if hold_max_ms:
        late_line = f"D, E, G and i are refused when the log has not taken them within {hold_max_ms / 1000:g} s"
    return f"35=B\x0133=2\x0158={held_line}\x0158={late_line}\x01148={cause.value}\x01"
