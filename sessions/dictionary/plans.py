"""
What can be said of a message by its tags alone, and what is then left to look at in its values. Pure.

Theory. The messages of a day have very few *shapes*: the sequence of their tags, without values. Order, repetition,
required tags, tags that are not defined and the nesting of repeating groups depend on the shape only. So a shape is
judged once, by the walk below; the outcome is a fault, or a plan: which values are to be tested, where they stand, and
by what. The dictionary remembers it. A message of a known shape costs one look-up and the tests of its values.

The walk reads the tags from left to right, as the standard lays a message out: header, body, trailer. A group's entry
begins with its delimiter and has its fields in the dictionary's order. A group ends with the first tag that is not its
own; a tag that no one knows, if such are let through, belongs to the entry that it stands in.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from sessions.dictionary.formats import DATA_TYPES, Accepts, accepts_value
from sessions.dictionary.xml_reader import Field, Member

USER_DEFINED: Final = 5000
"""Tags from here on are not the standard's but agreed between two parties (FIX volume 1, "User Defined Fields")."""

_FRAMING_TAGS: Final = frozenset(("8", "9", "35", "10"))
"""BeginString, BodyLength, MsgType, CheckSum: without them it would not have been a message. They are not asked for."""

_READ_TAGS: Final = frozenset((*_FRAMING_TAGS, "34", "52"))
"""With MsgSeqNum and SendingTime: whoever cut the message out of the stream, and the session, have read these values
before the dictionary is asked, and judged them. They are not tested again."""


class Reason(IntEnum):
    """SessionRejectReason(373): those that the dictionary gives. Others are the session's (9, 10) or are not used."""

    INVALID_TAG_NUMBER = 0
    REQUIRED_TAG_MISSING = 1
    TAG_NOT_DEFINED_FOR_MESSAGE = 2
    UNDEFINED_TAG = 3
    TAG_WITHOUT_VALUE = 4
    VALUE_INCORRECT = 5
    INCORRECT_DATA_FORMAT = 6
    INVALID_MSG_TYPE = 11
    TAG_REPEATED = 13
    TAG_OUT_OF_ORDER = 14
    GROUP_OUT_OF_ORDER = 15
    NUM_IN_GROUP_INCORRECT = 16
    VALUE_INCLUDES_DELIMITER = 17


class BusinessReason(IntEnum):
    """BusinessRejectReason(380): those that the dictionary gives."""

    UNSUPPORTED_MESSAGE_TYPE = 3
    CONDITIONALLY_REQUIRED_FIELD_MISSING = 5


_TEXTS: Final[Mapping[Reason, str]] = {
    Reason.INVALID_TAG_NUMBER: "Invalid tag number",
    Reason.REQUIRED_TAG_MISSING: "Required tag missing",
    Reason.TAG_NOT_DEFINED_FOR_MESSAGE: "Tag not defined for this message type",
    Reason.UNDEFINED_TAG: "Undefined tag",
    Reason.TAG_WITHOUT_VALUE: "Tag specified without a value",
    Reason.VALUE_INCORRECT: "Value is incorrect (out of range) for this tag",
    Reason.INCORRECT_DATA_FORMAT: "Incorrect data format for value",
    Reason.INVALID_MSG_TYPE: "Invalid MsgType",
    Reason.TAG_REPEATED: "Tag appears more than once",
    Reason.TAG_OUT_OF_ORDER: "Tag specified out of required order",
    Reason.GROUP_OUT_OF_ORDER: "Repeating group fields out of order",
    Reason.NUM_IN_GROUP_INCORRECT: "Incorrect NumInGroup count for repeating group",
    Reason.VALUE_INCLUDES_DELIMITER: "Non data value includes field delimiter (SOH character)",
}
_BUSINESS_TEXTS: Final[Mapping[BusinessReason, str]] = {
    BusinessReason.UNSUPPORTED_MESSAGE_TYPE: "Unsupported Message Type",
    BusinessReason.CONDITIONALLY_REQUIRED_FIELD_MISSING: "Conditionally Required Field Missing",
}
"""The standard's own words."""


class Fault(NamedTuple):
    """Why a message is refused."""

    reason: int  # SessionRejectReason(373) of a Reject(3); BusinessRejectReason(380) of a j if business
    ref_tag: int  # RefTagID(371); 0: no tag to name
    text: str  # Text(58): the standard's words, then the tag; nothing that the peer wrote
    business: bool = False


class Strictness(NamedTuple):
    """What is refused besides the certain faults. Each default is the standard's rule."""

    unknown_tags: bool = True  # tags below 5000 that the message does not have: 373=0 or 2
    user_defined_tags: bool = False  # tags from 5000 on that the message does not have: 373=2 or 3
    unspoken_messages: bool = True  # message types of the standard that the dictionary does not describe: 380=3
    section_order: bool = True  # header, body, trailer: 373=14
    group_order: bool = True  # fields of an entry in another order than the dictionary's: 373=15


