"""How many requests a session may send: each table is one conversation, by the time at which its requests come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.limits import ThrottleLines
from gateway.throttle import Throttle, Verdict

S = 1_000_000_000
MS = 1_000_000
BEGAN_NS = 1_767_605_400 * S
LETTERS = {Verdict.TAKEN: "t", Verdict.REFUSED: "r", Verdict.ABUSED: "A"}


def verdicts(throttle: Throttle, *requests: tuple[int, str | list[str]]) -> str:
    """What becomes of requests, a letter each."""
    return "".join(
        LETTERS[throttle.judge(msg_type, BEGAN_NS + at_ns)] for at_ns, msg_types in requests for msg_type in msg_types
    )


Requests = list[tuple[int, str | list[str]]]
"""Each a time in nanoseconds and MsgTypes, all at once."""

CONVERSATIONS: dict[str, tuple[tuple[int, int], Requests, str]] = {
    "a burst, and no more": ((2, 3), [(0, "DDDDD")], "tttrr"),
    "one comes back in half a second": ((2, 3), [(0, "DDDD"), (S // 2, "DD")], "tttrtr"),
    "a nanosecond earlier it does not": ((2, 3), [(0, "DDDD"), (S // 2 - 1, "D"), (S // 2, "D")], "tttrrt"),
    "a long pause fills it, not more": ((2, 3), [(0, "DDD"), (3600 * S, "DDDD")], "ttttttr"),
    "a steady stream at the rate never ends": ((10, 1), [(n * S // 10, "D") for n in range(50)], "t" * 50),
    "at more than the rate the rest is refused": ((1, 1), [(n * S // 2, "D") for n in range(6)], "trtrtr"),
    "what is refused costs nothing": ((1, 1), [(0, "D" * 9), (S, "D")], "trrrrrrrrt"),
    "without a burst it is one second's": ((4, 0), [(0, "DDDDD")], "ttttr"),
    "cancels have twice as much": ((2, 2), [(0, "FqZFF")], "ttttr"),
    "and twice the rate": ((2, 1), [(0, "FFF"), (S // 4, "FF")], "ttrtr"),
    "neither takes from the other": ((1, 1), [(0, "DDFFF")], "trttr"),
    "all else is one": ((1, 8), [(0, ["D", "G", "H", "E", "i", "AF", "R", "?", "D"])], "ttttttttr"),
    "a clock that was set back adds nothing": ((1, 1), [(S, "D"), (0, "D"), (S - 1, "D")], "trr"),
}


@pytest.mark.parametrize("name", list(CONVERSATIONS))
def test_a_conversation(name: str) -> None:
    (per_second, burst), requests, expected = CONVERSATIONS[name]
    assert verdicts(Throttle(ThrottleLines(per_second, burst)), *requests) == expected


ABUSES: dict[str, tuple[Requests, str]] = {
    "one more than so many refused within a second": ([(0, "DDDDD")], "trrrA"),
    "it is said once in a second": ([(0, "DDDDDDD")], "trrrArr"),
    "the second counts from the first refusal": ([(0, "DDD"), (S - 1, "DD")], "trrrA"),
    "after it the count begins anew": ([(0, "DDDD"), (S, "DDDD"), (2 * S, "D")], "trrrtrrrt"),
    "and abuse can be told again": ([(0, "DDDDD"), (S, "DDDDD")], "trrrAtrrrA"),
    "of cancels and all else together": ([(0, "DDDFFF"), (1, "F")], "trrttrA"),
}


@pytest.mark.parametrize("name", list(ABUSES))
def test_abuse(name: str) -> None:
    requests, expected = ABUSES[name]
    assert verdicts(Throttle(ThrottleLines(1, 1, refused_max=3)), *requests) == expected


def test_abuse_is_ten_bursts_refused_unless_the_configuration_says_otherwise() -> None:
    assert verdicts(Throttle(ThrottleLines(1, 2)), (0, "D" * 23)) == "tt" + "r" * 20 + "A"


def test_the_texts_say_what_may_be_sent() -> None:
    throttle = Throttle(ThrottleLines(5, 20))
    assert (
        throttle.text("D") == "this session may send requests at a rate of 5 a second, 20 at once; send it again later"
    )
    assert throttle.text("q").startswith(
        "this session may send cancels (F, q, Z) at a rate of 10 a second, 40 at once;"
    )
    assert throttle.abuse_text == "more than 200 requests were refused within a second; send fewer"


@given(
    st.integers(1, 1000), st.integers(1, 1000), st.lists(st.integers(0, 3 * S), min_size=1, max_size=300).map(sorted)
)
def test_in_no_stretch_of_time_is_more_taken_than_the_rate_and_a_burst(
    per_second: int, burst: int, times_ns: list[int]
) -> None:
    throttle = Throttle(ThrottleLines(per_second, burst))
    taken = [at_ns for at_ns in times_ns if throttle.judge("D", BEGAN_NS + at_ns) is Verdict.TAKEN]
    for first, began_ns in enumerate(taken):
        for last, ended_ns in enumerate(taken[first:], first):
            assert last - first + 1 <= burst + (ended_ns - began_ns) * per_second // S
