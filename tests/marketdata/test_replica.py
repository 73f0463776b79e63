"""A reader's book: whatever is dropped, repeated or reordered on the way, it is never wrong without saying so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.book import Book
from marketdata.messages import BookIncrement, BookSnapshot
from marketdata.replica import Change, Replica
from matcher.orders import BUY, SELL

from .conftest import SYMBOL, increment_streams, public

FIRST = public(1, ("0", BUY, 100, 1))
SECOND = public(2, ("0", BUY, 99, 2))
THIRD = public(3, ("0", SELL, 101, 3))
FOURTH = public(4, ("2", SELL, 101, 0))


def states_of(stream: list[BookIncrement]) -> list[BookSnapshot]:
    """The source's book before the first increment and after each."""
    book = Book(SYMBOL)
    states = [book.snapshot()]
    for increment in stream:
        book.apply(increment)
        states.append(book.snapshot())
    return states


STATES = states_of([FIRST, SECOND, THIRD, FOURTH])


def replica_at(md_seq: int) -> Replica:
    replica = Replica(SYMBOL)
    assert replica.on_snapshot(STATES[md_seq]) is Change.RESTORED
    return replica


def test_a_new_replica_has_no_book_that_it_vouches_for() -> None:
    replica = Replica(SYMBOL)
    assert (replica.is_current, replica.md_seq, replica.bids, replica.asks, replica.trades) == (False, 0, [], [], [])


def test_increments_that_follow_are_applied() -> None:
    replica = replica_at(0)
    assert [replica.on_increment(increment) for increment in (FIRST, SECOND)] == [Change.APPLIED, Change.APPLIED]
    assert replica.book.snapshot() == STATES[2]


def test_what_came_before_the_snapshot_waits_for_it() -> None:
    replica = Replica(SYMBOL)
    assert [replica.on_increment(increment) for increment in (SECOND, THIRD)] == [Change.NOTHING, Change.NOTHING]
    assert replica.on_snapshot(STATES[1]) is Change.RESTORED
    assert replica.book.snapshot() == STATES[3]


def test_old_and_repeated_increments_are_dropped() -> None:
    replica = replica_at(2)
    assert [replica.on_increment(increment) for increment in (FIRST, SECOND)] == [Change.NOTHING, Change.NOTHING]
    assert replica.is_current
    assert replica.book.snapshot() == STATES[2]


def test_a_gap_is_said_at_once_and_the_last_good_book_stays() -> None:
    replica = replica_at(1)
    assert replica.on_increment(THIRD) is Change.LOST
    assert not replica.is_current
    assert replica.book.snapshot() == STATES[1]


def test_a_snapshot_closes_a_gap() -> None:
    replica = replica_at(1)
    replica.on_increment(THIRD)
    assert replica.on_snapshot(STATES[2]) is Change.RESTORED
    assert replica.book.snapshot() == STATES[3]


def test_a_late_increment_closes_a_gap_too() -> None:
    replica = replica_at(1)
    replica.on_increment(THIRD)
    assert replica.on_increment(SECOND) is Change.RESTORED
    assert replica.book.snapshot() == STATES[3]


@pytest.mark.parametrize("md_seq", [0, 1])
def test_a_snapshot_that_does_not_reach_the_gap_is_not_enough(md_seq: int) -> None:
    replica = replica_at(1)
    replica.on_increment(THIRD)
    assert replica.on_snapshot(STATES[md_seq]) is Change.NOTHING
    assert not replica.is_current


def test_a_number_that_the_venue_is_beyond_shows_a_loss_without_any_increment() -> None:
    replica = replica_at(2)
    assert replica.on_head(2) is Change.NOTHING
    assert replica.on_head(4) is Change.LOST
    assert replica.on_increment(THIRD) is Change.NOTHING
    assert replica.on_increment(FOURTH) is Change.RESTORED


def test_silence_is_a_loss_until_the_next_word() -> None:
    replica = replica_at(2)
    assert replica.lose() is Change.LOST
    assert replica.lose() is Change.NOTHING
    assert replica.on_snapshot(STATES[2]) is Change.RESTORED


def test_a_book_never_goes_back() -> None:
    replica = replica_at(3)
    replica.lose()
    assert replica.on_snapshot(STATES[2]) is Change.NOTHING
    assert (replica.is_current, replica.book.snapshot()) == (False, STATES[3])


def test_an_increment_that_contradicts_the_book_ends_it() -> None:
    replica = replica_at(1)
    assert replica.on_increment(public(2, ("0", BUY, 100, 9))) is Change.LOST
    assert (replica.is_current, replica.bids) == (False, [])
    assert replica.on_snapshot(STATES[2]) is Change.RESTORED


def test_what_is_kept_ahead_is_bounded_and_the_oldest_goes_first() -> None:
    replica = Replica(SYMBOL, ahead_max=2)
    for increment in (SECOND, THIRD, FOURTH):
        replica.on_increment(increment)
    assert replica.on_snapshot(STATES[1]) is Change.NOTHING
    assert replica.on_snapshot(STATES[2]) is Change.RESTORED
    assert replica.book.snapshot() == STATES[4]


@given(stream=increment_streams(), data=st.data())
def test_any_loss_repeat_or_reordering_ends_in_the_right_book(stream: list[BookIncrement], data: st.DataObject) -> None:
    """Increments arrive in any order, any number of times or never; snapshots are of any moment, on demand."""
    states = states_of(stream)
    replica = Replica(SYMBOL)
    arrivals = data.draw(st.lists(st.integers(1, len(stream)), max_size=60)) if stream else []
    newest = 0
    for md_seq in arrivals:
        replica.on_increment(stream[md_seq - 1])
        newest = max(newest, md_seq)
        assert replica.book.snapshot() == states[replica.md_seq]
        assert not replica.is_current or replica.md_seq >= newest
        if not replica.is_current and data.draw(st.booleans()):
            replica.on_snapshot(states[data.draw(st.integers(0, len(stream)))])
            assert replica.book.snapshot() == states[replica.md_seq]
            assert not replica.is_current or replica.md_seq >= newest
    replica.on_head(len(stream))
    replica.on_snapshot(states[-1])
    assert replica.is_current
    assert replica.book.snapshot() == states[-1]


@given(stream=increment_streams(), dropped=st.integers(0, 29))
def test_no_increment_is_lost_unnoticed(stream: list[BookIncrement], dropped: int) -> None:
    """Without a repair, a replica that missed one increment stops right before it."""
    replica = Replica(SYMBOL)
    replica.on_snapshot(Book(SYMBOL).snapshot())
    for increment in stream:
        if increment.md_seq != dropped + 1:
            replica.on_increment(increment)
    assert replica.md_seq == min(dropped, len(stream))
    assert replica.is_current == (dropped + 1 >= len(stream))
