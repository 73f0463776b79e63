"""
The venue's wall clock is set while sessions are up: nobody is logged out, nobody is left without a heartbeat.

First the pure session with a clock of the test's, then an engine with real clients, whose own clocks stay right.
"""

from pathlib import Path

import pytest

from sessions.native.states import State
from sessions.native.wall_clock import STEP_NS, WallClock
from tests.sessions.house import FIRMA1, House, logged_on, wait_for
from tests.sessions.native_talk import ORDER, Talk, closing, messages
from tests.sessions.raw_client import RawClient

S = 10**9
HOUR_NS = 3600 * S
STEPS = [-HOUR_NS, HOUR_NS]


def step(talk: Talk, step_ns: int) -> None:
    talk.now_ns += step_ns
    talk.session.shift(step_ns)


@pytest.mark.parametrize("step_ns", STEPS)
def test_heartbeats_and_silence_are_counted_on(step_ns: int) -> None:
    talk = Talk().up()
    talk.wait(20)
    step(talk, step_ns)
    assert talk.wait(9.9) == []
    assert talk.wait(0.1) == ["35=0|34=2|"]
    assert talk.wait(7) == ["35=1|34=3|112=" + talk_test_id(talk)]
    talk.wait(34.9)
    assert closing(talk) == []
    talk.wait(0.1)
    assert closing(talk) == ["silent"]


def talk_test_id(talk: Talk) -> str:
    """TestReqID(112) names when something was heard last, by the clock as it is now."""
    return f"silent since {talk.now_ns - 36 * S - S}|"


@pytest.mark.parametrize("step_ns", STEPS)
def test_a_logon_and_a_logout_are_waited_for_no_longer_and_no_shorter(step_ns: int) -> None:
    talk = Talk().accept()
    talk.wait(5)
    step(talk, step_ns)
    talk.wait(4.9)
    assert closing(talk) == []
    talk.wait(0.1)
    assert closing(talk) == ["logon_timeout"]

    leaving = Talk().up()
    leaving.session.log_out("", leaving.now_ns)
    leaving.wait(3)
    step(leaving, step_ns)
    leaving.wait(1.9)
    assert closing(leaving) == []
    leaving.wait(0.1)
    assert closing(leaving) == ["logout_timeout"]


@pytest.mark.parametrize("step_ns", STEPS)
def test_missing_messages_are_asked_for_again_in_time(step_ns: int) -> None:
    talk = Talk().up()
    assert [said[:5] for said in talk.say("D", ORDER, seq=5)] == ["35=2|"]
    patience_s = talk.settings.resend_patience_s
    talk.wait(patience_s / 2)
    step(talk, step_ns)
    assert [said for said in talk.wait(patience_s / 2 - 0.1) if said.startswith("35=2|")] == []
    assert [said[:5] for said in talk.wait(0.1) if said.startswith("35=2|")] == ["35=2|"]


@pytest.mark.parametrize("step_ns", STEPS)
def test_a_client_that_is_up_may_be_right_by_either_clock(step_ns: int) -> None:
    talk = Talk().up()
    talk.say("D", ORDER)
    step(talk, step_ns)
    assert talk.say("D", ORDER, late_ns=-step_ns) == []
    assert talk.say("D", ORDER) == []
    assert messages(talk) == ["D2", "D3", "D4"]
    assert talk.say("D", ORDER, late_ns=step_ns)[0].startswith("35=3|")  # right by neither


def test_a_step_that_is_put_right_leaves_nothing_behind() -> None:
    talk = Talk().up()
    step(talk, HOUR_NS)
    step(talk, -HOUR_NS)
    assert talk.say("D", ORDER, late_ns=-HOUR_NS)[0].startswith("35=3|")


def test_a_client_that_logs_on_afterwards_has_to_agree_with_the_clock_as_it_is() -> None:
    talk = Talk().up()
    step(talk, HOUR_NS)
    talk.session.disconnect(talk.now_ns)
    talk.accept()
    talk.say("A", talk.logon_body(), late_ns=-HOUR_NS)
    assert talk.session.state is State.CLOSING


@pytest.mark.parametrize("step_ns", STEPS)
def test_numbers_that_begin_anew_begin_a_later_epoch_whatever_the_clock_says(step_ns: int) -> None:
    talk = Talk().up()
    epochs = [talk.store.epoch]
    for _ in range(3):
        step(talk, step_ns)
        talk.seq = 1
        talk.say("A", talk.logon_body("141=Y|"))
        epochs.append(talk.store.epoch)
    assert epochs == sorted(set(epochs))


class Clocks:
    """Two that go together, until a test sets the first one."""

    def __init__(self) -> None:
        self.wall_ns, self.steady_ns = 10**18, 5 * S

    def go(self, ns: int) -> None:
        self.wall_ns += ns
        self.steady_ns += ns


def test_the_wall_clock_tells_of_steps_and_of_nothing_else() -> None:
    clocks, steps = Clocks(), list[int]()
    clock = WallClock(steps.append, wall_ns=lambda: clocks.wall_ns, steady_ns=lambda: clocks.steady_ns)
    clocks.go(HOUR_NS)
    assert (clock.now_ns(), steps) == (clocks.wall_ns, [])
    for _ in range(10):  # slewed
        clocks.wall_ns += STEP_NS - 1
        clocks.go(S)
        clock.now_ns()
    assert steps == []
    for step_ns in STEPS:
        clocks.wall_ns += step_ns
        assert clock.now_ns() == clocks.wall_ns
    assert steps == STEPS


@pytest.mark.parametrize("step_ns", STEPS)
def test_an_engine_whose_clock_is_set_keeps_its_sessions_and_serves_them(tmp_path: Path, step_ns: int) -> None:
    ahead = [0]
    real = WallClock(lambda _step_ns: None)
    house = House(tmp_path, engine="native", engine_settings={"wall_ns": lambda: real.now_ns() + ahead[0]}).start()
    try:
        with logged_on(house) as client:
            client.order("before")
            wait_for(lambda: len(house.orders.messages) == 1)
            ahead[0] = step_ns
            client.order("after")
            wait_for(lambda: len(house.orders.messages) == 2)
            client.send("1", "112=are you there?|")
            assert client.receive().fields["112"] == "are you there?"
            house.send(FIRMA1, "35=8|37=1|11=after|17=E1|150=0|39=0|55=TEST1|54=1|151=1|14=0|6=0|")
            assert client.receive().fields["11"] == "after"
            assert house.engine.sessions_up == {FIRMA1}
        before, after = (message.received_ns for message in house.orders.messages)
        assert abs(after - before - step_ns) < 60 * S
        with RawClient(house.port, "FIX.4.4", "FIRMB1") as newcomer:
            assert newcomer.log_on().fields["58"].startswith("SendingTime(52) is more than 120 s off")
    finally:
        house.close()
