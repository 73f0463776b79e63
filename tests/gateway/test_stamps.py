"""When requests were received, by clocks that a test sets: stamps never go back, and else are the wall clock's."""

import random

from gateway.stamps import Stamps

S = 10**9
HOUR_NS = 3600 * S


class Clocks:
    """A wall clock and a steady one, and the stamps that go by them."""

    def __init__(self) -> None:
        self.wall_ns, self.steady_ns = 10**18, 0
        self.stamps = Stamps(lambda: self.wall_ns, lambda: self.steady_ns)

    def go(self, seconds: float) -> None:
        self.wall_ns += int(seconds * S)
        self.steady_ns += int(seconds * S)

    def now(self) -> int:
        """The stamp of a request that comes now."""
        self.stamps.look()
        return self.stamps.stamp(self.wall_ns)


def test_a_stamp_is_what_the_wall_clock_said() -> None:
    clocks = Clocks()
    for seconds in (0, 0.001, 5, 3600):
        clocks.go(seconds)
        assert clocks.now() == clocks.wall_ns


def test_requests_of_one_batch_keep_the_times_at_which_they_came() -> None:
    clocks = Clocks()
    clocks.go(1)
    clocks.stamps.look()
    received_ns = [clocks.wall_ns - 3, clocks.wall_ns - 2, clocks.wall_ns]
    assert [clocks.stamps.stamp(each) for each in received_ns] == received_ns


def test_a_clock_that_is_set_forward_is_followed_at_once() -> None:
    clocks = Clocks()
    clocks.now()
    clocks.wall_ns += HOUR_NS
    assert clocks.now() == clocks.wall_ns


def test_a_clock_that_is_set_back_is_caught_up_with_at_half_its_pace() -> None:
    clocks = Clocks()
    before_ns = clocks.now()
    clocks.wall_ns -= HOUR_NS
    assert clocks.now() == before_ns
    clocks.go(10)
    assert clocks.now() == before_ns + 5 * S
    clocks.go(7200)
    assert clocks.now() == clocks.wall_ns
    assert clocks.stamps.ahead_ns == 0


def test_a_mistake_that_is_put_right_at_once_is_forgotten() -> None:
    clocks = Clocks()
    clocks.now()
    clocks.wall_ns -= HOUR_NS
    clocks.now()
    clocks.wall_ns += HOUR_NS
    assert clocks.now() == clocks.wall_ns


def test_stamps_never_go_back_whatever_the_clock_does() -> None:
    dice, clocks = random.Random(5), Clocks()
    last_ns = 0
    for _ in range(2000):
        clocks.go(dice.random())
        if dice.random() < 0.1:
            clocks.wall_ns += dice.randrange(-HOUR_NS, HOUR_NS)
        clocks.stamps.look()
        for late_ns in sorted((dice.randrange(S) for _ in range(3)), reverse=True):
            stamp_ns = clocks.stamps.stamp(clocks.wall_ns - late_ns)
            assert stamp_ns >= last_ns
            last_ns = stamp_ns


def test_what_was_received_before_a_step_back_does_not_run_ahead() -> None:
    clocks = Clocks()
    before_ns = clocks.now()
    received_ns = clocks.wall_ns + S
    clocks.go(1)
    clocks.wall_ns -= HOUR_NS
    clocks.stamps.look()
    assert clocks.stamps.stamp(received_ns) - before_ns <= S


def test_how_long_a_request_has_waited_is_not_the_step_of_a_clock() -> None:
    clocks = Clocks()
    received_ns = clocks.wall_ns
    clocks.go(3)
    clocks.stamps.look()
    assert clocks.stamps.waited_ns(received_ns) == 3 * S
    for step_ns in (HOUR_NS, -HOUR_NS):
        received_ns = clocks.wall_ns
        clocks.wall_ns += step_ns
        clocks.stamps.look()
        assert clocks.stamps.waited_ns(received_ns) == 0
