"""Work beside the main work: its failure is everybody's, and it can be ended before it is done."""

import asyncio
from typing import Any

import pytest

from bus import background


async def fail() -> None:
    raise LookupError("nothing there")


async def test_a_task_that_fails_is_told_to_the_event_loop() -> None:
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.put_nowait(context))
    task = background.start(fail(), name="search")
    context = await told.get()
    assert (context["message"], str(context["exception"])) == ("search failed", "nothing there")
    assert task.done()


async def test_work_that_ends_before_the_event_was_done() -> None:
    assert await background.unless_set(asyncio.Event(), asyncio.sleep(0))


async def test_work_is_canceled_when_the_event_comes_first() -> None:
    event, began, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    doing = asyncio.create_task(background.unless_set(event, work()))
    await began.wait()
    event.set()
    assert not await doing
    assert ended.is_set()


async def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(LookupError, match="nothing there"):
        await background.unless_set(asyncio.Event(), fail())


async def test_whoever_waits_for_the_work_is_canceled_with_it() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    doing = asyncio.create_task(background.unless_set(asyncio.Event(), work()))
    await began.wait()
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert ended.is_set()
