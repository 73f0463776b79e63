"""
Drop copies: which read-only sessions get the reports of others, and these reports in the reader's FIX version. Pure.

A copy is the owner's ExecutionReport(8) as the reader's version says it, with the same ExecID(17) and the owner's name.
Like the report it is a function of the event and the version alone, so what was sent is known again after a crash.
What answers a question (a status report, a refused cancel) is nobody's business but that of the session that asked.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from gateway.fix.outbound import Report, Reports
from gateway.fix.report_fields import dialect_of
from matcher.events import (
    Event,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderRestated,
    OrderTriggered,
    RequestRefused,
    TradeBusted,
    TradeCorrected,
)
from matcher.rejects import RejectReason
from sessions.accounts import Account
from sessions.fix_text import SOH

NEW_ORDER: Final = "D"
EXECUTING_FIRM: Final = "1"
ENTERING_TRADER: Final = "36"
SESSION_ID: Final = "55"
"""PartyRole(452)."""

_ABOUT_ORDERS: Final = frozenset(
    (
        *(OrderAccepted, OrderCanceled, OrderExpired, OrderFilled, OrderRejected, OrderReplaced, OrderRestated),
        *(OrderTriggered, TradeBusted, TradeCorrected),
    )
)
_OrderEvent = (
    OrderAccepted
    | OrderCanceled
    | OrderExpired
    | OrderFilled
    | OrderRejected
    | OrderReplaced
    | OrderRestated
    | OrderTriggered
    | TradeBusted
    | TradeCorrected
)


class Owner(msgspec.Struct, frozen=True):
    """Whose report it is."""

    firm: str
    session_id: str

    @property
    def comp_id(self) -> str:
        """SenderCompID(49) of the session."""
        return self.session_id.partition(":")[2]


class DropCopies:
    """Copies reports for the drop-copy sessions of a gateway."""

    def __init__(self, reports: Reports) -> None:
        """Without any reader; `reports` renders."""
        self._reports = reports
        self._owners: Mapping[str, str] = {}
        self._readers: dict[str, Account] = {}
        self._readers_of: dict[Owner, tuple[str, ...]] = {}

    def follow(self, accounts: Iterable[Account], owners: Mapping[str, str]) -> None:
        """
        Serve these sessions from now on.

        Args:
            accounts: All of the gateway; those of kind "dropcopy" are ours.
            owners: By CompID: the firm, of all sessions of the venue.
        """
        self._owners = owners
        self._readers = {account.key.session_id: account for account in accounts if account.kind == "dropcopy"}
        self._readers_of = {}

    @property
    def readers(self) -> Iterable[str]:
        """The drop-copy sessions."""
        return self._readers.keys()

    def of(self, event: Event, shard: int) -> list[Report]:
        """An event's copies, one for each reader that gets it: session_id and body."""
        owner = self.owner_of(event)
        if owner is None:
            return []
        readers = self._readers_of.get(owner)
        if readers is None:
            readers = tuple(reader for reader in self._readers if self.may_read(reader, owner))
            self._readers_of[owner] = readers
        bodies: dict[str, str] = {}
        copies = []
        for reader in readers:
            version = reader.partition(":")[0]
            if version not in bodies:
                bodies[version] = self._copy(event, shard, owner, reader)
            copies.append((reader, bodies[version]))
        return copies

    def of_reader(self, reader: str, event: Event, shard: int) -> str | None:
        """One reader's copy of an event; None if it gets none."""
        owner = self.owner_of(event)
        if owner is None or not self.may_read(reader, owner):
            return None
        return self._copy(event, shard, owner, reader)

    def may_read(self, reader: str, owner: Owner) -> bool:
        """Whether a drop-copy session gets the reports of an owner."""
        account = self._readers.get(reader)
        if account is None:
            return False
        is_firm_copied = account.copied_firms == "all" or owner.firm in account.copied_firms
        return is_firm_copied or owner.comp_id in account.copied_sessions

    def owner_of(self, event: Event) -> Owner | None:
        """Whose ExecutionReport(8) an event is; None if it is none that is copied."""
        if type(event) in _ABOUT_ORDERS:
            order = event.order  # type: ignore[union-attr]  # those events have one
            return Owner(order.firm, order.session_id)  # type: ignore[union-attr]
        if type(event) is not RequestRefused or event.msg_type != NEW_ORDER or event.reason is RejectReason.THROTTLED:
            return None
        session_id = event.requester_session_id
        firm = self._owners.get(session_id.partition(":")[2])
        return None if firm is None else Owner(firm, session_id)  # the event names no firm, and nobody else does now

    def _copy(self, event: Event, shard: int, owner: Owner, reader: str) -> str:
        ((_, body),) = self._reports.render(_as_if_of(reader, event), shard=shard)
        return with_owner(body, owner, reader)


def with_owner(body: str, owner: Owner, reader: str) -> str:
    """A report for a reader, with the firm and the session whose order it is about."""
    dialect = dialect_of(reader)
    if dialect.exec_trans_type:
        return inserted(inserted(body, 76, f"76={owner.firm}\x01"), 109, f"109={owner.comp_id}\x01")
    return inserted(body, 453, parties(owner, reader))


def parties(owner: Owner, reader: str) -> str:
    """The owner as NoPartyIDs(453) and its entries; an older version has no role for a session but the trader's."""
    role = SESSION_ID if dialect_of(reader).is_newest else ENTERING_TRADER
    firm = f"448={owner.firm}\x01447=D\x01452={EXECUTING_FIRM}\x01"
    return f"453=2\x01{firm}448={owner.comp_id}\x01447=D\x01452={role}\x01"


def inserted(body: str, tag: int, fields: str) -> str:
    """A body in rising order of its tags, with more fields in front of the first tag that is above theirs."""
    at = body.index(SOH) + 1
    while at < len(body) and int(body[at : body.index("=", at)]) < tag:
        at = body.index(SOH, at) + 1
    return f"{body[:at]}{fields}{body[at:]}"


def _as_if_of(session_id: str, event: Event) -> Event:
    """The event as if the order, or the refused request, were that session's: so the report is in its version."""
    if type(event) is RequestRefused:
        return msgspec.structs.replace(event, requester_session_id=session_id)
    assert isinstance(event, _OrderEvent)
    order = msgspec.structs.replace(event.order, session_id=session_id)
    return msgspec.structs.replace(event, requester_session_id=session_id, order=order)
