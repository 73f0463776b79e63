"""What a session's journal keeps, bounds and refuses; what is left of a broken one is in `test_journal_recovery`."""

import datetime
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.journal.journal import JournalError, JournalLimits
from sessions.journal.records import FRAME_HEAD_BYTES
from tests.sessions.journal_house import EPOCH, SMALL, files, numbers, only_file, opened, send, standing, text


def test_a_new_journal_begins_at_one_in_the_given_epoch_and_keeps_it(tmp_path: Path):
    assert standing(opened(tmp_path)) == (EPOCH, 1, 1)
    assert standing(opened(tmp_path, epoch=EPOCH + 5)) == (EPOCH, 1, 1)


def test_what_is_committed_is_there_again(tmp_path: Path):
    journal = opened(tmp_path)
    journal.note_outbound(2)  # a Logon
    journal.append_sent(2, [text(2), text(3)])
    journal.note_outbound(5)  # a Heartbeat
    journal.append_sent(6, [text(6)])
    journal.note_inbound(9)
    journal.close()
    again = opened(tmp_path)
    assert standing(again) == (EPOCH, 7, 9)
    assert numbers(again) == [2, 3, 6]
    assert numbers(again, 3, 5) == [3]
    assert numbers(again, 4, 5) == []
    assert numbers(again, 7, 3) == []


def test_what_is_not_committed_is_given_too_but_not_kept(tmp_path: Path):
    journal = opened(tmp_path)
    send(journal, 2)
    journal.append_sent(3, [text(3), text(4)])
    assert numbers(journal) == [1, 2, 3, 4]
    assert numbers(journal, 2, 3) == [2, 3]
    assert standing(opened(tmp_path)) == (EPOCH, 3, 1)


def test_what_is_given_is_of_the_moment_of_the_call(tmp_path: Path):
    journal = opened(tmp_path)
    send(journal, 2)
    journal.append_sent(3, [text(3)])
    found = journal.sent(1, 99)
    journal.commit()
    send(journal, 1)
    assert [number for number, _ in found] == [1, 2, 3]


def test_the_next_inbound_number_may_go_back(tmp_path: Path):
    journal = opened(tmp_path)
    journal.note_inbound(9)
    journal.commit()
    journal.note_inbound(4)
    journal.close()
    assert opened(tmp_path).next_inbound == 4


def test_a_number_is_never_used_twice(tmp_path: Path):
    journal = opened(tmp_path)
    send(journal, 3)
    with pytest.raises(ValueError, match="is below 4"):
        journal.append_sent(3, [text(3), text(4)])
    with pytest.raises(ValueError, match="next outbound 3 after 4"):
        journal.note_outbound(3)
    with pytest.raises(ValueError, match="next inbound 0"):
        journal.note_inbound(0)
    with pytest.raises(ValueError, match="next outbound"):
        journal.note_outbound(1 << 64)
    assert standing(journal) == (EPOCH, 4, 1)


def test_a_commit_is_one_write_and_nothing_new_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = opened(tmp_path, limits=SMALL)
    written: list[int] = []
    real = os.write

    def write(file: int, data: bytes) -> int:
        written.append(len(data))
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    for _ in range(50):
        send(journal, 3)
        journal.note_inbound(journal.next_inbound)
        journal.note_outbound(journal.next_outbound)
        journal.commit()
    assert len(written) == 50
    assert len(files(tmp_path)) > 5  # a new file is not a write more
    journal.note_inbound(2)
    journal.commit()
    assert len(written) == 51


def test_an_inbound_number_costs_a_few_bytes(tmp_path: Path):
    journal = opened(tmp_path)
    before = journal.bytes_on_disk
    journal.note_inbound(2)
    journal.commit()
    assert journal.bytes_on_disk - before == FRAME_HEAD_BYTES == 36
    journal.close()


def test_an_inbound_number_alone_may_wait_for_the_next_answer(tmp_path: Path):
    journal = opened(tmp_path)
    send(journal, 1)
    journal.note_inbound(9)
    journal.commit(inbound_may_wait=True)
    assert standing(opened(tmp_path)) == (EPOCH, 2, 1)  # the client would be asked to send again from 1 on
    journal.note_outbound(3)
    journal.commit(inbound_may_wait=True)
    assert standing(opened(tmp_path)) == (EPOCH, 3, 9)
    journal.note_inbound(10)
    journal.commit(inbound_may_wait=True)
    journal.commit()
    assert standing(opened(tmp_path)) == (EPOCH, 3, 10)