class Plan(NamedTuple):
    """What to look at in the values of one shape; places are positions in the message, from 0."""

    tests: tuple[tuple[int, Accepts], ...]
    counts: tuple[tuple[int, int], ...]  # place of NumInGroup, entries there are
    lengths: tuple[tuple[int, int], ...]  # place of the length, place of the data
    data: frozenset[int]  # places where SOH may be part of the value
    conditions: tuple[tuple[int, frozenset[str], Fault], ...]  # place, values, the fault if it has one of them
    has_relations: bool  # any of counts, lengths and conditions


class Scope:
    """Where tags stand beside each other: a header, a body, a trailer or an entry of a group."""

    __slots__ = ("groups", "members", "order", "required")

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = {member.tag: member for member in members}
        self.order = {member.tag: place for place, member in enumerate(members)}
        self.required = tuple(m.tag for m in members if m.required and m.tag not in _FRAMING_TAGS)
        self.groups = {member.tag: Scope(member.group) for member in members if member.group}


class Vocabulary:
    """The fields that a dictionary defines, with their tests; one for all messages."""

    def __init__(self, fields: Mapping[str, Field], highest_tag: int) -> None:
        self.fields = dict(fields)
        self.tests = {
            tag: accepts
            for tag, field in fields.items()
            if tag not in _READ_TAGS and (accepts := accepts_value(field.type, field.values)) is not None
        }
        self.length_tags = dict(_length_tags(fields))
        self._highest_tag = highest_tag

    def fault(self, reason: Reason | BusinessReason, tag: str) -> Fault:
        """The fault of one tag, in words."""
        field = self.fields.get(tag)
        number = _tag_number(tag)
        named = f"{field.name}({tag})" if field else str(number or "not a number of a tag")
        if isinstance(reason, BusinessReason):
            return Fault(reason.value, number, f"{_BUSINESS_TEXTS[reason]}: {named}", business=True)
        return Fault(reason.value, number, f"{_TEXTS[reason]}: {named}")

    def strange_tag(self, tag: str) -> Reason:
        """What is wrong with a tag that its message does not have."""
        number = _tag_number(tag)
        if tag in self.fields or 0 < number <= self._highest_tag:
            return Reason.TAG_NOT_DEFINED_FOR_MESSAGE
        return Reason.UNDEFINED_TAG if number >= USER_DEFINED else Reason.INVALID_TAG_NUMBER


class Layout(NamedTuple):
    """All that the walk needs to know of one message type."""

    header: Scope
    body: Scope
    trailer: Scope
    is_session_message: bool
    is_spoken: bool  # if not, its body is not looked at


def judge_shape(layout: Layout, vocabulary: Vocabulary, strictness: Strictness, tags: Sequence[str]) -> Plan | Fault:
    """
    Judge a message by its tags.

    Returns:
        The first fault: of the order (373=14 and within groups 15, 13 and 1), from left to right; then of required
        tags of the header, the body and the trailer (1); then of tags that should not be there (0, 2, 3, 13), from
        left to right. So a group whose count is missing is told so. If there is none, what is left to do.
    """
    try:
        return _Walk(layout, vocabulary, strictness, tags).plan()
    except _Found as found:
        return found.fault


