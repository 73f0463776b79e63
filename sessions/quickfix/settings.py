"""The settings of QuickFIX for one session, with the reason for each that is not obvious."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sessions.accounts import Account

SENDING_TIME_TOLERANCE_S: Final = 120
"""SendingTime(52) further off than this gets Reject(3) with 373=10, then Logout: one of the two clocks is wrong."""

_FIXT: Final = "FIXT.1.1"
_COMMON: Final = {
    "ConnectionType": "acceptor",
    "SocketReuseAddress": "Y",
    "SocketNodelay": "Y",
    "NonStopSession": "Y",
    # Sequence numbers outlive logons, disconnections and restarts; only a client's 141=Y ends them.
    "ResetOnLogon": "N",
    "ResetOnLogout": "N",
    "ResetOnDisconnect": "N",
    "TimestampPrecision": "6",
    "CheckLatency": "Y",
    "MaxLatency": str(SENDING_TIME_TOLERANCE_S),
    "UseDataDictionary": "Y",
    "ValidateFieldsOutOfOrder": "Y",
    "ValidateFieldsHaveValues": "Y",
    # Fields that the dictionary does not name are let through: only so do messages that the venue does not trade reach
    # the application, which answers them with BusinessMessageReject(j) 380=3 instead of QuickFIX's Reject(3).
    "AllowUnknownMsgFields": "Y",
    "ValidateUserDefinedFields": "N",
}


def session_settings(
    account: Account, *, port: int, loopback_only: bool, dictionaries: Mapping[str, Path]
) -> dict[str, str]:
    """
    Settings of one session.

    Args:
        account: Whose session it is.
        port: Where the acceptor listens, on all interfaces: QuickFIX knows no other way.
        loopback_only: Refuse connections from other machines.
        dictionaries: As `dictionaries.write` returns them.
    """
    settings = _COMMON | {
        "SocketAcceptPort": str(port),
        # Market data sent again would be history at the price of news: a resend request for it gets a gap fill.
        "PersistMessages": "N" if account.kind == "marketdata" else "Y",
    }
    if loopback_only:
        settings["AllowedRemoteAddresses"] = "127.0.0.1"
    if account.key.begin_string == _FIXT:
        return settings | {
            "DefaultApplVerID": "FIX.5.0SP2",
            "TransportDataDictionary": str(dictionaries["FIXT11"]),
            "AppDataDictionary": str(dictionaries["FIX50SP2"]),
        }
    return settings | {"DataDictionary": str(dictionaries[dictionary_names(account.key.begin_string)[0]])}


def dictionary_names(begin_string: str) -> tuple[str, ...]:
    """Names of the dictionaries that a version needs: one, or for FIXT.1.1 that of the session and the application."""
    return ("FIXT11", "FIX50SP2") if begin_string == _FIXT else (begin_string.replace(".", ""),)
