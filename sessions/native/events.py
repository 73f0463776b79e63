"""What a session tells its owner, and what it asks of it: the plain values and protocols of the native engine."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from sessions.dictionary.plans import Fault
from sessions.port import InboundMessage


class LoggedOn(NamedTuple):
    """The session is up."""


class LoggedOff(NamedTuple):
    """The session was up and no longer is."""

    reason: str
    """One word, as in `Closing`."""


class NumbersReset(NamedTuple):
    """Both directions began again from 1; the store has the new epoch."""

    epoch: int


class LogonRefused(NamedTuple):
    """The other side's Logon was refused, or ours was."""

    reason: str
    """One word: of `sessions.logon`, or sequence, sending_time, malformed, version, by_peer."""
    text: str


class Garbled(NamedTuple):
    """Bytes that are no message were skipped; they have no number."""

    reason: str
    """A value of `framing.Garbage`."""


class RejectSent(NamedTuple):
    """A message was rejected for a fault that its session layer finds."""

    ref_msg_seq_num: int
    reason: int
    """SessionRejectReason(373)."""
    ref_tag: int
    """RefTagID(371); 0 when there is none."""
    text: str


class RejectReceived(NamedTuple):
    """The other side rejected a message of ours."""

    fields: dict[str, str]
    text: str
    """The whole Reject(3), SOH-delimited."""


class TestAnswered(NamedTuple):
    """The other side has answered a TestRequest(1), and so has read all that was sent before it."""

    test_req_id: str


class ResendAsked(NamedTuple):
    """A ResendRequest(2) of ours went out."""

    begin: int
    end: int
    """0: all."""


class SentUnreadable(NamedTuple):
    """Messages that the other side asked for cannot be sent again: the store's file is damaged. The session ends."""

    file: str
    text: str
    """One sentence for the operator."""


class Closing(NamedTuple):
    """The connection is to be closed as soon as what waits is written."""

    reason: str
    """One word, for logs and metrics."""
    text: str


Event = (
    InboundMessage
    | LoggedOn
    | LoggedOff
    | NumbersReset
    | LogonRefused
    | Garbled
    | RejectSent
    | RejectReceived
    | TestAnswered
    | ResendAsked
    | SentUnreadable
    | Closing
)


class Validator(Protocol):
    """What the session asks of a dictionary; see `sessions.dictionary.dictionary.Dictionary`."""

    def check_fast(self, msg_type: str, fields: Mapping[str, str]) -> Fault | None:
        """Judge a message in which no tag is repeated."""

    def check(self, msg_type: str, pairs: Iterable[tuple[str, str]]) -> Fault | None:
        """Judge any message, by its fields in their order."""


class Unchecked:
    """A `Validator` that finds no fault: for clients, who leave it to whoever gets a message to judge it."""

    def check_fast(self, msg_type: str, fields: Mapping[str, str]) -> None:
        """See `Validator.check_fast`."""

    def check(self, msg_type: str, pairs: Iterable[tuple[str, str]]) -> None:
        """See `Validator.check`."""


class Store(Protocol):
    """What outlives a connection: numbers and sent messages. `sessions.journal.journal` keeps them on disk."""

    next_outbound: int
    next_inbound: int
    epoch: int

    def append_sent(self, first_msg_seq_num: int, messages: list[bytes]) -> None:
        """Keep messages with consecutive numbers; `next_outbound` moves behind them."""

    def note_outbound(self, next_outbound: int) -> None:
        """Numbers were used by messages that are not kept."""

    def note_inbound(self, next_inbound: int) -> None:
        """The number expected next has changed."""

    def reset(self, epoch: int) -> None:
        """Forget all: both numbers are 1."""

    def sent(self, begin: int, end: int) -> Iterable[tuple[int, bytes]]:
        """
        Kept messages by number, ascending, `end` included.

        Raises:
            JournalUnreadable: While iterating: what follows cannot be read any more.
        """


class MemoryStore:
    """A `Store` for as long as the process lives: for clients and tests."""

    def __init__(self, *, messages_max: int = 100_000) -> None:
        """With more than `messages_max` messages the oldest are forgotten, and gap-filled when asked for."""
        self.next_outbound = 1
        self.next_inbound = 1
        self.epoch = 1
        self._sent: deque[tuple[int, bytes]] = deque(maxlen=messages_max)

    def append_sent(self, first_msg_seq_num: int, messages: list[bytes]) -> None:
        """See `Store.append_sent`."""
        self._sent.extend(enumerate(messages, first_msg_seq_num))
        self.next_outbound = first_msg_seq_num + len(messages)

    def note_outbound(self, next_outbound: int) -> None:
        """See `Store.note_outbound`."""
        self.next_outbound = next_outbound

    def note_inbound(self, next_inbound: int) -> None:
        """See `Store.note_inbound`."""
        self.next_inbound = next_inbound

    def reset(self, epoch: int) -> None:
        """See `Store.reset`."""
        self._sent.clear()
        self.next_outbound = self.next_inbound = 1
        self.epoch = epoch

    def sent(self, begin: int, end: int) -> list[tuple[int, bytes]]:
        """See `Store.sent`."""
        return [(number, message) for number, message in self._sent if begin <= number <= end]


class SessionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One session: who, which role, and its bounds."""

    begin_string: str
    sender_comp_id: str
    """Ours."""
    target_comp_id: str
    """The other side's."""
    session_id: str
    """As in records and logs; see `SessionKey.session_id`."""
    is_initiator: bool = False
    heart_bt_int_s: int = 30
    """HeartBtInt(108) that an initiator asks for; an acceptor takes the client's."""
    logon_body: str = ""
    """Further fields of an initiator's Logon, SOH-terminated: `553=..|554=..|`."""
    resets_on_logon: bool = False
    """An initiator begins each connection with ResetSeqNumFlag(141)=Y."""
    sends_next_expected: bool = False
    """An initiator's Logon has NextExpectedMsgSeqNum(789); an acceptor answers 789 with 789."""
    is_test: bool = False
    """A test session: TestMessageIndicator(464)=Y. A Logon that says otherwise is refused."""
    keeps_messages: bool = True
    """False: what was sent is never sent again, as market data; a resend request gets a gap fill."""
    sending_time_tolerance_s: int = 120
    logon_timeout_s: float = 10.0
    logout_timeout_s: float = 5.0
    resend_chunk: int = 2_500
    """Messages asked for in one ResendRequest(2)."""
    resend_patience_s: float = 10.0
    """After so long without progress, missing messages are asked for again."""
    ahead_messages_max: int = 1_000
    ahead_bytes_max: int = 1 << 20
    """Messages that came before missing ones, kept until those are there; beyond, they are asked for again."""
    replays_max: int = 8
    """Resends that may wait for a client; one more ends the connection."""
    message_bytes_max: int = 1 << 16
