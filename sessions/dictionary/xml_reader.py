"""
Reading a FIX dictionary from a file in QuickFIX's XML format.

The format is QuickFIX's: `header`, `trailer`, `messages`, `components` and `fields`; a message, group or component
lists its members by name. Three things are ours, and other readers pass over them:

- `required='C' when='MDUpdateAction=0'`: the member must be there if that field of the same message (or of the same
  group entry) has one of the values, which stand with spaces between them.
- `<fields highest='446'>`: the standard of this version goes up to this tag. A tag below it that the file leaves out is
  one of the standard's (373=2 in a message), above it one that does not exist (373=0).
- `<messages unspoken='6 7 B'>`: message types of the standard that the file leaves out, since nobody here speaks them.

Components are put in place of their names while reading. As in QuickFIX, what an optional component requires is not
required of the message.
"""

from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree  # reads files of the operator's own
from xml.etree.ElementTree import Element

from sessions.dictionary.formats import TYPES


class DictionaryError(Exception):
    """A dictionary cannot be used; the message is one sentence for the operator."""


class Field(NamedTuple):
    """A field as the dictionary defines it, wherever it stands."""

    tag: str
    name: str
    type: str  # one of formats.TYPES
    values: frozenset[str]  # empty: no enumeration


class Condition(NamedTuple):
    """When a member is required: the field `tag` beside it has one of `values`."""

    tag: str
    values: frozenset[str]


class Member(NamedTuple):
    """A field's place in a message, in the header or trailer, or in a group's entry."""

    tag: str
    required: bool
    condition: Condition | None
    group: tuple["Member", ...]  # of a repeating group: an entry, its delimiter first; else empty


class Document(NamedTuple):
    """One dictionary file, checked: every name in it is defined."""

    fields: dict[str, Field]  # by tag
    header: tuple[Member, ...]
    trailer: tuple[Member, ...]
    messages: dict[str, tuple[Member, ...]]  # by MsgType(35)
    session_msg_types: frozenset[str]
    unspoken_msg_types: frozenset[str]
    highest_tag: int


_USER_TAGS: Final = range(5000, 40_000)  # FIX 5.0SP2 has tags of its own again from 40000 on


def read(path: Path, msg_types: Container[str] | None = None) -> Document:
    """
    Read one dictionary file.

    Args:
        path: The file.
        msg_types: Keep these messages and their fields only, the others become unspoken; None: all.

    Raises:
        DictionaryError: The file cannot be read, or what it says makes no sense.
    """
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314 - the operator's own file
    except OSError as error:
        raise DictionaryError(f"the FIX dictionary {path} cannot be read ({error.strerror}); give its path") from error
    except ElementTree.ParseError as error:
        raise DictionaryError(f"the FIX dictionary {path} is not XML ({error}); correct that place") from error
    try:
        return _Reader(root).document(msg_types)
    except _Wrong as wrong:
        raise DictionaryError(f"the FIX dictionary {path} {wrong}; correct it") from wrong


class _Wrong(Exception):
    """What is wrong with a file, as the end of a sentence that begins with its path."""