class _Found(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


_HEADER: Final = 0
_BODY: Final = 1
_TRAILER: Final = 2


class _Walk:
    """One walk over one shape."""

    def __init__(self, layout: Layout, vocabulary: Vocabulary, strictness: Strictness, tags: Sequence[str]) -> None:
        self._layout = layout
        self._scopes = (layout.header, layout.body, layout.trailer)
        self._vocabulary = vocabulary
        self._strictness = strictness
        self._tags = tags
        self._noted: Fault | None = None  # the first fault that only counts if no required tag is missing
        self._counts: list[tuple[int, int]] = []
        self._conditions: list[tuple[int, frozenset[str], Fault]] = []

    def plan(self) -> Plan:
        places: tuple[dict[str, int], ...] = ({}, {}, {})
        section = _HEADER
        place = 0
        while place < len(self._tags):
            tag = self._tags[place]
            here = self._section(tag, section)
            if here < section and self._strictness.section_order:
                raise self._found(Reason.TAG_OUT_OF_ORDER, tag)
            section = max(section, here)
            scope = self._scopes[here]
            if tag not in scope.members:
                self._pass_over(tag)  # if it may come once it may come again: who knows what group it is of
            elif tag in places[here]:
                self._note(Reason.TAG_REPEATED, tag)
            places[here][tag] = place
            place = self._group(place, scope.groups[tag], here) if tag in scope.groups else place + 1
        for scope, section_places in zip(self._scopes, places, strict=True):
            self._close(scope, section_places)
        if self._noted is not None:
            raise _Found(self._noted)
        return self._finish()

    def _section(self, tag: str, section: int) -> int:
        if section == _BODY and tag in self._layout.body.members:
            return _BODY
        if tag in self._layout.header.members:
            return _HEADER
        return _TRAILER if tag in self._layout.trailer.members else _BODY

    def _group(self, count_place: int, scope: Scope, section: int, outer: tuple[Scope, ...] = ()) -> int:
        """Walk over a group's entries; returns the place behind them."""
        place = count_place + 1
        entries = 0
        places: dict[str, int] = {}
        last = -1  # order of the entry's last field
        while place < len(self._tags):
            tag = self._tags[place]
            order = scope.order.get(tag)
            if order is None:
                if not entries or self._is_known_outside(tag, section, outer):
                    break
                self._pass_over(tag)
                place += 1
                continue
            if order == 0:
                if entries:
                    self._close(scope, places)
                entries += 1
                places, last = {}, -1
            elif not entries or tag in places or order < last:
                if self._is_known_outside(tag, section, outer):
                    break
                self._check_entry(tag, places, is_begun=entries > 0)
            places[tag] = place
            last = max(last, order)
            place = (
                self._group(place, scope.groups[tag], section, (*outer, scope)) if tag in scope.groups else place + 1
            )
        if entries:
            self._close(scope, places)
        self._counts.append((count_place, entries))
        return place

    def _check_entry(self, tag: str, places: Mapping[str, int], *, is_begun: bool) -> None:
        # A field of the group where the order of its fields does not allow one.
        if tag in places:
            raise self._found(Reason.TAG_REPEATED, tag)
        if not is_begun or self._strictness.group_order:
            raise self._found(Reason.GROUP_OUT_OF_ORDER, tag)

    def _is_known_outside(self, tag: str, section: int, outer: Sequence[Scope]) -> bool:
        return any(tag in scope.members for scope in (*outer, self._scopes[section], *self._scopes))

    def _pass_over(self, tag: str) -> None:
        # A tag that does not belong where it stands, unless such are let through.
        number = _tag_number(tag)
        if not number:
            self._note(Reason.INVALID_TAG_NUMBER, tag)
        if not number or not self._layout.is_spoken:
            return
        refused = self._strictness.user_defined_tags if number >= USER_DEFINED else self._strictness.unknown_tags
        if refused:
            self._note(self._vocabulary.strange_tag(tag), tag)

    def _close(self, scope: Scope, places: Mapping[str, int]) -> None:
        """A scope is complete: ask for what is required in it."""
        for tag in scope.required:
            if tag not in places:
                raise self._found(Reason.REQUIRED_TAG_MISSING, tag)
        for tag, member in scope.members.items():
            condition = member.condition
            if condition is not None and tag not in places and condition.tag in places:
                self._conditions.append((places[condition.tag], condition.values, self._missing(tag)))

    def _missing(self, tag: str) -> Fault:
        # A Reject(3) for messages of the session, for others what volume 1 has BusinessMessageReject(j) for.
        if self._layout.is_session_message or tag in self._layout.header.members:
            return self._vocabulary.fault(Reason.REQUIRED_TAG_MISSING, tag)
        return self._vocabulary.fault(BusinessReason.CONDITIONALLY_REQUIRED_FIELD_MISSING, tag)

    def _finish(self) -> Plan:
        tests = self._vocabulary.tests
        fields = self._vocabulary.fields
        data = [p for p, tag in enumerate(self._tags) if tag in fields and fields[tag].type in DATA_TYPES]
        lengths = tuple(self._lengths(data))
        return Plan(
            tests=tuple((place, tests[tag]) for place, tag in enumerate(self._tags) if tag in tests),
            counts=tuple(self._counts),
            lengths=lengths,
            data=frozenset(data),
            conditions=tuple(self._conditions),
            has_relations=bool(self._counts or lengths or self._conditions),
        )

    def _lengths(self, data: Sequence[int]) -> list[tuple[int, int]]:
        lengths = []
        for place in data:
            length_tag = self._vocabulary.length_tags.get(self._tags[place])
            if length_tag is None:
                continue
            if place == 0 or self._tags[place - 1] != length_tag:  # it must stand directly before its data
                raise self._found(Reason.REQUIRED_TAG_MISSING, length_tag)
            lengths.append((place - 1, place))
        return lengths

    def _note(self, reason: Reason, tag: str) -> None:
        self._noted = self._noted or self._vocabulary.fault(reason, tag)

    def _found(self, reason: Reason, tag: str) -> _Found:
        return _Found(self._vocabulary.fault(reason, tag))


def _tag_number(tag: str) -> int:
    # 0 for what is no tag number: zero, leading zeros, signs, letters.
    is_number = tag.isascii() and tag.isdigit() and len(tag) <= 9 and tag[0] != "0"
    return int(tag) if is_number else 0


def _length_tags(fields: Mapping[str, Field]) -> list[tuple[str, str]]:
    # Data and its length share their name: RawDataLength(95) and RawData(96), EncodedTextLen(354) and EncodedText(355).
    by_name = {field.name: field.tag for field in fields.values()}
    return [
        (field.tag, by_name[field.name + ending])
        for field in fields.values()
        for ending in ("Len", "Length")
        if field.type in DATA_TYPES and field.name + ending in by_name
    ]
