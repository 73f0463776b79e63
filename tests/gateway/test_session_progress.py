"""The mark up to which a session's requests are all in the log."""

import random

from gateway.session_progress import SessionProgress


def begun(*numbers: int, epoch: int = 1) -> SessionProgress:
    progress = SessionProgress()
    for number in numbers:
        progress.begin(epoch, number)
    return progress


def test_a_new_session_has_nothing_in_the_log() -> None:
    assert SessionProgress().durable_msg_seq_num == 0


def test_the_mark_stays_before_the_first_request_in_doubt() -> None:
    progress = begun(2, 3, 4)
    assert progress.durable_msg_seq_num == 1
    progress.end(1, 3)
    progress.end(1, 4)
    assert progress.durable_msg_seq_num == 1
    progress.end(1, 2)
    assert progress.durable_msg_seq_num == 4


def test_numbers_that_were_no_requests_do_not_hold_the_mark() -> None:
    progress = begun(2, 7, 9)
    progress.end(1, 2)
    assert progress.durable_msg_seq_num == 6
    progress.end(1, 7)
    progress.end(1, 9)
    assert progress.durable_msg_seq_num == 9


def test_a_restarted_session_goes_on_from_what_the_log_knows() -> None:
    progress = SessionProgress()
    progress.resume(3, 41)
    assert (progress.session_epoch, progress.durable_msg_seq_num) == (3, 41)
    progress.begin(3, 42)
    assert progress.durable_msg_seq_num == 41
    progress.end(3, 42)
    assert progress.durable_msg_seq_num == 42


def test_a_new_epoch_begins_anew_and_ends_of_the_old_one_mean_nothing() -> None:
    progress = begun(8, 9)
    progress.begin(2, 2)
    assert (progress.session_epoch, progress.durable_msg_seq_num) == (2, 1)
    progress.end(1, 2)
    assert progress.durable_msg_seq_num == 1
    progress.end(2, 2)
    assert progress.durable_msg_seq_num == 2


def test_an_end_twice_is_harmless() -> None:
    progress = begun(1, 2)
    progress.end(1, 1)
    progress.end(1, 1)
    assert progress.durable_msg_seq_num == 1


def test_in_whatever_order_they_become_durable_the_mark_is_right() -> None:
    chance = random.Random(1)
    numbers = sorted(chance.sample(range(1, 1000), 200))
    progress = begun(*numbers)
    open_numbers = set(numbers)
    for number in chance.sample(numbers, 200):
        progress.end(1, number)
        open_numbers.discard(number)
        assert progress.durable_msg_seq_num == (min(open_numbers) - 1 if open_numbers else numbers[-1])


def test_a_request_to_several_shards_is_in_doubt_until_each_has_it() -> None:
    progress = begun(2, 3, 4)
    progress.spread(4, 1)
    progress.spread(3, 3)
    for number in (2, 4):
        progress.end(1, number)
    for _ in range(2):
        progress.end(1, 3)
        assert progress.durable_msg_seq_num == 2
    progress.end(1, 3)
    assert progress.durable_msg_seq_num == 4


def test_a_new_epoch_forgets_what_was_spread() -> None:
    progress = begun(2)
    progress.spread(2, 2)
    progress.begin(2, 2)
    progress.end(2, 2)
    assert progress.durable_msg_seq_num == 2
