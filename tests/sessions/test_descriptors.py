import os

from sessions.quickfix.descriptors import FREED, LowDescriptors


def next_number() -> int:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


def test_a_number_just_closed_is_not_the_next_to_be_given():
    low = LowDescriptors()
    connection = os.open(os.devnull, os.O_RDONLY)
    assert next_number() > connection
    low.free_some()
    os.close(connection)
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(FREED)]
    assert connection not in opened
    for descriptor in opened:
        os.close(descriptor)
    low.close()


def test_the_reserve_is_filled_again_and_given_back():
    before = next_number()
    low = LowDescriptors()
    for _ in range(20):
        low.free_some()
        low.occupy()
    assert next_number() > before
    low.close()
    assert next_number() == before
