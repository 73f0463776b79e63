"""What order entry does with requests that arrive together, and with those that are too many."""

from typing import cast

from prometheus_client import CollectorRegistry

from configs.limits import ThrottleLines
from configs.loader import ONE_MACHINE, load
from gateway.fix.inbound import Inbound
from gateway.metrics import GatewayMetrics
from gateway.order_entry import OrderEntry
from gateway.sequencer import Sequencer
from gateway.session_progress import SessionProgress
from gateway.stamps import Stamps
from matcher.commands import ClientRequest, MassQuote, RefusedRequest
from sessions.accounts import Accounts
from sessions.fix_text import SOH
from sessions.port import InboundMessage


class Log:
    """A sequencer that notes which requests each flush sent."""

    def __init__(self) -> None:
        self.flushed: list[list[int]] = []
        self._queued: list[int] = []

    def submit(self, command: ClientRequest, _progress: SessionProgress, **_more: object) -> None:
        self._queued.append(command.msg_seq_num)

    def flush(self) -> None:
        self.flushed.append(self._queued)
        self._queued = []


def test_the_log_gets_the_first_of_many_requests_while_the_last_are_read() -> None:
    venue, log = load(ONE_MACHINE), Log()
    entry = OrderEntry(
        Inbound(venue.instruments), cast(Sequencer, log), Accounts(venue), GatewayMetrics(CollectorRegistry())
    )
    session_id = next(iter(entry.progress))
    requests = [
        InboundMessage(session_id, 1, 1, f"35=F\x0134={number}\x0111=c{number}\x01") for number in range(1, 151)
    ]
    entry.on_messages(requests)
    assert log.flushed == [list(range(1, 65)), list(range(65, 129)), list(range(129, 151))]


class Sent:
    """A sequencer that notes what goes onto the log, and in whose place."""

    def __init__(self) -> None:
        self.commands: list[ClientRequest] = []
        self.requests: list[ClientRequest] = []
        self.waited_s: list[float] = []

    def submit(
        self,
        command: ClientRequest,
        _progress: SessionProgress,
        *,
        refusal: RefusedRequest | None = None,
        waited_s: float = 0.0,
    ) -> None:
        self.waited_s.append(waited_s)
        self.requests.append(command)
        self.commands.append(refusal or command)

    def flush(self) -> None:
        pass


class Desk:
    """Order entry, and what it says."""

    def __init__(self) -> None:
        venue = load(ONE_MACHINE)
        self.sent = Sent()
        self.metrics = GatewayMetrics(CollectorRegistry())
        self.wall_ns, self.steady_ns = 0, 0
        self.entry = OrderEntry(
            Inbound(venue.instruments),
            cast(Sequencer, self.sent),
            Accounts(venue),
            self.metrics,
            stamps=Stamps(lambda: self.wall_ns, lambda: self.steady_ns),
        )
        self.logged_out: list[tuple[str, str]] = []
        self.entry.log_out = lambda session_id, text: self.logged_out.append((session_id, text))
        self._number = 0

    def send(self, session_id: str, body: str, at_ns: int = 0) -> str:
        """One request; the reason why it is refused, if it is."""
        self._number += 1
        text = f"{body.replace('|', SOH)}34={self._number}{SOH}"
        self.entry.on_messages([InboundMessage(session_id, 1, at_ns, text)])
        return str(getattr(self.sent.commands[-1], "reason", ""))


A, B = "FIX.4.4:FIRMA1", "FIX.4.4:FIRMB1"
ORDER = "35=D|11=c|55=AAPL|54=1|38=1|40=2|44=1.00|"


def test_each_session_has_a_throttle_of_its_own_or_none() -> None:
    desk = Desk()
    desk.entry.throttle({A: ThrottleLines(1, 2), B: ThrottleLines()})
    assert [desk.send(A, ORDER) for _ in range(3)] == ["", "", "THROTTLED"]
    assert [desk.send(B, ORDER) for _ in range(3)] == ["", "", ""]
    assert desk.send(A, "35=F|11=d|41=c|55=AAPL|54=1|") == ""
    assert (desk.metrics.throttled, desk.logged_out) == (1, [])


def test_too_much_comes_before_any_other_fault() -> None:
    desk = Desk()
    desk.entry.throttle({A: ThrottleLines(1, 1)})
    assert desk.send(A, "35=R|") == "UNSUPPORTED_MESSAGE"
    assert desk.send(A, "35=R|") == "THROTTLED"
    assert desk.send(A, "35=D|") == "THROTTLED"


def test_a_refusal_names_its_request_and_takes_its_place() -> None:
    desk = Desk()
    desk.entry.throttle({A: ThrottleLines(1, 1)})
    desk.send(A, ORDER)
    desk.send(A, "35=i|117=q-1|296=1|302=1|304=1|295=1|299=e|55=AAPL|132=1|134=1|")
    refusal, request = desk.sent.commands[-1], desk.sent.requests[-1]
    assert isinstance(refusal, RefusedRequest)
    assert isinstance(request, MassQuote)
    assert (refusal.symbol, refusal.msg_type, refusal.cl_ord_id, refusal.msg_seq_num) == (request.symbol, "i", "q-1", 2)


def test_abuse_ends_in_a_logout_and_every_request_is_still_answered() -> None:
    desk = Desk()
    desk.entry.throttle({A: ThrottleLines(1, 1, refused_max=2)})
    assert [desk.send(A, ORDER) for _ in range(6)] == ["", *["THROTTLED"] * 5]
    assert desk.logged_out == [(A, "more than 2 requests were refused within a second; send fewer")]
    assert (desk.metrics.throttled, desk.metrics.throttle_logouts) == (5, 1)


def test_another_throttle_counts_at_once_and_the_same_goes_on() -> None:
    desk = Desk()
    desk.entry.throttle({A: ThrottleLines(1, 1), B: ThrottleLines(1, 1)})
    assert [desk.send(each, ORDER) for each in (A, B)] == ["", ""]
    desk.entry.throttle({A: ThrottleLines(1, 2), B: ThrottleLines(1, 1)})
    assert [desk.send(A, ORDER) for _ in range(3)] == ["", "", "THROTTLED"]
    assert desk.send(B, ORDER) == "THROTTLED"
    desk.entry.throttle({})
    assert [desk.send(A, ORDER), desk.send(B, ORDER)] == ["", ""]


def test_a_later_request_never_bears_an_earlier_stamp_and_the_throttle_goes_on() -> None:
    desk = Desk()
    desk.entry.throttle({A: ThrottleLines(1, 2)})
    hour_ns, second_ns = 3600 * 10**9, 10**9
    desk.wall_ns = noon_ns = 10**18
    verdicts = [desk.send(A, ORDER, at_ns=desk.wall_ns) for _ in range(3)]
    desk.wall_ns -= hour_ns
    for _ in range(3):
        desk.wall_ns += second_ns
        desk.steady_ns += second_ns
        verdicts += [desk.send(A, ORDER, at_ns=desk.wall_ns)]
    assert verdicts == ["", "", "THROTTLED", "THROTTLED", "", ""]
    stamps = [command.received_ns - noon_ns for command in desk.sent.commands]
    assert stamps == [0, 0, 0, *(n * second_ns // 2 for n in (1, 2, 3))]


def test_how_long_requests_had_to_wait_for_us_is_told_to_the_log() -> None:
    desk = Desk()
    desk.wall_ns = desk.steady_ns = 7 * 10**9
    desk.send(A, ORDER, at_ns=10**9)
    assert desk.sent.waited_s == [6.0]
