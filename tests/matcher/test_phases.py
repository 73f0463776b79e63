"""Which request is taken in which phase, and how a symbol goes from one phase to another."""

from collections.abc import Callable

import pytest

from matcher.commands import QuoteEntry
from matcher.engine.phase_changes import random_part
from matcher.instruments import TradingRules
from matcher.orders import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    FILL_OR_KILL,
    GOOD_TILL_CANCEL,
    IMMEDIATE_OR_CANCEL,
    MARKET,
    MARKET_TO_LIMIT,
    PEGGED,
    SELL,
    STOP,
)
from matcher.phases import Phase
from tests.matcher.venue_desk import DONE, VenueDesk, leg

Request = Callable[[VenueDesk], list[str]]
PHASES: tuple[Phase, ...] = ("1", "2", "3", "4", "6", "5", "H", "C")

ENTRY = QuoteEntry("q", "TEST", 90, 1, 120, 1)
REFUSED = "PHASE_NOT_ALLOWED"
# The phases in which each request is taken; in the others it is refused.
TAKEN: dict[str, tuple[Request, str]] = {
    "D": (lambda d: d.new("x", BUY, 1, 90), "12346"),
    "D 40=1": (lambda d: d.new("x", BUY, 1, ord_type=MARKET), "12346"),
    "D 40=3": (lambda d: d.new("x", BUY, 1, ord_type=STOP, stop_price_ticks=120), "12346"),
    "D 40=P": (lambda d: d.new("x", BUY, 1, ord_type=PEGGED, peg_price_type="5"), "12346"),
    "D iceberg": (lambda d: d.new("x", BUY, 9, 90, display_qty_lots=2), "12346"),
    "D hidden": (lambda d: d.new("x", BUY, 9, 90, display_qty_lots=0), "12346"),
    "D 59=2": (lambda d: d.new("x", BUY, 1, 90, time_in_force=AT_THE_OPENING), "12"),
    "D 59=7": (lambda d: d.new("x", BUY, 1, 90, time_in_force=AT_THE_CLOSE), "1234"),
    "D 59=3": (lambda d: d.new("x", BUY, 1, 90, time_in_force=IMMEDIATE_OR_CANCEL), "3"),
    "D 59=4": (lambda d: d.new("x", BUY, 1, 90, time_in_force=FILL_OR_KILL), "3"),
    "D MinQty": (lambda d: d.new("x", BUY, 2, 90, min_qty_lots=1), "3"),
    "D 40=K": (lambda d: d.new("x", BUY, 1, ord_type=MARKET_TO_LIMIT), "3"),
    "D post-only": (lambda d: d.new("x", BUY, 1, 90, post_only="R"), "3"),
    "G": (lambda d: d.replace("x", "old", BUY, 2, 91), "12346"),
    "E": (lambda d: d.new_list("l", "1", leg("x", BUY, 1, 90), leg("y", BUY, 1, 91)), "12346"),
    "i": (lambda d: d.quote(ENTRY), "12346"),
    "F": (lambda d: d.cancel("x", "old", BUY), "12346H5C"),
    "q": (lambda d: d.mass_cancel(symbol="TEST"), "12346H5C"),
    "Z": (lambda d: d.cancel_quotes("TEST"), "12346H5C"),
    "H": (lambda d: d.status("old", BUY), "12346H5C"),
    "AF": (lambda d: d.mass_status("1", symbol="TEST"), "12346H5C"),
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", TAKEN)
def test_which_request_is_taken_when(name: str, phase: Phase) -> None:
    """The table of PHASE-1: taken or PHASE_NOT_ALLOWED; OPEN-1, CLOSE-1."""
    desk = VenueDesk()
    desk.new("old", BUY, 1, 91, time_in_force=GOOD_TILL_CANCEL)
    desk.new("offer", SELL, 1, 110, time_in_force=GOOD_TILL_CANCEL, session="B1")
    desk.set_phase(phase)
    request, taken_in = TAKEN[name]
    events = request(desk)
    assert events
    assert any(REFUSED in event for event in events) == (phase not in taken_in)


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase != "3"])
def test_nothing_trades_outside_continuous_trading(phase: Phase) -> None:
    """The table of PHASE-1, column "trades"; stops wait (STOP-4)."""
    desk = VenueDesk()
    desk.new("stop", BUY, 1, ord_type=STOP, stop_price_ticks=105, session="C1")
    desk.set_phase(phase)
    for number, (side, price_ticks) in enumerate(((BUY, 110), (SELL, 90), (SELL, 105), (BUY, 105))):
        desk.new(f"o{number}", "1" if side == BUY else "2", 1, price_ticks, session="B1")
    desk.set_reference_price(500)
    assert not [line for output in desk.outputs for line in output.increments if line.trades]
    assert desk.status("stop", BUY, session="C1") == ["C1 status known #1 stop 0+1/1 NEW waits T stop 105"]


