"""
Time that passes only when nobody has anything to do: one agenda for the world, and an asyncio event loop per process.

What is due at the same moment is done in the order in which it was planned, so the same plans give the same run. A
process can be paused, as by SIGSTOP, and finds on its agenda later what came meanwhile; or ended, as by SIGKILL, and
does nothing any more.
"""

import asyncio
import heapq
from asyncio import _set_running_loop
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Final, NamedTuple, TypeVarTuple

_Ts = TypeVarTuple("_Ts")
_DYING_ROUNDS_MAX: Final = 50
"""How often the tasks of an ended process are canceled at most, if they do not want to end."""


class _Due(NamedTuple):
    # What is to be called, by whom; nobody is the world itself.
    loop: "ProcessLoop | None"
    handle: asyncio.Handle | None
    callback: Callable[..., object]
    args: tuple[Any, ...]
    context: Context | None


class Agenda:
    """What everybody is about to do, and when."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._ready: deque[_Due] = deque()
        self._timers: list[tuple[float, int, _Due]] = []
        self._planned = 0

    def call_at(self, when_s: float, callback: Callable[..., object], *args: Any) -> None:
        """Plan something of the world outside the processes."""
        self.plan(when_s, _Due(None, None, callback, args, None))

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        """Plan something of the world outside the processes."""
        self.plan(self.now_s + delay_s, _Due(None, None, callback, args, None))

    def plan(self, when_s: float, due: _Due) -> None:
        """For a moment; one that has passed comes as soon as all that is due before it is done."""
        self._planned += 1
        heapq.heappush(self._timers, (when_s, self._planned, due))

    def plan_now(self, due: _Due) -> None:
        """After all that is due now."""
        self._ready.append(due)

    def step(self) -> bool:
        """Do the next thing; False: there is nothing to do any more."""
        if not self._ready and not self._look_ahead():
            return False
        due = self._ready.popleft()
        if due.loop is None:
            due.callback(*due.args)
        else:
            due.loop.take(due)
        return True

    def take_out(self, loop: "ProcessLoop") -> list[_Due]:
        """All that is due now for one process; it is no longer planned."""
        taken = [due for due in self._ready if due.loop is loop]
        self._ready = deque(due for due in self._ready if due.loop is not loop)
        return taken

    def _look_ahead(self) -> bool:
        timers = self._timers
        if not timers:
            return False
        self.now_s = max(self.now_s, timers[0][0])
        while timers and timers[0][0] <= self.now_s:
            self._ready.append(heapq.heappop(timers)[2])
        return True


class ProcessLoop(asyncio.BaseEventLoop):
    """The event loop of one life of one process; `thread_s` says how long each piece of work in a thread takes."""

    def __init__(self, agenda: Agenda, *, thread_s: Callable[[], float]) -> None:
        super().__init__()
        self._agenda = agenda
        self._thread_s = thread_s
        self._backlog: deque[_Due] = deque()
        self._is_paused = False
        self._has_ended = False

    @property
    def is_paused(self) -> bool:
        """Whether it stands still."""
        return self._is_paused

    @property
    def has_ended(self) -> bool:
        """Whether it does nothing any more."""
        return self._has_ended

    def time(self) -> float:
        """Virtual seconds since the world began, the same for everybody."""
        return self._agenda.now_s

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """See asyncio."""
        handle = asyncio.Handle(callback, args, self, context)
        due = _Due(self, handle, callback, args, context)
        if self._has_ended:
            self._backlog.append(due)
        else:
            self._agenda.plan_now(due)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """See asyncio; there is one thread only."""
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self._has_ended:
            self._agenda.plan(when, _Due(self, handle, callback, args, context))
        return handle

    def run_in_executor(  # type: ignore[override]  # typeshed has this as the coroutine that it is not
        self, _executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Do the work later, at one moment; whoever waits for it does other things until then."""
        done: asyncio.Future[Any] = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except Exception as error:  # as a thread would, it is handed to whoever waits
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        self.call_later(self._thread_s(), work)
        return done

    def take(self, due: _Due) -> None:
        """Do what is due, or keep it for later."""
        if self._is_paused:
            self._backlog.append(due)
        elif not self._has_ended:
            self._call(due)

    def pause(self) -> None:
        """Stand still: what comes due waits."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on, first with what came due meanwhile."""
        self._is_paused = False
        backlog, self._backlog = self._backlog, deque()
        for due in backlog:
            self._agenda.plan_now(due)

    def end(self) -> None:
        """
        Be gone at once.

        Its tasks are unwound, which nobody sees: no time passes, and its connection is dead already.
        """
        self._is_paused = False
        self._has_ended = True
        self._backlog.extend(self._agenda.take_out(self))
        for _ in range(_DYING_ROUNDS_MAX):
            tasks = asyncio.all_tasks(self)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            while self._backlog:
                self._call(self._backlog.popleft())
        self._backlog.clear()
        self.close()

    def _call(self, due: _Due) -> None:
        handle = due.handle
        if handle is not None and handle.cancelled():
            return
        _set_running_loop(self)
        try:
            (due.context or copy_context()).run(due.callback, *due.args)
        except Exception as error:  # as asyncio does
            self.call_exception_handler({"message": "a callback failed", "exception": error, "handle": handle})
        finally:
            _set_running_loop(None)