class _Reader:
    """Reads one document; names are resolved as they are met."""

    def __init__(self, root: Element) -> None:
        if root.tag != "fix":
            raise _Wrong(f"begins with <{root.tag}> instead of <fix>")
        self._root = root
        self._fields = {field.tag: field for field in map(_field, root.findall("fields/field"))}
        self._by_name = {field.name: field.tag for field in self._fields.values()}
        if not len(self._fields) == len(self._by_name) == len(root.findall("fields/field")):
            raise _Wrong("defines a field's name or number twice")
        self._components = {_name(component): component for component in root.findall("components/component")}
        self._expanded: dict[tuple[str, bool], tuple[Member, ...]] = {}
        self._expanding: list[str] = []
        self._used: dict[str, None] = {}  # tags that a header, a trailer or a kept message has

    def document(self, msg_types: Container[str] | None) -> Document:
        unspoken = set(_words(self._root.find("messages"), "unspoken"))
        messages = {}
        session_msg_types = set()
        for message in self._root.findall("messages/message"):
            msg_type = _attribute(message, "msgtype")
            if msg_type in messages:
                raise _Wrong(f"defines the message {msg_type} twice")
            if message.get("msgcat") == "admin":
                session_msg_types.add(msg_type)
            if msg_types is None or msg_type in msg_types:
                messages[msg_type] = self._members(message)
            else:
                unspoken.add(msg_type)
        if not messages:
            raise _Wrong("defines no message")
        header, trailer = self._section("header"), self._section("trailer")
        return Document(
            fields=self._fields if msg_types is None else {tag: self._fields[tag] for tag in self._used},
            header=header,
            trailer=trailer,
            messages=messages,
            session_msg_types=frozenset(session_msg_types),
            unspoken_msg_types=frozenset(unspoken),
            highest_tag=self._highest_tag(),
        )

    def _highest_tag(self) -> int:
        said = "".join(_words(self._root.find("fields"), "highest"))
        if said:
            return _number(said)
        return max((int(tag) for tag in self._fields if int(tag) not in _USER_TAGS), default=0)

    def _section(self, name: str) -> tuple[Member, ...]:
        section = self._root.find(name)
        return () if section is None else self._members(section)

    def _members(self, node: Element) -> tuple[Member, ...]:
        members: dict[str, Member] = {}
        for member in self._each_member(node, is_needed=True):
            members.setdefault(member.tag, member)  # QuickFIX's FIX50.xml has a field twice in a group
        for member in members.values():
            if member.condition is not None and member.condition.tag not in members:
                name = self._fields[member.condition.tag].name
                raise _Wrong(f"makes {self._fields[member.tag].name} depend on {name}, which does not stand beside it")
        return tuple(members.values())

    def _each_member(self, node: Element, *, is_needed: bool) -> Iterator[Member]:
        for child in node:
            if child.tag == "component":
                yield from self._component(_name(child), is_needed and child.get("required") in ("Y", "y"))
            elif child.tag in ("field", "group"):
                yield self._member(child, is_needed)

    def _member(self, node: Element, is_needed: bool) -> Member:
        group: tuple[Member, ...] = ()
        if node.tag == "group":
            group = self._members(node)
            if not group:
                raise _Wrong(f"defines the group {_name(node)} without a field")
        required = is_needed and node.get("required") in ("Y", "y")
        return Member(self._tag(_name(node)), required, self._condition(node), group)

    def _condition(self, node: Element) -> Condition | None:
        if node.get("required") not in ("C", "c"):
            return None
        name, equals, values = _attribute(node, "when").partition("=")
        if not equals or not values.split():
            raise _Wrong(f"has when='{node.get('when')}' at {_name(node)} instead of when='FieldName=value value'")
        return Condition(self._tag(name.strip()), frozenset(values.split()))

    def _component(self, name: str, is_needed: bool) -> Iterable[Member]:
        if (name, is_needed) not in self._expanded:
            if name not in self._components:
                raise _Wrong(f"names a component {name} that it does not define")
            if name in self._expanding:
                raise _Wrong(f"defines the component {name} by itself")
            self._expanding.append(name)
            self._expanded[name, is_needed] = tuple(self._each_member(self._components[name], is_needed=is_needed))
            self._expanding.pop()
        return self._expanded[name, is_needed]

    def _tag(self, name: str) -> str:
        tag = self._by_name.get(name)
        if tag is None:
            raise _Wrong(f"names a field {name} that it does not define")
        self._used[tag] = None
        return tag


def _field(element: Element) -> Field:
    name, type_name = _name(element), _attribute(element, "type").upper()
    if type_name not in TYPES:
        raise _Wrong(f"gives {name} the type {type_name}, which FIX does not have")
    values = frozenset(_attribute(value, "enum") for value in element.findall("value"))
    return Field(str(_number(_attribute(element, "number"))), name, type_name, values)


def _name(element: Element) -> str:
    return _attribute(element, "name")


def _attribute(element: Element, name: str) -> str:
    value = element.get(name)
    if not value:
        raise _Wrong(f"has a <{element.tag}> {element.get('name', '')} without {name}='...'")
    return value


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**9):
        raise _Wrong(f"has the number '{text[:20]}' where a tag should be")
    return int(text)


def _words(element: Element | None, attribute: str) -> list[str]:
    return [] if element is None else (element.get(attribute) or "").split()
