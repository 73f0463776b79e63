"""
The way in: from an engine's threads to the event loop, in order, in batches, with back-pressure.

An engine thread calls `put` and goes on. The loop is woken once for a burst, not once for each item. When too many
items wait, because the loop is slow or the application holds them, `put` blocks: the engine then stops reading from its
sockets, and TCP tells the clients. Nothing is dropped while the intake is open.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

BATCH_ITEMS_MAX: Final = 256
"""Items delivered at once; then the loop looks after its other work before the next batch."""

BUSY_ITEMS_PER_S: Final = 10_000
"""From this rate on, items are collected for `PAUSE_S` before each delivery. To wake the loop for each message costs as
much as QuickFIX's own work on it: 37,000 messages a second without the pause, 60,000 with it, measured."""

PAUSE_S: Final = 0.001
"""As short as an event loop's timers go. Below that rate nothing waits for it."""


class Intake(Generic[Item]):
    """A bounded queue whose readers' side is a callback on the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, deliver: Callable[[list[Item]], None], *, items_max: int
    ) -> None:
        """
        Args:
            loop: Where `deliver` is called.
            deliver: Takes the next items, in the order of `put`.
            items_max: Items that may wait; each engine thread may be one above it.
        """
        self._loop = loop
        self._deliver = deliver
        self._items_max = items_max
        self._items: deque[Item] = deque()
        self._woken = False  # a `_drain` is on its way, and will see every item put before it
        self._held = False
        self._closed = False
        self._room = threading.Condition()
        self._waiting = 0  # threads in `_wait_for_room`
        self._pace = _Pace()

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._items)

    def put(self, item: Item) -> None:
        """Queue one item; called on any thread but the loop's. Blocks while too many wait."""
        if len(self._items) >= self._items_max:
            self._wait_for_room()
        if self._closed:
            return
        self._items.append(item)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._drain)

    def hold(self) -> None:
        """Deliver nothing until `release`; called on the loop's thread."""
        self._held = True

    def release(self) -> None:
        """Deliver again; called on the loop's thread."""
        if self._held:
            self._held = False
            self._wake_again()

    def close(self) -> None:
        """Deliver nothing more: what waits, and what is put from now on, is dropped, and nobody blocks. Any thread."""
        self._closed = True
        with self._room:
            self._room.notify_all()

    def _wait_for_room(self) -> None:
        with self._room:
            self._waiting += 1  # before the look at the length: whoever makes room after it sees that one waits
            while len(self._items) >= self._items_max and not self._closed:
                self._room.wait()
            self._waiting -= 1

    def _drain(self) -> None:
        if self._held or self._closed:
            return  # `_woken` stays: `release` wakes again, and no `put` has to
        self._woken = False  # before the first pop: an item put from here on wakes the loop by itself
        items = self._items
        batch = [items.popleft() for _ in range(min(len(items), BATCH_ITEMS_MAX))]
        if self._waiting:
            with self._room:
                self._room.notify_all()
        if batch:
            self._deliver(batch)
        busy = self._pace.is_busy(len(batch), self._loop.time())
        if len(items) >= BATCH_ITEMS_MAX or (items and not busy):
            self._wake_again()
        elif busy and not self._woken:
            self._woken = True
            self._loop.call_later(PAUSE_S, self._drain)

    def _wake_again(self) -> None:
        self._woken = True
        self._loop.call_soon(self._drain)


class _Pace:
    """Whether items come fast enough to be worth collecting."""

    def __init__(self) -> None:
        self._since_s = 0.0
        self._items = 0
        self._busy = False

    def is_busy(self, items: int, now_s: float) -> bool:
        """Count a delivery; judge the rate anew when at least `PAUSE_S` has gone by since the last judgement."""
        self._items += items
        elapsed_s = now_s - self._since_s
        if elapsed_s >= PAUSE_S:
            self._busy = self._items >= BUSY_ITEMS_PER_S * elapsed_s
            self._since_s = now_s
            self._items = 0
        return self._busy