BOOK = ["new bid 5@99", "new ask 5@101"]
GONE = ["delete bid 0@99", "delete ask 0@101"]
# What the public sees of a book of one bid and one offer, at each change of phase.
SHOWN: dict[tuple[Phase, Phase], list[str]] = {
    ("3", "1"): GONE,
    ("3", "2"): GONE,
    ("3", "6"): GONE,
    ("3", "4"): GONE,
    ("3", "5"): [],
    ("3", "H"): [],
    ("3", "C"): [],
    ("1", "2"): [],
    ("1", "3"): BOOK,
    ("2", "3"): BOOK,
    ("2", "H"): [],
    ("4", "5"): BOOK,
    ("4", "C"): BOOK,
    ("5", "C"): [],
    ("5", "1"): GONE,
    ("C", "1"): GONE,
    ("H", "6"): GONE,
    ("H", "3"): [],
}


@pytest.mark.parametrize(("before", "after"), SHOWN)
def test_the_public_book_at_a_change_of_phase(before: Phase, after: Phase) -> None:
    """BOOK-3: empty while orders are collected, whole again with the phase that ends this."""
    desk = VenueDesk()
    desk.new("bid", BUY, 5, 99)
    desk.new("ask", SELL, 5, 101)
    desk.set_phase(before)
    assert desk.set_phase(after) == [DONE]
    assert desk.public == [f"phase {after} until 0", *SHOWN[before, after]]


def test_a_halt_keeps_what_was_collected_hidden() -> None:
    """PHASE-2, BOOK-3: crossed orders stay so in a halt; leaving it for continuous trading uncrosses them at once."""
    desk = VenueDesk()
    desk.set_phase("2", ends_ns=5_000)
    desk.new("b", BUY, 5, 102)
    desk.new("s", SELL, 5, 98, session="B1")
    assert desk.set_phase("H", text="news") == [DONE]
    assert desk.public == ["phase H until 0"]
    assert desk.engine.next_deadline_ns == 0
    assert desk.set_phase("3") == [
        "filled 5@100 match 1 auction #1 b 5+0/5 FILLED",
        "filled 5@100 match 1 auction #2 s 5+0/5 FILLED",
        DONE,
    ]
    assert desk.public == ["phase 3 until 0", "trade 5@100"]


def test_a_halt_can_end_in_an_auction() -> None:
    """PHASE-3."""
    desk = VenueDesk()
    desk.new("b", BUY, 5, 99)
    desk.set_phase("H")
    assert desk.set_phase("3", ends_ns=7_000) == [DONE]
    assert desk.public == ["phase 6 until 7000", "delete bid 0@99"]
    desk.new("s", SELL, 5, 95, session="B1")
    assert desk.fire_timer(6_999) == []
    assert desk.fire_timer(7_000) == [
        "filled 5@99 match 1 auction #1 b 5+0/5 FILLED",
        "filled 5@99 match 1 auction #2 s 5+0/5 FILLED",
    ]
    assert desk.public == ["phase 3 until 0", "trade 5@99"]


def test_a_halt_cancels_what_asked_for_it_and_pulls_quotes() -> None:
    """PHASE-4: first the orders, in order of OrderID, then the quotes."""
    desk = VenueDesk()
    desk.new("k1", BUY, 5, 99, cancel_on_halt=True)
    desk.new("stays", BUY, 5, 99)
    desk.new("k2", BUY, 5, ord_type=STOP, stop_price_ticks=120, cancel_on_halt=True)
    desk.quote(QuoteEntry("q", "TEST", 95, 1, 105, 1))
    assert desk.set_phase("H") == [
        "canceled (H) #1 k1 0+0/5 CANCELED",
        "canceled (H) #3 k2 0+0/5 CANCELED stop 120",
        "A1 quotes pulled (H) ['q']",
        DONE,
    ]
    assert desk.public == ["phase H until 0", "change bid 5@99", "delete bid 0@95", "delete ask 0@105"]
    assert desk.engine.levels("TEST") == ([(99, 5, 1)], [])


@pytest.mark.parametrize("phase", ["5", "C"])
def test_quotes_do_not_stay_after_the_close(phase: Phase) -> None:
    """PHASE-4: orders with `cancel_on_halt` do."""
    desk = VenueDesk()
    desk.new("k", BUY, 5, 99, cancel_on_halt=True)
    desk.quote(QuoteEntry("q", "TEST", 95, 1, 105, 1))
    assert desk.set_phase(phase) == ["A1 quotes pulled (H) ['q']", DONE]


def test_the_schedule_goes_on_only_forward() -> None:
    """ScheduledPhase: taken if it is later than the last one; answered by nobody, told to the public."""
    desk = VenueDesk()
    assert desk.schedule(100, "1") == []
    assert desk.public == ["phase 1 until 0"]
    desk.schedule(200, "2", ends_ns=5_000)
    assert desk.public == ["phase 2 until 5000"]
    desk.schedule(200, "C")
    desk.schedule(150, "C")
    assert desk.engine.phase_of("TEST") == ("2", 5_000)
    assert desk.schedule(300, "C", symbol="NONE") == []


