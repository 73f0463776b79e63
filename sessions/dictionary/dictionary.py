"""
What FIX messages may look like here: a dictionary, compiled once at start and shared by all sessions.

It reads QuickFIX's XML format (`xml_reader`), and of any number of messages judges the sequence of tags once
(`plans`), so that a message of a known shape costs a look-up and the tests of its values
(`formats`). The venue's own files are `configs/fix/*.xml`; `rules_of_engagement` writes them.

Order of checks; the first that fails decides:

1. MsgType(35): 373=11 if the standard has no such type, 380=3 if only the dictionary has none.
2. The order of the tags, from left to right: 373=14 header, body, trailer; in a group 15 an entry's order, 13 a tag
   that it has twice, 1 one that it must have.
3. Required tags: 373=1, of the header, of the body, of the trailer.
4. The tags that should not be there, from left to right: 373=0, 2 and 3 not of this message, 13 repeated.
5. The values: 373=4 if one is empty, 17 if one holds SOH; then from left to right 6 format and 5 enumeration.
6. Between values: 373=16 a group's count, 5 a length that is not its data's, and conditionally required tags: 380=5, in
   header and session messages 373=1.

CompIDs (373=9) and SendingTime (373=10, and 6) are the session's to judge, and so are MsgSeqNum(34), BodyLength(9),
CheckSum(10) and the first three fields.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from sessions.dictionary.formats import TYPES
from sessions.dictionary.plans import (
    BusinessReason,
    Fault,
    Layout,
    Plan,
    Reason,
    Scope,
    Strictness,
    Vocabulary,
    judge_shape,
)
from sessions.dictionary.xml_reader import DictionaryError, Document, read

__all__ = ("BusinessReason", "Dictionary", "DictionaryError", "Fault", "Reason", "Strictness")

SOH: Final = "\x01"

_STRICT: Final = Strictness()

_SESSION_MSG_TYPES: Final = frozenset("012345A")

_SHAPES_MAX: Final = 256
"""Shapes that are remembered, all message types together; beyond that all are forgotten, and judged anew."""

_SHAPE_TAGS_MAX: Final = 64
"""Longer messages are judged each time: their shapes hardly repeat, and nobody shall fill the memory with them."""


class Dictionary:
    """
    The messages of one FIX version.

    Attributes:
        data_tags: By the tag of a length, such as RawDataLength(95), the tag of the data that follows it. A parser
            needs them to find the end of a value that holds SOH.
    """

    def __init__(self, transport: Document, application: Document | None, strictness: Strictness = _STRICT) -> None:
        documents = [transport] if application is None else [application, transport]
        merged = {tag: field for document in documents for tag, field in document.fields.items()}
        highest_tag = max(document.highest_tag for document in documents)
        self._vocabulary = Vocabulary(merged, highest_tag)
        self._strictness = strictness
        self._layouts = _layouts(documents, header=Scope(transport.header), trailer=Scope(transport.trailer))
        self._shapes: dict[str, dict[tuple[str, ...], Plan | Fault]] = {msg_type: {} for msg_type in self._layouts}
        self._shapes_remembered = 0
        self._count_tags = {
            msg_type: frozenset((*layout.header.groups, *layout.body.groups))
            for msg_type, layout in self._layouts.items()
        }
        self.data_tags = {length: data for data, length in self._vocabulary.length_tags.items()}

    @classmethod
    def load(
        cls,
        transport_xml: Path,
        application_xml: Path | None = None,
        *,
        strictness: Strictness = _STRICT,
        msg_types: frozenset[str] | None = None,
    ) -> "Dictionary":
        """
        Read and compile a dictionary.

        Args:
            transport_xml: Header, trailer and session messages; for FIX 4.2 and 4.4 the application messages as well.
            application_xml: The application messages of FIXT.1.1: those of FIX 5.0SP2.
            strictness: What is refused besides the certain faults.
            msg_types: Application messages to keep; the others count as unspoken. None: all.

        Raises:
            DictionaryError: A file cannot be read or makes no sense.
        """
        kept = None if msg_types is None else msg_types | _SESSION_MSG_TYPES
        application = None if application_xml is None else read(application_xml, kept)
        return cls(read(transport_xml, kept), application, strictness)

    def is_known(self, msg_type: str) -> bool:
        """The standard has this MsgType(35), whether it is spoken here or not."""
        return msg_type in self._layouts

    def is_spoken(self, msg_type: str) -> bool:
        """The dictionary describes this MsgType(35)."""
        layout = self._layouts.get(msg_type)
        return layout is not None and layout.is_spoken

    def has_groups(self, msg_type: str, fields: Mapping[str, str] | None = None) -> bool:
        """
        Say whether a message has a repeating group, so that its fields by tag may not be all of it.

        Args:
            msg_type: Its type.
            fields: The message's fields; None: say whether messages of this type may have one in their body.
        """
        layout = self._layouts.get(msg_type)
        if layout is None:
            return False
        return bool(layout.body.groups) if fields is None else not self._count_tags[msg_type].isdisjoint(fields)

    def name(self, tag: str) -> str:
        """The name of a field, such as Price; empty if the dictionary does not define it."""
        field = self._vocabulary.fields.get(tag)
        return field.name if field else ""

    def check_fast(self, msg_type: str, fields: Mapping[str, str]) -> Fault | None:
        """
        Check a message in which no tag is repeated, on the hot path.

        Args:
            msg_type: MsgType(35).
            fields: All its fields by tag in the order of the wire, header and trailer as well, cut at each SOH. A
                mapping cannot show that a tag was repeated, as it is in a group of two entries: who has read more
                fields than it holds must call `check`.

        Returns:
            The first fault in the order of the module's docstring; None if there is none.
        """
        shapes = self._shapes.get(msg_type)
        if shapes is None:
            return _INVALID_MSG_TYPE
        tags = tuple(fields)
        plan = shapes.get(tags)
        if plan is None:
            plan = self._judge(msg_type, tags)
        return self._check_values(plan, tags, [*fields.values()])

    def check(self, msg_type: str, pairs: Iterable[tuple[str, str]] | Mapping[str, str]) -> Fault | None:
        """
        Check a message in full.

        Args:
            msg_type: MsgType(35).
            pairs: All its fields, header and trailer as well, as tag and value in the order of the wire. Data fields
                have their whole value, with any SOH in it.

        Returns:
            The first fault in the order of the module's docstring; None if there is none.
        """
        pairs = [*pairs.items()] if isinstance(pairs, Mapping) else [*pairs]
        tags = tuple([tag for tag, _ in pairs])
        return self.check_split(msg_type, tags, [value for _, value in pairs])

    def check_split(self, msg_type: str, tags: tuple[str, ...], values: Sequence[str]) -> Fault | None:
        """Check a message in full, as `check` does, its tags and values apart."""
        shapes = self._shapes.get(msg_type)
        if shapes is None:
            return _INVALID_MSG_TYPE
        plan = shapes.get(tags)
        if plan is None:
            plan = self._judge(msg_type, tags)
        if SOH in "".join(values) and type(plan) is Plan and all(values):
            for place, value in enumerate(values):
                if SOH in value and place not in plan.data:
                    return self._vocabulary.fault(Reason.VALUE_INCLUDES_DELIMITER, tags[place])
        return self._check_values(plan, tags, values)

    def _judge(self, msg_type: str, tags: tuple[str, ...]) -> Plan | Fault:
        layout = self._layouts[msg_type]
        if not layout.is_spoken and self._strictness.unspoken_messages:
            return _UNSUPPORTED_MESSAGE_TYPE
        plan = judge_shape(layout, self._vocabulary, self._strictness, tags)
        if len(tags) <= _SHAPE_TAGS_MAX:
            self._remember(msg_type, tags, plan)
        return plan

    def _remember(self, msg_type: str, tags: tuple[str, ...], plan: Plan | Fault) -> None:
        if self._shapes_remembered >= _SHAPES_MAX:
            for shapes in self._shapes.values():
                shapes.clear()
            self._shapes_remembered = 0
        fields = self._vocabulary.fields
        shape = tuple([fields[tag].tag if tag in fields else tag for tag in tags])  # shares texts that live anyway
        self._shapes[msg_type][shape] = plan
        self._shapes_remembered += 1

    def _check_values(self, plan: Plan | Fault, tags: Sequence[str], values: Sequence[str]) -> Fault | None:
        if isinstance(plan, Fault):
            return plan
        if not all(values):
            return self._vocabulary.fault(Reason.TAG_WITHOUT_VALUE, tags[values.index("")])
        for place, accepts in plan.tests:
            if not accepts(values[place]):
                return self._wrong_value(tags[place], values[place])
        if plan.has_relations:
            return self._check_relations(plan, tags, values)
        return None

    def _wrong_value(self, tag: str, value: str) -> Fault:
        is_of_type = TYPES[self._vocabulary.fields[tag].type]
        is_format_right = is_of_type is None or is_of_type(value)
        return self._vocabulary.fault(Reason.VALUE_INCORRECT if is_format_right else Reason.INCORRECT_DATA_FORMAT, tag)

    def _check_relations(self, plan: Plan, tags: Sequence[str], values: Sequence[str]) -> Fault | None:
        for place, entries in plan.counts:
            if _count(values[place]) != entries:
                return self._vocabulary.fault(Reason.NUM_IN_GROUP_INCORRECT, tags[place])
        for length_place, data_place in plan.lengths:
            if _count(values[length_place]) != len(values[data_place]):
                return self._vocabulary.fault(Reason.VALUE_INCORRECT, tags[length_place])
        for place, having, fault in plan.conditions:
            if values[place] in having:
                return fault
        return None


_INVALID_MSG_TYPE: Final = Fault(Reason.INVALID_MSG_TYPE.value, 35, "Invalid MsgType: MsgType(35)")
_UNSUPPORTED_MESSAGE_TYPE: Final = Fault(
    BusinessReason.UNSUPPORTED_MESSAGE_TYPE.value, 0, "Unsupported Message Type", business=True
)


_COUNT_DIGITS_MAX: Final = 9


def _count(text: str) -> int:
    # A count as a number; -1 for what is none, as older dictionaries give counts the type INT.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _COUNT_DIGITS_MAX else -1


def _layouts(documents: Iterable[Document], *, header: Scope, trailer: Scope) -> dict[str, Layout]:
    # The transport's documents come last: what it says of a message counts.
    layouts: dict[str, Layout] = {}
    for document in documents:
        for msg_type in document.unspoken_msg_types:
            layouts.setdefault(msg_type, Layout(header, Scope(()), trailer, is_session_message=False, is_spoken=False))
        for msg_type, members in document.messages.items():
            is_session_message = msg_type in document.session_msg_types
            layouts[msg_type] = Layout(header, Scope(members), trailer, is_session_message, is_spoken=True)
    return layouts
