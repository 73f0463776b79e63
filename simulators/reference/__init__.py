"""
A slow, obvious engine: the same commands in, the same events out, written for reading and not for speed.

It is what `matcher.engine` is checked against, written from matcher/RULES.md alone. All orders of the shard that it
remembers stand in one list; every question is answered by going through that list; the public view is computed from
scratch before and after each command and compared; what an order could trade is tried out on a copy. It shares the
vocabulary with the matcher and nothing else. Texts for Text(58) it leaves empty.

Start with `engine` (a command from beginning to end), then `matching` (what an incoming order does) and `memory`
(what there is); the other modules are one chapter of the rules each.
"""

from simulators.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
