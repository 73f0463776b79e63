"""What clients are told while there are no answers, and when; time and the sequencer are the test's."""

import pytest
from prometheus_client import CollectorRegistry

from configs.loader import GatewayConfig
from gateway.fix.news import Cause, Held, held_news
from gateway.log_watch import LATE_LOOK_S, LOOK_INTERVAL_S, LogWatch
from gateway.metrics import GatewayMetrics
from gateway.sequencer import Silence
from tests.gateway.stock_client import check_with_stock_client

A, B = "FIX.4.4:FIRMA1", "FIX.4.2:FIRMB1"
SILENT = "the venue's order log does not answer; log on again later, what you sent before is answered then"


class House:
    """A log watch whose log falls silent when told so, and what it did."""

    def __init__(self) -> None:
        self.waiting: dict[str, Held] = {}
        self.up = [B, A]
        self.silent_since_s: float | None = None
        self.cause = Cause.LOG_SILENT
        self.did: list[str] = []
        self.metrics = GatewayMetrics(CollectorRegistry())
        self.watch = LogWatch(
            GatewayConfig(doubt_after_ms=1000, hold_max_ms=5000, silence_max_ms=30_000),
            self,
            metrics=self.metrics,
            sessions_up=lambda: self.up,
            send=lambda session_id, bodies: self.did.append(f"{session_id} {' '.join(bodies)}"),
            log_out=lambda session_id, text: self.did.append(f"{session_id} out: {text}"),
            close_logons=lambda text: self.did.append(f"closed: {text}"),
            open_logons=lambda: self.did.append("open"),
        )

    def look(self, now_s: float) -> list[str]:
        """What it does at that time, having looked just before."""
        self.watch._looked_s = now_s - LOOK_INTERVAL_S
        self.watch.look(now_s)
        did, self.did = self.did, []
        return did

    # As a sequencer

    def silence(self, now_s: float) -> Silence:
        return Silence(0 if self.silent_since_s is None else now_s - self.silent_since_s, self.cause)

    def held(self, _now_s: float, _after_s: float) -> dict[str, Held]:
        return self.waiting

    def refuse_late(self, now_s: float) -> None:
        self.did.append(f"refuse {now_s:g}")


def news(held: Held, cause: Cause = Cause.LOG_SILENT) -> str:
    return held_news(held, cause, hold_max_ms=5000)


def test_nothing_is_said_of_an_ordinary_delay() -> None:
    house = House()
    house.silent_since_s, house.waiting = 10, {A: Held(1, 2, 2)}
    assert house.look(11) == []
    assert (house.watch.requests_held, house.metrics.stalls) == (0, 0)


def test_each_session_with_requests_waiting_is_told_once_until_they_are_answered() -> None:
    house = House()
    house.silent_since_s, house.waiting = 10, {A: Held(3, 15, 17)}
    assert house.look(11.1) == ["refuse 11.1", f"{A} {news(Held(3, 15, 17))}"]
    house.waiting = {A: Held(4, 15, 18), B: Held(1, 9, 9)}
    assert house.look(12) == ["refuse 12", f"{B} {news(Held(1, 9, 9))}"]
    assert house.look(13) == ["refuse 13"]
    assert (house.watch.requests_held, house.metrics.stalls) == (5, 1)


def test_a_session_that_is_down_is_told_when_it_comes_back() -> None:
    house = House()
    house.silent_since_s, house.waiting, house.up = 10, {A: Held(3, 15, 17)}, [B]
    assert house.look(12) == ["refuse 12"]
    house.up = [A]
    assert house.look(13) == ["refuse 13", f"{A} {news(Held(3, 15, 17))}"]


def test_the_next_stall_is_told_of_anew() -> None:
    house = House()
    house.silent_since_s, house.waiting = 10, {A: Held(1, 2, 2)}
    house.look(11.5)
    house.silent_since_s = None
    assert house.look(12) == house.look(13.6) == []
    assert house.watch.requests_held == 0
    house.silent_since_s = 20
    assert house.look(21.5) == ["refuse 21.5", f"{A} {news(Held(1, 2, 2))}"]
    assert house.metrics.stalls == 2


def test_a_log_that_is_slow_again_and_again_is_one_stall_and_is_told_of_now_and_then() -> None:
    house = House()
    told_at = []
    for number in range(20):
        house.silent_since_s = began_s = 10 + 1.2 * number
        house.waiting = {A: Held(1, number, number)}
        house.look(began_s + 0.5)
        told_at += [number] * (len(house.look(began_s + 1.1)) > 1)
    assert told_at == list(range(0, 20, 2))
    assert house.metrics.stalls == 1


@pytest.mark.parametrize("cause", list(Cause))
def test_everybody_is_told_whom_they_wait_for(cause: Cause) -> None:
    house = House()
    house.silent_since_s, house.waiting, house.cause = 10, {A: Held(1, 2, 2)}, cause
    assert house.look(12) == ["refuse 12", f"{A} {news(Held(1, 2, 2), cause)}"]
    assert news(Held(1, 2, 2), cause).endswith(f"\x01148={cause.value}\x01")
    assert house.look(41)[1] == f"closed: {SILENT.replace(Cause.LOG_SILENT.value, cause.value)}"


def test_order_sessions_are_logged_out_once_and_welcome_when_the_log_answers() -> None:
    house = House()
    house.silent_since_s = 10
    house.look(12)
    assert house.look(40) == ["refuse 40"]
    assert house.look(40.1) == ["refuse 40.1", f"closed: {SILENT}", f"{B} out: {SILENT}", f"{A} out: {SILENT}"]
    assert house.look(50) == ["refuse 50"]
    house.silent_since_s = None
    assert house.look(51) == ["open"]
    assert house.look(52) == []


def test_a_gateway_that_stood_still_itself_reads_its_answers_before_it_blames_others() -> None:
    house = House()
    house.waiting = {A: Held(1, 2, 2)}
    house.look(10)
    house.silent_since_s = 10
    stopped_until_s = 100
    assert stopped_until_s - 10 > LATE_LOOK_S
    house.watch.look(stopped_until_s)
    assert house.did == []
    house.silent_since_s = None  # its answers were there
    house.watch.look(stopped_until_s + LOOK_INTERVAL_S)
    assert (house.did, house.metrics.stalls) == ([], 0)


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_a_stock_client_accepts_the_news_in_every_version(begin_string: str, cause: Cause) -> None:
    check_with_stock_client(news(Held(3, 15, 17), cause), begin_string)


def test_news_says_how_many_are_held_and_up_to_which() -> None:
    late = "D, E, G and i are refused when the log has not taken them within 5 s"
    more = "held: each will be answered, as will what you send from now on; do not send it again"
    headline = "the venue's order log does not answer"
    assert news(Held(1, 7, 7)).split("\x01")[:-1] == [
        "35=B",
        "33=2",
        f"58=1 request, MsgSeqNum(34) 7, {more}",
        f"58={late}",
        f"148={headline}",
    ]
    assert news(Held(3, 15, 17)).split("\x01")[2] == f"58=3 requests, up to MsgSeqNum(34) 17, {more}"
    for_ever = held_news(Held(1, 7, 7), Cause.LOG_SILENT, hold_max_ms=0).split("\x01")[3]
    assert for_ever == "58=what is held is done when it can be, however late"
