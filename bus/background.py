"""
Tasks that run beside the main work of a process.

asyncio tells of a failed task only when nobody holds it any more; one that is kept fails in silence, and its work is
simply no longer done. A task started here tells the event loop's exception handler at once, which ends the process.
"""

import asyncio
from collections.abc import Coroutine


def start(work: Coroutine[object, object, None], *, name: str) -> "asyncio.Task[None]":
    """Run `work` as a task whose failure is everybody's concern; keep the result as long as it is to run."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell_of_failure)
    return task


async def unless_set(event: asyncio.Event, work: Coroutine[object, object, None]) -> bool:
    """
    Do work that an event makes needless; it is canceled when that comes first. What `work` raises is raised.

    Returns:
        Whether it was done.
    """
    working, waiting = asyncio.create_task(work), asyncio.create_task(event.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        is_done = working.done()
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
    if is_done:
        working.result()
    return is_done


def _tell_of_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        context = {"message": f"{task.get_name()} failed", "exception": error, "future": task}
        task.get_loop().call_exception_handler(context)
