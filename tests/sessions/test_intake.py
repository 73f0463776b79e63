import asyncio
import threading

from sessions.quickfix.intake import BATCH_ITEMS_MAX, Intake

DEADLINE_S = 10.0


def in_thread(function, *args) -> threading.Thread:
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - threads change it, and they set no asyncio.Event
            await asyncio.sleep(0.001)


async def test_items_of_a_thread_come_in_order_and_on_the_loop():
    got: list[int] = []
    threads = set()

    def deliver(items: list[int]) -> None:
        threads.add(threading.get_ident())
        got.extend(items)

    intake = Intake[int](asyncio.get_running_loop(), deliver, items_max=100)
    in_thread(lambda: [intake.put(n) for n in range(20_000)])
    await until(lambda: len(got) == 20_000)
    assert got == list(range(20_000))
    assert threads == {threading.get_ident()}


async def test_no_thread_is_forgotten_when_many_wait_for_room():
    got: list[tuple[int, int]] = []
    intake = Intake[tuple[int, int]](asyncio.get_running_loop(), got.extend, items_max=3)
    for writer in range(8):
        in_thread(lambda writer=writer: [intake.put((writer, n)) for n in range(500)])
    await until(lambda: len(got) == 8 * 500)
    for writer in range(8):
        assert [n for w, n in got if w == writer] == list(range(500))


async def test_a_batch_is_bounded():
    sizes: list[int] = []
    intake = Intake[int](asyncio.get_running_loop(), lambda items: sizes.append(len(items)), items_max=10_000)
    intake.hold()
    in_thread(lambda: [intake.put(n) for n in range(5000)]).join()
    intake.release()
    await until(lambda: sum(sizes) == 5000)
    assert max(sizes) == BATCH_ITEMS_MAX


async def test_what_is_held_blocks_its_writer_and_is_not_lost():
    got: list[int] = []
    intake = Intake[int](asyncio.get_running_loop(), got.extend, items_max=10)
    intake.hold()
    writer = in_thread(lambda: [intake.put(n) for n in range(30)])
    await until(lambda: len(intake) == 10)
    assert writer.is_alive()
    assert got == []
    intake.release()
    await until(lambda: len(got) == 30)
    assert got == list(range(30))


async def test_closing_lets_blocked_writers_go_and_delivers_nothing_more():
    got: list[int] = []
    intake = Intake[int](asyncio.get_running_loop(), got.extend, items_max=10)
    intake.hold()
    writer = in_thread(lambda: [intake.put(n) for n in range(30)])
    await until(lambda: len(intake) == 10)
    intake.close()
    await until(lambda: not writer.is_alive())
    intake.release()
    await asyncio.sleep(0)
    assert got == []
