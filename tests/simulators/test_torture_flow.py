"""The load of `simulators.torture`: of every kind of order and request, and the same for the same seed."""

from itertools import pairwise

import pytest

from matcher.instruments import Increment, Instrument
from sessions.fix_text import parse
from simulators.torture.flow import Flow, LiveOrder

INSTRUMENTS = [Instrument(symbol, Increment(1, 2), Increment(1, 0), 10_000, "USD", 0) for symbol in ("ONE", "TWO")]
LIVE = [LiveOrder("FIRMA1-x", "ONE", "1", is_plain=True)]
REQUESTS = 2_000


def flow(seed: str = "1") -> Flow:
    return Flow("FIRMA1", INSTRUMENTS, seed)


@pytest.fixture(scope="module")
def bodies() -> list[str]:
    requests = flow()
    return [requests.next(LIVE) for _ in range(REQUESTS)]


def timeless(body: str) -> str:
    return "|".join(field for field in body.split("\x01") if not field.startswith("60="))


def test_a_seed_fixes_all_that_is_asked_for(bodies: list[str]) -> None:
    again = flow()
    assert [timeless(again.next(LIVE)) for _ in range(REQUESTS)] == [timeless(body) for body in bodies]
    other = flow("2")
    assert [timeless(other.next(LIVE)) for _ in range(10)] != [timeless(body) for body in bodies[:10]]


def test_ids_are_never_used_twice(bodies: list[str]) -> None:
    ids = [value for body in bodies for tag, _, value in (field.partition("=") for field in body.split("\x01"))
           if tag in {"11", "66", "117", "584", "790"} and value != LIVE[0].cl_ord_id]  # fmt: skip
    assert all(int(one.split("-")[1]) < int(other.split("-")[1]) for one, other in pairwise(sorted(ids, key=number)))


def number(identity: str) -> int:
    return int(identity.split("-")[1])


@pytest.mark.parametrize(
    "fragments",
    [
        "35=D|40=2|59=1", "35=D|40=2|59=3", "35=D|40=2|59=4", "35=D|40=1", "35=D|40=3|99=", "35=D|40=4|99=|44=",
        "35=D|40=J", "35=D|18=a|211=", "35=D|18=R|40=P", "35=D|18=M|40=P", "35=D|18=6|7001=R", "35=D|18=6|7001=S",
        "35=D|111=2", "35=D|111=0", "35=D|110=3", "35=E|1385=1", "35=E|1385=2|73=2", "35=E|1385=2|73=3",
        "35=F|41=FIRMA1-x", "35=F|41=FIRMA1-none", "35=G|41=FIRMA1-x", "35=H|790=", "35=AF|585=1",
        "35=q|530=1|7002=S", "35=q|530=7|7002=F", "35=i|132=|133=", "35=Z|298=1", "35=Z|298=4",
    ],
)  # fmt: skip
def test_every_kind_is_in_it(bodies: list[str], fragments: str) -> None:
    wanted = fragments.split("|")
    found = [body for body in bodies if all(any(f.startswith(w) for f in body.split("\x01")) for w in wanted)]
    assert len(found) >= 3


def test_it_cancels_when_it_has_too_many_orders() -> None:
    many = flow()
    asked = {parse(f"8=x\x01{many.next(LIVE * 50)}")["35"] for _ in range(50)}
    assert asked == {"F", "G", "H"}