def test_numbers_may_be_written_ahead_so_that_most_messages_need_no_write(tmp_path: Path):
    """Of a session whose messages are not kept: after a kill its numbers are above all that was sent."""
    journal = opened(tmp_path, numbers_ahead=100)
    journal.note_outbound(2)
    journal.commit()
    written = only_file(tmp_path).read_bytes()
    for number in range(3, 103):
        journal.note_outbound(number)
        journal.commit()
    assert (journal.next_outbound, only_file(tmp_path).read_bytes()) == (102, written)
    assert standing(opened(tmp_path)) == (EPOCH, 102, 1)
    journal.note_outbound(103)
    journal.note_inbound(5)
    journal.commit()
    assert standing(opened(tmp_path)) == (EPOCH, 203, 5)
    journal.note_inbound(6)
    journal.commit()
    assert standing(opened(tmp_path)) == (EPOCH, 203, 6)
    journal.close()
    again = opened(tmp_path, numbers_ahead=100)
    assert standing(again) == (EPOCH, 103, 6)
    again.reset(EPOCH + 1)
    again.note_outbound(2)
    again.commit()
    assert standing(opened(tmp_path)) == (EPOCH + 1, 102, 1)


def test_no_file_is_open_before_the_first_commit_nor_at_rest(tmp_path: Path):
    def next_free_descriptor() -> int:
        with Path(os.devnull).open() as file:
            return file.fileno()

    before = next_free_descriptor()
    journal = opened(tmp_path)
    assert next_free_descriptor() == before
    send(journal, 1)
    assert next_free_descriptor() > before
    journal.rest()
    assert next_free_descriptor() == before
    send(journal, 1)
    journal.close()
    assert numbers(opened(tmp_path)) == [1, 2]


# --- resets, days, bounds ---------------------------------------------------------------------------------------------


def test_a_reset_begins_a_later_epoch_at_once(tmp_path: Path):
    journal = opened(tmp_path)
    send(journal, 3)
    journal.note_inbound(7)
    journal.reset(EPOCH + 10)
    assert standing(journal) == (EPOCH + 10, 1, 1)
    assert numbers(journal) == []
    assert standing(opened(tmp_path)) == (EPOCH + 10, 1, 1)
    send(journal, 2)
    assert numbers(opened(tmp_path)) == [1, 2]


def test_an_epoch_grows_even_if_the_clock_does_not(tmp_path: Path):
    journal = opened(tmp_path)
    journal.reset(5)
    assert journal.epoch == EPOCH + 1


def test_a_day_begins_a_new_file_and_the_numbers_go_on(tmp_path: Path):
    journal = opened(tmp_path)
    send(journal, 2)
    for _ in range(2):
        journal.roll(datetime.date(2026, 11, 20))
        send(journal, 2)
    assert [file.name[-16:] for file in files(tmp_path)] == ["00000000.journal", "20261120.journal"]
    for found in (journal, opened(tmp_path)):
        assert numbers(found) == [1, 2, 3, 4, 5, 6]
        assert numbers(found, 2, 3) == [2, 3]


def test_so_many_earlier_days_are_kept(tmp_path: Path):
    journal = opened(tmp_path, limits=SMALL)
    for day in range(1, 6):
        journal.roll(datetime.date(2026, 11, day))
        send(journal, 2)
    assert [file.name[-10:-8] for file in files(tmp_path)] == ["03", "04", "05"]
    assert journal.oldest_kept == 5
    assert numbers(journal) == [5, 6, 7, 8, 9, 10]
    assert numbers(opened(tmp_path, limits=SMALL), 1, 6) == [5, 6]


def test_so_many_earlier_epochs_are_kept(tmp_path: Path):
    journal = opened(tmp_path, limits=SMALL)
    for i in range(1, 6):
        send(journal, 1)
        journal.reset(EPOCH + i)
    assert [int(file.name.split("-")[0]) - EPOCH for file in files(tmp_path)] == [3, 4, 5]


def test_the_oldest_messages_make_room(tmp_path: Path):
    journal = opened(tmp_path, limits=SMALL)
    for _ in range(200):
        send(journal, 3)
        assert sum(file.stat().st_size for file in files(tmp_path)) < SMALL.bytes_max + 200  # one commit
    assert 1 < journal.oldest_kept < 580
    assert journal.bytes_on_disk == sum(file.stat().st_size for file in files(tmp_path))
    for found in (journal, opened(tmp_path, limits=SMALL)):
        assert numbers(found) == list(range(journal.oldest_kept, 601))
        assert standing(found) == (EPOCH, 601, 1)


def test_a_resend_goes_on_when_its_first_file_is_dropped_meanwhile(tmp_path: Path):
    journal = opened(tmp_path, limits=SMALL)
    for _ in range(30):
        send(journal, 3)
    found = journal.sent(1, 90)
    first, _ = next(found)
    for _ in range(300):
        send(journal, 3)
    rest = [number for number, _ in found]
    assert rest == sorted(rest)
    assert set(rest) < set(range(first + 1, 91))


