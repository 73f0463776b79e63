r"""
Acceptance scripts: files in `scripts/`, one case each, that say what clients send and what the venue answers. Pure.

    # Why this is so, and where it is written.
    versions FIX.4.4 FIXT.1.1                       only these; without the line, all three
    FIRMA1 > 35=D|11=~a|38=100|40=2|44=10|54=1|     the client sends, 35= and body fields
    FIRMA1 < 35=8|11=~a|37=$id|150=0|39=0           the venue's next message to this client has these fields
    FIRMA1 < 35=8|11=~a|150=4|!                     ... and no others in its body
    FIRMA1 quiet                                    nothing else is on its way to this client
    FIRMA1 disconnect                               cut the connection; `logout` ends it properly
    FIRMA1 logon                                    come back, numbers go on; `logon reset` sends 141=Y
    FIRMB1 speaks FIX.4.2                           this client's version, whatever that of the others

A client logs on, with 141=Y, when a script first names it, so the numbers of each script are its own. Order does not
matter in an expected message, except from NoMDEntries(268) on: entries stand exactly as written. The header is compared
only where the script names one of its tags. Values:

    ~         a prefix of this run, in front of ids
    $today    TradeDate(75) of a trade that happens now
    $name     whatever is there the first time, the same from then on; `$name+1` is a number, one above
    *         whatever, but it is there; `-` it is not there (or, in what is sent, it is left out)
    {a,b,c}   a in FIX 5.0SP2, b in FIX 4.4, c in FIX 4.2, the order of FIX.md; an empty one: it is not there
    {fill} {status}   ExecType(150) of a fill and of a status report; in FIX 4.2 as OrdStatus(39) of the same line
    {miscounted}      SessionRejectReason(373) of a group with another count than entries: 16, which FIX 4.2 does not
                      have; 5 from QuickFIX, whose Python callbacks can say nothing nearer

D, F and G are completed with TransactTime(60), and in FIX 4.2 D and G with HandlInst(21)=1, unless the line names them.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sessions.fix_text import HEADER_TAGS, TRAILER_TAGS

VERSIONS: Final = ("FIXT.1.1", "FIX.4.4", "FIX.4.2")
NO_MD_ENTRIES: Final = "268"
BEHIND_ENTRIES: Final = TRAILER_TAGS | {"779", "1682", "9010"}
"""Fields of the body that QuickFIX, which sorts by tag, sends after the entries."""

Pair = tuple[str, str]

_SEND, _EXPECT = ">", "<"
ACTIONS: Final = ("quiet", "disconnect", "logout", "logon", "speaks")
"""Words of these scripts; other scripts of the same format have others."""
_CHOICE: Final = re.compile(r"\{([^{}]*)\}")


class ScriptError(Exception):
    """A script that cannot be read; the message names file and line."""


@dataclass(frozen=True)
class Step:
    """One line of a script."""

    place: str
    """`name:line`"""
    text: str
    client: str
    action: str
    """`>`, `<`, or a word."""
    pairs: tuple[Pair, ...] = ()
    is_whole: bool = False
    """No body fields but these."""
    argument: str = ""


@dataclass(frozen=True)
class Script:
    name: str
    versions: tuple[str, ...]
    steps: tuple[Step, ...]


def read(path: Path, actions: tuple[str, ...] = ACTIONS) -> Script:
    """
    Read a script, in which `actions` may stand where `>` and `<` do.

    Raises:
        ScriptError: A line is none of those above.
    """
    return parse(path.stem, path.read_text(), actions)


def parse(name: str, text: str, actions: tuple[str, ...] = ACTIONS) -> Script:
    """As `read`, from text."""
    versions, steps = VERSIONS, []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        place = f"{name}:{number}"
        word, _, rest = line.strip().partition(" ")
        if word == "versions":
            versions = tuple(rest.split())
            if not set(versions) <= set(VERSIONS):
                raise ScriptError(f"{place}: versions are some of {' '.join(VERSIONS)}, not {rest!r}")
        else:
            steps.append(_step(place, line.strip(), word, rest, actions))
    if not steps:
        raise ScriptError(f"{name}: nothing happens in it")
    return Script(name, versions, tuple(steps))


def _step(place: str, line: str, client: str, rest: str, actions: tuple[str, ...]) -> Step:
    action, _, argument = rest.strip().partition(" ")
    if action in actions:
        return Step(place, line, client, action, argument=argument.strip())
    if action not in (_SEND, _EXPECT):
        raise ScriptError(f"{place}: after {client!r} comes one of > < {' '.join(actions)}, not {action!r}")
    is_whole = action == _EXPECT and argument.endswith("|!")
    pairs = fields_of(place, argument.strip().removesuffix("!"))
    if pairs[0][0] != "35":
        raise ScriptError(f"{place}: a message begins with 35=")
    return Step(place, line, client, action, pairs, is_whole)


def fields_of(place: str, text: str) -> tuple[Pair, ...]:
    """
    Read fields as they are written in a line.

    Raises:
        ScriptError: What stands there is no `tag=value|tag=value`.
    """
    pairs = []
    for field in text.removesuffix("|").split("|"):
        tag, equals, value = field.partition("=")
        if not equals or not tag.isdigit():
            raise ScriptError(f"{place}: {field!r} is no tag=value")
        pairs.append((tag, value))
    return tuple(pairs)


def in_version(pairs: tuple[Pair, ...], version: str, engine: str) -> list[Pair]:
    """Choose among `{a,b,c}` and put values for names; a field of which nothing is left becomes `-`."""
    ord_status = next((value for tag, value in pairs if tag == "39"), "*")
    is_42 = version == "FIX.4.2"
    miscounted = "5" if engine == "quickfix" else "" if is_42 else "16"
    words = {"fill": ord_status if is_42 else "F", "status": ord_status if is_42 else "I", "miscounted": miscounted}

    def chosen(match: re.Match[str]) -> str:
        return words[match[1]] if match[1] in words else match[1].split(",")[VERSIONS.index(version)]

    return [(tag, (_CHOICE.sub(chosen, value) or "-") if "{" in value else value) for tag, value in pairs]


def differences(expected: list[Pair], received: list[Pair], captured: dict[str, str], *, is_whole: bool) -> list[str]:
    """
    Compare a message with what a script expects of it, and capture values.

    Args:
        expected: After `in_version`, with the run's prefix in place.
        received: All fields of the message, in order.
        captured: Values by name; gains those that are named for the first time.
        is_whole: The body has no other fields.

    Returns:
        One line for each difference; none when the message is as expected.
    """
    wanted, wanted_entries = _split(expected)
    body, entries = _split(received)
    found = []
    values = dict(reversed(body))  # the first of equal tags counts
    for tag, value in wanted:
        found += _difference(tag, value, values.get(tag), captured)
    if is_whole:
        named = {tag for tag, _ in wanted} | HEADER_TAGS | TRAILER_TAGS
        found += [f"{tag}: unexpected, {value}" for tag, value in body if tag not in named]
    if wanted_entries or (is_whole and entries):
        found += _entry_differences(wanted_entries, entries, captured)
    return found


def _split(pairs: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """The fields of the message, and the entries of market data."""
    at = next((place for place, (tag, _) in enumerate(pairs) if tag == NO_MD_ENTRIES), len(pairs))
    entries = [(tag, value) for tag, value in pairs[at:] if tag not in BEHIND_ENTRIES and value != "-"]
    return [*pairs[:at], *(pair for pair in pairs[at:] if pair[0] in BEHIND_ENTRIES)], entries


def _entry_differences(wanted: list[Pair], entries: list[Pair], captured: dict[str, str]) -> list[str]:
    found = []
    for place, (tag, value) in enumerate(wanted):
        got_tag, got = entries[place] if place < len(entries) else ("nothing", None)
        if got_tag != tag:
            return [*found, f"entries, field {place + 1}: expected {tag}={value}, received {got_tag}={got}"]
        found += [f"entries, field {place + 1}, {text}" for text in _difference(tag, value, got, captured)]
    return [*found, *(f"entries: unexpected, {tag}={value}" for tag, value in entries[len(wanted) :])]


def _difference(tag: str, expected: str, received: str | None, captured: dict[str, str]) -> list[str]:
    if expected == "-":
        return [] if received is None else [f"{tag}: expected to be absent, received {received}"]
    if received is None:
        return [f"{tag}: expected {expected}, not there"]
    if expected == "*":
        return []
    if expected.startswith("$"):
        name, _, above = expected.partition("+")
        known = str(int(captured[name]) + int(above)) if above else captured.setdefault(name, received)
        return [] if known == received else [f"{tag}: expected {expected}, which is {known}, received {received}"]
    return [] if expected == received else [f"{tag}: expected {expected}, received {received}"]
