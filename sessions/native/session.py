"""
A FIX session as a pure state machine, in the manner of h11: bytes and time in; messages, events and bytes out.

Theory. Whoever owns the connection tells the session what happened and does what it says; there is no socket, clock,
thread or callback into the world here. Both roles are the same machine, only the first message differs:

    session.accept(now_ns)                          a client has connected; or `connect`: we have, and log on
    events = session.receive(data, now_ns)          any bytes, split and glued in any way
    events = session.tick(now_ns)                   at `next_deadline_ns` at the latest
    session.send(bodies, now_ns)                    numbered and stored, connected or not
    data = session.take_output(now_ns)              until it is empty; after `Closing`, then close the connection
    events = session.disconnect(now_ns)             the connection is gone, whoever ended it

The session's life is the table in `states`. A session outlives its connections: its numbers and what it has
sent are in a `Store`, which is told of everything before any byte of it can be taken.

A message passes these looks, in this order:

| look                                    | if it fails                                                              |
|-----------------------------------------|--------------------------------------------------------------------------|
| framing: BodyLength, CheckSum, MsgType  | garbled: skipped, its number is found missing by the next one            |
| BeginString(8), MsgSeqNum(34) there     | Logout, end                                                              |
| first message of a connection           | no Logon(A): end without a word; a refused one: Logout, end              |
| CompIDs, SendingTime, OrigSendingTime   | Reject 373=9, 10 and Logout; 373=1, 6                                    |
| MsgSeqNum too low                       | ignored with PossDupFlag(43)=Y; else Logout, end                         |
| MsgSeqNum too high                      | kept, and ResendRequest(2) for what is missing                           |
| the dictionary                          | Reject with its 373; the number is used                                  |

Then it is the application's, or the session's own. Logon, Logout, ResendRequest and SequenceReset-Reset do not wait for
their turn, or both sides could wait for each other.

Any bytes at all give events, never an exception, and the same events under any segmentation. Modules: `framing`
cuts, `messages` reads and writes, `receiver` takes messages, `inbound` keeps count of them,
`outbound` numbers and repeats, `line` speaks, `logon` and `checks` judge.
"""

from collections.abc import Iterator
from typing import Final

from sessions.native.events import Event, Garbled, LoggedOff, SentUnreadable, SessionSettings, Store, Validator
from sessions.native.framing import Framer
from sessions.native.line import NS_PER_S, Line
from sessions.native.logon import Authenticate
from sessions.native.receiver import Receiver
from sessions.native.states import Happening, State

TEST_AFTER: Final = 1.2
"""Silence, in heartbeat intervals, after which a TestRequest(1) goes out."""
DEAD_AFTER: Final = 2.4
"""Silence, in heartbeat intervals, after which the other side is taken for dead."""
CANNOT_RESEND: Final = (
    "messages that you ask for cannot be sent again, their record here is damaged; agree with the venue on a reset, "
    "ResetSeqNumFlag(141)=Y, or log on when it has been mended"
)
"""Text(58) of the Logout that ends a session whose resend cannot be read."""
NEVER_NS: Final = 1 << 63
"""No deadline."""