def test_limits_leave_something_to_resend():
    with pytest.raises(ValueError, match="room for two segments"):
        JournalLimits(segment_bytes=100, bytes_max=199)


@pytest.mark.parametrize("from_disk", [False, True])
def test_any_range_of_a_long_journal_is_found(tmp_path: Path, *, from_disk: bool):
    limits = JournalLimits(segment_bytes=200_000, bytes_max=10_000_000)
    journal = opened(tmp_path, limits=limits)
    for _ in range(700):
        send(journal, 49)
        journal.note_outbound(journal.next_outbound + 1)
    assert len(files(tmp_path)) > 3
    if from_disk:
        journal.close()
        journal = opened(tmp_path, limits=limits)
    sent = [number for number in range(1, 35_001) if number % 50]
    assert numbers(journal) == sent
    for begin in (1, 2, 49, 50, 51, 999, 17_000, 34_900, 34_999, 35_000):
        for length in (0, 1, 5, 2_500):
            wanted = [number for number in range(begin, begin + length + 1) if number % 50 and number < 35_001]
            assert numbers(journal, begin, begin + length) == wanted
    assert journal.index_bytes < len(sent)  # not a byte for each


# --- a disk that does not take it -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [None, JournalLimits(segment_bytes=1, bytes_max=10_000)], ids=["same", "next file"])
@pytest.mark.parametrize("how", ["partly", "error"])
def test_a_commit_that_fails_leaves_nothing_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, limits: JournalLimits | None
):
    journal = opened(tmp_path, limits=limits)
    send(journal, 2)
    before = {file: file.read_bytes() for file in files(tmp_path)}
    real = os.write

    def write(file: int, data: bytes) -> int:
        if how == "error":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data[:-5])

    journal.append_sent(3, [text(3)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(JournalError, match=r"cannot be written: .*\.$"):
            journal.commit()
        with pytest.raises(JournalError, match="cannot be written"):
            journal.reset(EPOCH + 1)
    assert {file: file.read_bytes() for file in files(tmp_path)} == before
    assert standing(journal) == (EPOCH, 4, 1)
    journal.commit()
    assert numbers(opened(tmp_path, limits=limits)) == [1, 2, 3]
    journal.close()


def test_damage_found_while_resending_is_an_error_not_a_gap(tmp_path: Path):
    journal = opened(tmp_path)
    send(journal, 5)
    send(journal, 5)
    file = only_file(tmp_path)
    content = file.read_bytes()
    file.write_bytes(content.replace(text(7), text(6)))
    with pytest.raises(JournalError, match="is damaged at byte"):
        numbers(journal)
    journal.close()


# --- any sequence of calls --------------------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 6)),
        st.tuples(st.just("admin"), st.integers(1, 3)),
        st.tuples(st.just("inbound"), st.integers(1, 50)),
        st.tuples(st.just("commit"), st.just(0)),
        st.tuples(st.just("roll"), st.integers(1, 4)),
        st.tuples(st.just("reset"), st.just(0)),
        st.tuples(st.just("sync"), st.just(0)),
        st.tuples(st.just("kill"), st.just(0)),
        st.tuples(st.just("close"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps=steps)
def test_after_any_calls_a_journal_says_what_was_committed(tmp_path_factory: pytest.TempPathFactory, steps):
    directory = tmp_path_factory.mktemp("journal")
    limits = JournalLimits(segment_bytes=300, bytes_max=1_000_000, days_kept=99)
    journal = opened(directory, limits=limits)
    now = committed = (standing(journal), [])
    for step, amount in steps:
        stood, sent = now
        match step:
            case "send":
                first = journal.next_outbound
                journal.append_sent(first, [text(number) for number in range(first, first + amount)])
                now = (standing(journal), [*sent, *range(first, first + amount)])
            case "admin":
                journal.note_outbound(stood[1] + amount)
                now = (standing(journal), sent)
            case "inbound":
                journal.note_inbound(amount)
                now = (standing(journal), sent)
            case "roll":
                journal.commit()
                journal.roll(datetime.date(2026, 11, amount))
                committed = now
            case "reset":
                journal.reset(stood[0] + 1)
                now = committed = ((stood[0] + 1, 1, 1), [])
            case "commit":
                journal.commit()
                committed = now
            case "sync":
                journal.end_sync(journal.begin_sync())
            case "kill":
                journal.rest()
                journal, now = opened(directory, limits=limits), committed
            case "close":
                journal.close()
                journal, committed = opened(directory, limits=limits), now
        assert (standing(journal), numbers(journal)) == now
    journal.close()
