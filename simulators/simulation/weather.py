"""
How messages fare on their way, drawn from a seed: each seed has its own weather, some fair, some foul.

What one connection carries arrives in the order in which it was sent, but for what is named here; a record that is
acknowledged was stored in its turn. That much the venue depends on. What is lost on its way may still come, seconds
later, when its writer has long sent it again, or is dead.
"""

import random
from typing import Final

import msgspec

_LATENCIES_S: Final = ((0.0003, 0.004), (0.0003, 0.004), (0.001, 0.1))
"""Of each message, least and most; the last one is of a busy network, or of a slow disk."""


class Chances(msgspec.Struct, frozen=True):
    """Of each message on its way; 0 to 1."""

    publish_lost: float = 0.0
    publish_repeated: float = 0.0
    """A copy comes later, out of turn; of what was lost as well."""
    ack_lost: float = 0.0
    ack_late: float = 0.0
    request_lost: float = 0.0
    delivery_lost: float = 0.0
    delivery_repeated: float = 0.0
    delivery_late: float = 0.0
    """It is overtaken by those behind it."""
    slow: float = 0.0
    """It and all behind it take their time."""


FAIR: Final = Chances()


class Weather:
    """Draws the fate of messages."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 -- a simulation that must repeat, not a secret
        draw = self._random.random
        self._latency_s = self._random.choice(_LATENCIES_S)
        severity = self._random.choice((0.0, 0.01, 0.03, 0.1))
        self.chances = Chances(**{name: severity * draw() for name in Chances.__struct_fields__})

    def clear_up(self) -> None:
        """From now on everything arrives, in order."""
        self.chances = FAIR

    def strikes(self, chance: float) -> bool:
        """Whether something of this chance happens now."""
        return chance > 0 and self._random.random() < chance

    def latency_s(self) -> float:
        """From a process to the server, or back."""
        if self.strikes(self.chances.slow):
            return self._random.uniform(0.01, 0.4)
        return self._random.uniform(*self._latency_s)

    def delay_s(self) -> float:
        """Of what is late, or comes again."""
        return self._random.choice((0.005, 0.05, 0.5, 3.0)) * self._random.random()

    def uniform(self, least: float, most: float) -> float:
        """Anything between the two."""
        return self._random.uniform(least, most)
