"""Repeating groups, as far as QuickFIX needs help: which bodies have some, and whether their counts are right."""

from typing import Final

from sessions.fix_text import miscounted_group

_GROUPED_BODIES: Final = tuple(
    f"35={msg_type}\x01" for msg_type in ("W", "X", "N", "b", "B", "d", "y", "AE", "BX", "BY")
)
_PARTIES: Final = "\x01453="
_PARTIES_DELIMITERS: Final = {"453": "448", "802": "523"}
_DELIMITERS: Final = {
    "V": {"267": "269", "146": "55"},
    "E": {"73": "11"},
    "i": {"296": "302", "295": "299"},
    "Z": {"295": "55"},
    "BW": {"1351": "1355"},
}
"""By message: the tag of each group's count, and the one that begins its entries."""


def has_groups(body: str) -> bool:
    """Whether a body that the venue sends has repeating groups, which keep their order only with a dictionary."""
    return body.startswith(_GROUPED_BODIES) or _PARTIES in body


def miscounted(text: str) -> str | None:
    """The count's tag of the first group of a received message that has another number of entries; None if none has."""
    type_at = text.find("\x0135=", 0, 32) + 4
    delimiters = _DELIMITERS.get(text[type_at : text.find("\x01", type_at)], {})
    if _PARTIES in text:
        delimiters = delimiters | _PARTIES_DELIMITERS
    return miscounted_group(text, delimiters) if delimiters else None
