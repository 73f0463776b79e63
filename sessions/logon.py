"""What a Logon(A) must be, beyond what the session protocol itself checks."""

from typing import Final, NamedTuple

from sessions.accounts import Accounts
from sessions.port import SessionKey

HEART_BT_INT_S_MIN: Final = 1
HEART_BT_INT_S_MAX: Final = 120
"""HeartBtInt(108) that a client may choose; 0 is not among them: a dead connection would never be noticed."""

_APPL_VER_ID_FIX50SP2: Final = "9"


class Refusal(NamedTuple):
    """Why a Logon is refused."""

    reason: str
    """One word, for logs and metrics: credentials, closed, heartbeat or version."""
    text: str
    """One sentence, for Text(58) of the Logout."""


def check(accounts: Accounts, key: SessionKey, fields: dict[str, str], *, peer_is_loopback: bool) -> Refusal | None:
    """
    Check a Logon; None when it is accepted. Credentials come first, so that a stranger learns nothing else.

    Args:
        accounts: Who may log on.
        key: The session that the Logon names.
        fields: The Logon's fields, by tag.
        peer_is_loopback: The connection is known to come from this machine.
    """
    text = accounts.check_logon(key, fields.get("553", ""), fields.get("554", ""), peer_is_loopback=peer_is_loopback)
    if text is not None:
        return Refusal("credentials", text)
    if (text := accounts.why_closed(key)) is not None:
        return Refusal("closed", text)
    heart_bt_int = fields.get("108", "")
    if not (heart_bt_int.isdecimal() and HEART_BT_INT_S_MIN <= int(heart_bt_int) <= HEART_BT_INT_S_MAX):
        return Refusal("heartbeat", f"HeartBtInt(108) must be {HEART_BT_INT_S_MIN} to {HEART_BT_INT_S_MAX} seconds")
    if key.begin_string == "FIXT.1.1" and fields.get("1137") != _APPL_VER_ID_FIX50SP2:
        return Refusal("version", "DefaultApplVerID(1137) must be 9, FIX 5.0 SP2")
    return None
