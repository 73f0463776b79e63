"""Who may log on: the firms' sessions of the configuration, and the check of a Logon's credentials."""

import hmac
from collections.abc import Iterator
from typing import Literal

import msgspec

from configs.consistency import EXAMPLE_PASSWORD_PREFIX
from configs.loader import Venue
from sessions.port import SessionKey

SessionKind = Literal["orders", "marketdata", "dropcopy"]


class Account(msgspec.Struct, frozen=True):
    """One session that may log on."""

    key: SessionKey
    firm: str
    kind: SessionKind
    password: str
    copied_firms: tuple[str, ...] | Literal["all"] = ()
    """Of a drop copy: the firms whose reports it gets."""
    copied_sessions: tuple[str, ...] = ()
    """Of a drop copy: the CompIDs of order sessions whose reports it gets too."""

    def __repr__(self) -> str:
        """Without the password, so that no log or traceback shows it."""
        return f"Account({self.key.session_id}, firm={self.firm}, kind={self.kind})"


class AccountChanges(msgspec.Struct, frozen=True):
    """How one set of accounts differs from an earlier one; accounts are those of the new set, except the removed."""

    added: list[Account]
    removed: list[Account]
    changed: list[Account]
    """As they are now, such as with another password; it counts from the next Logon on."""
    moved: list[Account]
    """To another firm or kind: what the venue has of the session is the old one's, so a restart is needed."""


class Accounts:
    """The accounts of a venue by session: one for each BeginString(8) that a CompID may use."""

    def __init__(self, venue: Venue) -> None:
        self._accounts = {account.key: account for account in _accounts(venue)}
        self._by_session_id = {account.key.session_id: account for account in self._accounts.values()}
        self.closed: dict[str, str] = {}
        """By kind of session: why nobody of it may log on just now, one sentence for Text(58)."""

    def __iter__(self) -> Iterator[Account]:
        """Every account, in the order of the configuration."""
        return iter(self._accounts.values())

    def __contains__(self, session_id: object) -> bool:
        """Whether a session is configured."""
        return session_id in self._by_session_id

    def add(self, account: Account) -> None:
        """Let one more session log on, or put another account in the place of one that is there."""
        self._accounts[account.key] = account
        self._by_session_id[account.key.session_id] = account

    def remove(self, session_id: str) -> None:
        """
        Let a session log on no more.

        Raises:
            KeyError: No such session is configured.
        """
        del self._accounts[self._by_session_id.pop(session_id).key]

    def get(self, session_id: str) -> Account:
        """
        Look up a configured session, such as `FIX.4.4:FIRMA1`.

        Raises:
            KeyError: No such session is configured.
        """
        return self._by_session_id[session_id]

    def changes_to(self, new: "Accounts") -> AccountChanges:
        """What another set has more, less, or different."""
        both = [(self._accounts[account.key], account) for account in new if account.key in self._accounts]
        different = [(ours, theirs) for ours, theirs in both if ours != theirs]
        return AccountChanges(
            added=[account for account in new if account.key not in self._accounts],
            removed=[account for account in self if account.key not in {other.key for other in new}],
            changed=[theirs for ours, theirs in different if _place(ours) == _place(theirs)],
            moved=[theirs for ours, theirs in different if _place(ours) != _place(theirs)],
        )

    def check_logon(self, key: SessionKey, username: str, password: str, *, peer_is_loopback: bool) -> str | None:
        """
        Check the credentials of a Logon(A).

        Returns:
            Why it is refused, one sentence for Text(58); None when it is accepted. A wrong name and a wrong password
            get the same sentence, and take the same time.
        """
        account = self._accounts.get(key)
        expected_name = key.comp_id if account else ""
        expected_password = account.password if account else ""
        right_name = hmac.compare_digest(username.encode(), expected_name.encode())
        right_password = hmac.compare_digest(password.encode(), expected_password.encode())
        if account is None or not (right_name and right_password):
            return "Username(553) or Password(554) is wrong; 553 is the SenderCompID(49), 554 is in the configuration"
        if account.password.startswith(EXAMPLE_PASSWORD_PREFIX) and not peer_is_loopback:
            return "this session still has its example password, which works on loopback only; configure another one"
        return None

    def why_closed(self, key: SessionKey) -> str | None:
        """Why a session, whose credentials are right, may not log on just now."""
        return self.closed.get(self._accounts[key].kind)


def _place(account: Account) -> tuple[str, str]:
    return account.firm, account.kind


def _accounts(venue: Venue) -> Iterator[Account]:
    for firm, session in venue.sessions():
        for begin_string in session.versions:
            key = SessionKey(begin_string, session.comp_id)
            yield Account(key, firm.name, session.kind, session.password, session.firms, session.sessions)