def test_a_manual_phase_lasts_until_the_next_scheduled_one() -> None:
    """PHASE-5."""
    desk = VenueDesk()
    desk.schedule(100, "3")
    desk.set_phase("1")
    desk.schedule(100, "3")
    assert desk.engine.phase_of("TEST") == ("1", 0)
    desk.schedule(200, "4", ends_ns=9_000)
    assert desk.engine.phase_of("TEST") == ("4", 9_000)


def test_a_halt_waits_for_the_operator_whatever_the_schedule_says() -> None:
    """PHASE-5: then it takes what came last from the schedule meanwhile, also over a restart."""
    desk = VenueDesk()
    desk.schedule(100, "3")
    desk.set_phase("H")
    desk.schedule(200, "4", ends_ns=9_000)
    desk.schedule(300, "5")
    assert desk.public == []
    assert desk.engine.phase_of("TEST") == ("H", 0)
    desk.restart()
    assert desk.set_phase("3") == [DONE]
    assert desk.public == ["phase 5 until 0"]


def test_what_the_schedule_said_before_the_halt_is_not_taken() -> None:
    """PHASE-5."""
    desk = VenueDesk()
    desk.set_phase("H")
    desk.schedule(100, "4", ends_ns=9_000)
    desk.set_phase("1")
    desk.set_phase("H")
    desk.set_phase("3")
    assert desk.engine.phase_of("TEST") == ("3", 0)


def test_when_the_schedule_says_continuous_the_auction_of_the_operator_comes_first() -> None:
    """PHASE-3, PHASE-5."""
    desk = VenueDesk()
    desk.set_phase("H")
    desk.schedule(100, "3")
    desk.set_phase("3", ends_ns=9_000)
    assert desk.engine.phase_of("TEST") == ("6", 9_000)


def test_the_phase_that_is_there_changes_nothing() -> None:
    """PHASE-5: unless it is an auction with another end."""
    desk = VenueDesk()
    assert (desk.set_phase("3"), desk.public) == ([DONE], [])
    desk.set_phase("2", ends_ns=5_000)
    assert (desk.set_phase("2", ends_ns=5_000), desk.public) == ([DONE], [])
    assert (desk.set_phase("2", ends_ns=6_000), desk.public) == ([DONE], ["phase 2 until 6000"])


def test_the_end_of_an_auction_is_drawn_from_the_seed() -> None:
    """PHASE-6: the public is told when it ends at the earliest."""
    desk = VenueDesk()
    desk.set_phase("2", ends_ns=5_000, random_end_ns_max=999, seed=0)
    assert desk.public == ["phase 2 until 5000"]
    assert desk.engine.phase_of("TEST") == ("2", 5_000 + 0xE220A8397B1DCDAF % 1000)
    assert desk.engine.next_deadline_ns == 5_000 + 0xE220A8397B1DCDAF % 1000


def test_splitmix64() -> None:
    """PHASE-6: the first number of the published generator, for seeds of which it is known."""
    assert [random_part(seed, 2**64 - 1) for seed in (0, 1234567)] == [0xE220A8397B1DCDAF, 6457827717110365317]
    assert random_part(99, 0) == 0
    assert {random_part(seed, 3) for seed in range(50)} == {0, 1, 2, 3}


def test_where_auctions_lead() -> None:
    """PHASE-6: 2 and 6 to continuous trading, 4 to post-close; one without an end waits for a command."""
    ends: list[tuple[Phase, Phase]] = [("2", "3"), ("6", "3"), ("4", "5")]
    for auction, after in ends:
        desk = VenueDesk()
        desk.set_phase(auction, ends_ns=5_000)
        assert desk.fire_timer(5_001) == []
        assert desk.engine.phase_of("TEST") == (after, 0)
        desk.set_phase(auction)
        assert desk.fire_timer(10**18) == []
        assert desk.engine.phase_of("TEST") == (auction, 0)


def test_a_new_symbol_begins_as_its_rules_say() -> None:
    """TradingRules.initial_phase: a symbol that begins by collecting shows no book."""
    desk = VenueDesk(TradingRules(initial_phase="1"))
    desk.new("b", BUY, 1, 99)
    assert desk.public == []
    desk.set_phase("3")
    assert desk.public == ["phase 3 until 0", "new bid 1@99"]


REFUSALS = [
    ({"symbol": "NONE"}, "UNKNOWN_SYMBOL"),
    ({"ends_ns": -1}, "INVALID_COMMAND"),
    ({"random_end_ns_max": -1}, "INVALID_COMMAND"),
]


@pytest.mark.parametrize(("fields", "reason"), REFUSALS)
def test_a_phase_that_cannot_be_set(fields: dict[str, object], reason: str) -> None:
    desk = VenueDesk()
    assert desk.set_phase("2", **fields) == [f"operator op: {reason}"]  # type: ignore[arg-type]
    assert desk.engine.phase_of("TEST") == ("3", 0)