class Session:
    """One session of either role. Every `now_ns` is ns since 1970 UTC."""

    def __init__(
        self,
        settings: SessionSettings,
        store: Store,
        dictionary: Validator,
        authenticate: Authenticate = lambda _fields: None,
    ) -> None:
        """
        Args:
            settings: Who, which role, bounds.
            store: Numbers and sent messages; the session goes on from there.
            dictionary: Judges messages.
            authenticate: An acceptor's check of a Logon's fields: why it is refused, or None. Nothing else of the
                Logon counts before, ResetSeqNumFlag(141) least of all.
        """
        self.settings = settings
        self.store = store
        self._line = Line(settings, store)
        self._receiver = Receiver(settings, store, self._line, dictionary, authenticate)
        self._framer = Framer(message_bytes_max=settings.message_bytes_max)
        self._received_ns = 0
        self._is_testing = False  # a TestRequest of ours is unanswered
        self._is_held = False

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._line.state

    @property
    def next_outbound(self) -> int:
        """MsgSeqNum(34) of the next message out."""
        return self._line.out.next_msg_seq_num

    @property
    def next_inbound(self) -> int:
        """MsgSeqNum(34) expected next."""
        return self._receiver.next_inbound

    @property
    def output_waiting(self) -> int:
        """Messages that `take_output` has not given out yet; a resend counts as one."""
        return self._line.out.messages_waiting

    @property
    def next_deadline_ns(self) -> int:
        """When `tick` is to be called at the latest; it may find nothing to do, since traffic moves deadlines on."""
        settings = self.settings
        if self._line.is_first_awaited:
            return self._line.since_ns + int(settings.logon_timeout_s * NS_PER_S)
        if not self._line.is_open:
            return NEVER_NS
        interval_ns = self._receiver.heart_bt_int_ns
        deadlines_ns = [self._line.out.sent_ns + interval_ns]
        if not self._is_held:
            deadlines_ns.append(self._received_ns + int((DEAD_AFTER if self._is_testing else TEST_AFTER) * interval_ns))
        if asked_ns := self._receiver.inbound.asked_ns:
            deadlines_ns.append(asked_ns + int(settings.resend_patience_s * NS_PER_S))
        if self.state is State.LOGOUT_SENT:
            deadlines_ns.append(self._line.since_ns + int(settings.logout_timeout_s * NS_PER_S))
        return min(deadlines_ns)

    def expect_inbound(self, next_msg_seq_num: int) -> None:
        """While down: expect this number next, so that the other side is asked to send again from there."""
        self._receiver.inbound.jump(next_msg_seq_num)
        self.store.note_inbound(next_msg_seq_num)

    def accept(self, now_ns: int) -> None:
        """A client has connected."""
        self._begin(Happening.ACCEPTED, now_ns)

    def connect(self, now_ns: int) -> list[Event]:
        """We have connected: log on."""
        self._begin(Happening.CONNECTED, now_ns)
        if self.settings.resets_on_logon:
            self._line.reset_outbound(now_ns)
            self._receiver.inbound.reset()
            self._receiver.is_resetting = True
        self._receiver.send_logon(now_ns)
        return self._line.give_events()

    def receive(self, data: bytes, now_ns: int) -> list[Event]:
        """Take received bytes; return what they brought, in order."""
        line, receiver = self._line, self._receiver
        for found in self._framer.feed(data):
            if not line.is_open and not line.is_first_awaited:
                break
            if isinstance(found, bytes):
                self._received_ns = now_ns
                self._is_testing = False
                receiver.take(found, now_ns)
                if receiver.inbound.asked_ns:
                    receiver.take_early(now_ns)
            else:
                line.events.append(Garbled(found.value))
                if line.state is State.AWAITING_LOGON:
                    line.finish("first_message", "the first message has to be a Logon(A)")
        if self._framer.end is not None and (line.is_open or line.is_first_awaited):
            line.finish(self._framer.end.value, "what comes is no FIX, or a message is too long")
        return line.give_events()

    def send(self, bodies: list[str], now_ns: int) -> None:
        """Number and store application messages, and send them if the session is up; else they wait in the store."""
        self._line.out.send(bodies, now_ns, is_live=self._line.state is State.UP)

    def sent_bodies(self, begin_msg_seq_num: int) -> Iterator[tuple[int, str]]:
        """MsgSeqNum and body of each application message in the store from that number on, in order."""
        return self._line.out.sent_bodies(begin_msg_seq_num)

    def take_output(self, now_ns: int) -> bytes:
        """
        The next bytes to write; empty when nothing waits.

        If a resend cannot be read from the store, the session ends with them: `state` is then CLOSING.
        """
        data = self._line.out.take(now_ns)
        return data if self._line.out.unreadable is None else data + self._end_unreadable(now_ns)

    def tick(self, now_ns: int) -> list[Event]:
        """Do what is due by now."""
        line, settings = self._line, self.settings
        if line.is_open:
            self._receiver.ask_for_missing(now_ns)
            self._keep_alive(now_ns)
        if line.state is State.LOGOUT_SENT:
            line.time_out(now_ns, settings.logout_timeout_s, "logout_timeout", "the Logout was not answered")
        elif line.is_first_awaited:
            line.time_out(now_ns, settings.logon_timeout_s, "logon_timeout", "no Logon came in time")
        return line.give_events()

    def shift(self, step_ns: int) -> None:
        """
        The clock was set by so much: what is counted goes on from where it was, heartbeats and time-outs alike.

        Until the connection ends, the other side's SendingTime(52) may be right by the old time or by the new one.
        """
        self._received_ns += step_ns
        self._line.shift(step_ns)
        self._receiver.shift(step_ns)

    def hold(self, now_ns: int, *, is_held: bool) -> None:
        """The owner stops reading from the connection, so that silence says nothing; or it reads again."""
        self._is_held = is_held
        self._received_ns = now_ns

    def test(self, test_req_id: str, now_ns: int) -> None:
        """While up: send a TestRequest(1); its answer, if one comes, is a `TestAnswered`."""
        if self.state is State.UP:
            self._line.send_admin("1", f"112={test_req_id}\x01", now_ns)

    def log_out(self, text: str, now_ns: int) -> list[Event]:
        """Ask for the end of the session; before a Logon, just end it."""
        if self._line.is_first_awaited:
            self._line.finish("logged_out", text)
        else:
            self._line.begin_logout(text, now_ns)
        return self._line.give_events()

    def reset(self, now_ns: int) -> list[Event]:
        """While up: begin a new epoch, as a night's roll does, with a Logon 141=Y, which the other side answers."""
        if self.state is State.UP and not self._receiver.is_resetting:
            self._line.reset_outbound(now_ns)
            self._receiver.is_resetting = True
            self._receiver.send_logon(now_ns)
        return self._line.give_events()

    def cut(self, reason: str, text: str) -> list[Event]:
        """End the connection at once, and write nothing more: for a client that does not read."""
        if self.state not in (State.DOWN, State.CLOSING):
            self._line.finish(reason, text)
        self._line.out.drop()
        return self._line.give_events()

    def disconnect(self, now_ns: int) -> list[Event]:
        """The connection is gone."""
        if self._line.is_open:
            self._line.events.append(LoggedOff("disconnected"))
        if self.state is not State.DOWN:
            self._line.enter(Happening.DISCONNECTED, now_ns)
        self._line.out.drop()
        self._receiver.leave()
        self._is_held = False
        return self._line.give_events()

    def _begin(self, happening: Happening, now_ns: int) -> None:
        self._line.enter(happening, now_ns)
        self._framer = Framer(message_bytes_max=self.settings.message_bytes_max)
        self._received_ns = self._line.out.sent_ns = now_ns
        self._receiver.meet()
        self._is_testing = False

    def _end_unreadable(self, now_ns: int) -> bytes:
        """Log out over a resend that cannot be made; what waited behind it is in the store, like all that was sent."""
        line, error = self._line, self._line.out.unreadable
        line.out.unreadable = None
        if error is not None and line.is_open:
            line.out.drop()
            line.events.append(SentUnreadable(str(error.path), str(error)))
            line.end_with_logout("journal_damaged", CANNOT_RESEND, now_ns)
        return line.out.take(now_ns)

    def _keep_alive(self, now_ns: int) -> None:
        interval_ns = self._receiver.heart_bt_int_ns
        if now_ns >= self._line.out.sent_ns + interval_ns:
            self._line.send_admin("0", "", now_ns)
        silence_ns = now_ns - self._received_ns
        if self._is_held or silence_ns < int(TEST_AFTER * interval_ns):
            return
        if silence_ns >= int(DEAD_AFTER * interval_ns):
            self._line.finish("silent", f"nothing came for {silence_ns // NS_PER_S} s")
        elif not self._is_testing:
            self._is_testing = True
            self._line.send_admin("1", f"112=silent since {self._received_ns}\x01", now_ns)
