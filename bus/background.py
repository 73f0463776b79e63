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


def _tell_of_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        context = {"message": f"{task.get_name()} failed", "exception": error, "future": task}
        task.get_loop().call_exception_handler(context)
