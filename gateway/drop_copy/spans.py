"""Parts of the execution logs that somebody asks for. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from matcher.events import Event, PrivateEvent

HELD_NS_MAX: Final = 600 * 10**9
"""A request's answer is looked for so long after the request was received; one that was held longer is not found."""


class Span(msgspec.Struct, frozen=True):
    """A part of one shard's log; 0 bounds nothing."""

    shard: int
    begin_input_seq: int = 0
    end_input_seq: int = 0
    """The last one."""
    begin_ns: int = 0
    """TransactTime(60), from then on."""
    end_ns: int = 0
    """Until then, not included."""

    def has(self, event: PrivateEvent) -> bool:
        """Whether an event is in it."""
        return (
            self.begin_input_seq <= event.input_seq
            and (not self.end_input_seq or event.input_seq <= self.end_input_seq)
            and self.begin_ns <= event.transact_ns
            and (not self.end_ns or event.transact_ns < self.end_ns)
        )

    def is_past(self, events: Sequence[Event], first_input_seq: int) -> bool:
        """Whether a record, and so what follows it, is behind the end."""
        if self.end_input_seq:
            return first_input_seq > self.end_input_seq
        return bool(self.end_ns and events) and all(each.transact_ns > self.end_ns + HELD_NS_MAX for each in events)
