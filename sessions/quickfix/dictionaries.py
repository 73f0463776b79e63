"""
The FIX data dictionaries of the venue: QuickFIX's own, cut down to what the venue speaks, with the venue's additions.

They serve twice. The engine reads them: QuickFIX keeps a copy for each session, 0.2 MB instead of the 2.4 MB of the
full FIX44.xml. And clients can use them: every field that the venue reads or sends is in them. All other message types
of the version stay, as empty shells, so that the engine hands such messages to the application, which answers with
BusinessMessageReject(j); fields that a dictionary does not name are let through (AllowUnknownMsgFields).
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree  # reads only the files that the quickfix package installed
from xml.etree.ElementTree import Element, SubElement

INSTALLED: Final = Path(sys.prefix) / "share" / "quickfix"
"""Where the quickfix package puts its dictionaries."""

VERSIONS: Final = ("FIX42", "FIX44", "FIXT11", "FIX50SP2")

_NEWEST: Final = "FIX50SP2"  # defines what older versions lack

_SESSION_MSG_TYPES: Final = ("0", "1", "2", "3", "4", "5", "A")

_INSTRUCTION_TAGS: Final = (
    *(18, 99, 110, 111, 126, 210, 211, 432, 835, 836, 1094, 1100, 1101, 1102, 1107, 1108, 1109, 1138, 2362, 2964),
    *(7001, 7004),
)
_ORDER_TAGS: Final = (11, 41, 37, 1, 21, 55, 54, 60, 38, 40, 44, 59, 15, 58, *_INSTRUCTION_TAGS)

_TAGS: Final[dict[str, tuple[int, ...]]] = {
    "D": _ORDER_TAGS,
    "F": (11, 41, 37, 1, 55, 54, 60, 38, 58),
    "G": _ORDER_TAGS,
    "H": (11, 37, 790, 1, 55, 54),
    "8": (
        *(37, 11, 41, 790, 17, 20, 150, 39, 103, 378, 1, 55, 54, 38, 40, 44, 59, 32, 31, 151, 14, 6, 60),
        *(570, 851, 880, 1057, 58),
        *(18, 19, 66, 99, 110, 111, 126, 211, 299, 432, 584, 636, 836, 839, 911, 912, 1094, 1107, 1108, 1109, 1138),
        *(1300, 2362, 2964, 7001, 76, 109),
    ),
    "9": (37, 11, 41, 39, 1, 434, 102, 60, 58),
    "E": (66, 390, 394, 433, 1385, 68, 893),
    "N": (66, 429, 82, 431, 1386, 83, 444, 60, 68),
    "q": (11, 530, 55, 54, 60, 58, 7002),
    "r": (11, 37, 1369, 530, 531, 532, 533, 1300, 55, 54, 60, 58),
    "AF": (584, 585, 55, 54),
    "i": (131, 117, 537, 301, 1),
    "b": (117, 297, 300, 58),
    "Z": (131, 117, 298, 537, 301),
    "j": (45, 372, 379, 380, 58),
    "B": (148,),
    "BW": (1346, 1347, 58, 7005, 7006),
    "BX": (1353, 1346, 1347, 1348, 58),
    "BY": (1356, 1346, 1426, 58),
    "AD": (568, 569, 263, 55, 54, 58),
    "AQ": (568, 569, 263, 748, 749, 750, 55, 58),
    "AE": (571, 1003, 487, 856, 568, 325, 572, 880, 17, 570, 55, 32, 31, 75, 60, 574),
    "V": (262, 263, 264, 265, 266, 9010),
    "W": (262, 55, 83, 779, 1682, 9010),
    "X": (262,),
    "Y": (262, 281, 58),
    "e": (324, 55, 15, 263, 336, 625),
    "f": (324, 55, 336, 625, 326, 1174, 60, 58),
    "x": (320, 559, 1301, 1300, 55, 15, 336, 625, 263),
    "y": (320, 322, 560, 393, 893),
    "c": (320, 321, 1301, 1300, 55, 15, 336, 625, 263),
    "d": (*(320, 322, 323, 393, 55, 1151, 965, 15, 336, 625, 58, 561, 562, 326, 969, 1140, 1306, 1148, 1149, 1150),),
    "g": (335, 1301, 1300, 336, 625, 338, 339, 263),
    "h": (335, 1300, 336, 625, 340, 567, 341, 345, 60, 58),
}
"""Body fields of each application message that the venue reads or sends, in any version; groups apart."""

_Groups = Mapping[int, "tuple[int | _Groups, ...]"]

_PARTIES: Final[_Groups] = {453: (448, 447, 452, {802: (523, 803)})}
_OWNER: Final[_Groups] = {453: (448, 447, 452)}

_LEG: Final = (
    *(11, 526, 67, 583, _PARTIES, 109, 76, 1, 660, 581, 63, 21, 18, 110, 1138, 111, 100, 1133, 81, 55, 48, 22, 460),
    *(461, 167, 207, 106, 107, 54, 114, 60, 854, 38, 40, 423, 44, 99, 1100, 1101, 1102, 1107, 1108, 1109, 15, 376),
    *(2404, 377, 59, 168, 432, 126, 47, 528, 529, 582, 121, 58, 77, 204, 210, 211, 1094, 835, 836, 439, 440, 1028),
    *(2362, 2964, 7001, 7004),
)
"""An order of a list: all that one may have, for QuickFIX ends a group at a tag that it does not know there."""

_TRADING_RULES: Final = ({1205: (1206, 1208)}, 1306, 1148, 1149, 1150, 562, 1140, 561)

_GROUPS: Final[dict[str, _Groups]] = {
    "D": _PARTIES,
    "F": _PARTIES,
    "G": _PARTIES,
    "H": _PARTIES,
    "8": _OWNER,
    "BW": {1351: (1355, 1182, 1183)},
    "BX": {1351: (1355, 1182, 1183, 1357, 1354)},
    "BY": {1351: (1355, 1357)},
    "AD": {453: (448, 447, 452, {802: (523, 803)}), 580: (75, 60)},
    "AE": {552: (54, _OWNER, 1, 58, 1057, 1444, 37, 11)},
    "E": {73: _LEG},
    "N": {73: (11, 14, 39, 151, 84, 6)},
    "i": {296: (302, 367, 304, 893, {295: (299, 55, 48, 22, 132, 133, 134, 135, 60, 15)})},
    "b": {296: (302, 304, {295: (299, 55, 368)})},
    "Z": {295: (55, 48, 22)},
    "B": {33: (58,)},
    "V": {267: (269,), 146: (55,)},
    "W": {268: (269, 278, 270, 15, 271, 272, 273, 276, 277, 346, 290, 83, 574, 880, 1003, 2446, 58)},
    "y": {146: (55, 1151, 969, *_TRADING_RULES, 15, 58)},
    "d": {1310: (1301, 1300, *_TRADING_RULES, {1309: (336, 625)})},
    "X": {268: (279, 269, 278, 55, 270, 15, 271, 272, 273, 276, 277, 346, 290, 83, 574, 880, 1003, 2446, 58)},
}
"""Repeating groups of those messages: the count's tag, then the entry's fields, its delimiter first, and its groups."""

_OLDER_GROUPS: Final[dict[str, _Groups]] = {
    "AE": {552: (54, 37, 11, _OWNER, 1, 58)},
    "y": {146: (55, 15, 561, 562, 336, 58)},
    "d": {},
}
"""Where an older version has another order."""

_OPTIONAL_GROUPS: Final = frozenset({453, 802, 295, 296, 580, 1205, 1309, 1310, 1351})

_FREE_VALUES: Final = frozenset(
    (
        *(
            18,
            22,
            47,
            77,
            81,
            167,
            204,
            298,
            321,
            394,
            433,
            447,
            452,
            460,
            528,
            529,
            530,
            559,
            581,
            582,
            585,
            660,
            803,
            835,
            836,
        ),
        *(1094, 1100, 1101, 1107, 1108, 1109, 1133, 1385, 2964),
    )
)
"""
Enumerations that are left out: how a firm describes its parties, what the application answers better, and long ones of
which the venue says a few values only.
"""

_LOGON_ADDITIONS: Final = (141, 553, 554, 789)

_OWN_FIELDS: Final = {
    7001: ("PostOnlyAction", "CHAR"),
    7002: ("MassScope", "CHAR"),
    7004: ("ReportMoves", "BOOLEAN"),
    7005: ("ReplayBeginTime", "UTCTIMESTAMP"),
    7006: ("ReplayEndTime", "UTCTIMESTAMP"),
    9010: ("BookChecksum", "INT"),
}
"""Fields of the venue itself."""

_ADDED_VALUES: Final = {
    40: ("J", "K"),
    59: ("7",),
    102: ("4", "5", "6", "18", "99"),
    103: ("9", "10", "11", "12", "13", "14", "15", "16", "18", "25", "99"),
    150: ("F", "I", "L"),
    269: ("A", "B", "Q", "e"),
    378: ("6", "8", "9", "10", "11", "12", "13", "17", "18", "19", "20", "99"),
    380: ("6", "7", "8", "9", "10"),
    434: ("1", "2"),
}
"""Values that newer versions define and the venue uses in every version."""


class DictionaryError(Exception):
    """QuickFIX's dictionaries are not where they should be; the message is one sentence for the operator."""


class _Field(NamedTuple):
    tag: int
    name: str
    type: str
    values: dict[str, str]  # value -> description


class _Standard:
    """One dictionary as installed, with lookups by tag."""

    def __init__(self, version: str) -> None:
        path = INSTALLED / f"{version}.xml"
        try:
            self.root = ElementTree.parse(path).getroot()  # noqa: S314 - our own installed file
        except OSError as error:
            raise DictionaryError(f"{path} cannot be read ({error.strerror}); install the quickfix package") from error
        self.fields = {field.tag: field for field in map(_field, self.root.findall("fields/field"))}
        self.tags = {field.name: field.tag for field in self.fields.values()}
        self.messages = {message.attrib["msgtype"]: message for message in self.root.findall("messages/message")}
        self.components = {
            component.attrib["name"]: component for component in self.root.findall("components/component")
        }

    def required_tags(self, msg_type: str) -> list[int]:
        """Tags without which the standard does not accept a message; its groups' counts among them."""
        return list(self._required_tags(self.messages[msg_type]))

    def _required_tags(self, node: Element) -> Iterator[int]:
        for child in node:
            if child.attrib.get("required") == "Y":
                if child.tag == "component":
                    yield from self._required_tags(self.components[child.attrib["name"]])
                else:
                    yield self.tags[child.attrib["name"]]


def write(target: Path) -> dict[str, Path]:
    """
    Write the venue's dictionaries.

    Args:
        target: A directory; made if it is not there.

    Returns:
        The files by version: `FIX42`, `FIX44`, `FIXT11` (session messages) and `FIX50SP2` (application messages).

    Raises:
        DictionaryError: QuickFIX's own dictionaries are missing.
    """
    target.mkdir(parents=True, exist_ok=True)
    newest = _Standard(_NEWEST)
    paths = {}
    for version in VERSIONS:
        standard = newest if version == _NEWEST else _Standard(version)
        root = _Trimmed(standard, newest).root
        ElementTree.indent(root, " ")
        path = target / f"{version}.xml"
        path.write_bytes(ElementTree.tostring(root))
        paths[version] = path
    return paths


class _Trimmed:
    """Builds one cut-down dictionary; `root` is the result."""

    def __init__(self, standard: _Standard, newest: _Standard) -> None:
        self._standard = standard
        self._newest = newest
        self._used: dict[int, _Field] = {}
        self.root = Element("fix", standard.root.attrib)
        self._copy_section("header")
        messages = SubElement(self.root, "messages")
        for msg_type in standard.messages:
            self._add_message(messages, msg_type)
        if standard is not newest and "8" in standard.messages:
            for msg_type in [msg_type for msg_type in _TAGS if msg_type not in standard.messages]:
                self._add_borrowed_message(messages, msg_type)
        self._copy_section("trailer")
        SubElement(self.root, "components")
        self._add_fields()

    def _copy_section(self, name: str) -> None:
        section = SubElement(self.root, name)
        for child in self._standard.root.find(name) or ():
            self._copy(child, section)

    def _copy(self, node: Element, parent: Element) -> None:
        """Copy a field or a group as it is, and a component as what it consists of."""
        if node.tag == "component":
            for child in self._standard.components[node.attrib["name"]]:
                self._copy(child, parent)
            return
        copied = SubElement(parent, node.tag, node.attrib)
        self._use(self._standard.tags[node.attrib["name"]])
        for child in node:
            self._copy(child, copied)

    def _add_message(self, messages: Element, msg_type: str) -> None:
        standard = self._standard.messages[msg_type]
        message = SubElement(messages, "message", standard.attrib)
        if msg_type in _SESSION_MSG_TYPES:
            for child in standard:
                self._copy(child, message)
            if msg_type == "A":
                self._add_to_logon(message)
        elif msg_type in _TAGS:
            self._add_body(message, msg_type)

    def _add_borrowed_message(self, messages: Element, msg_type: str) -> None:
        """A message that this version lacks, as the newest one names it; nothing is required, the application asks."""
        borrowed = self._newest.messages[msg_type]
        message = SubElement(messages, "message", borrowed.attrib)
        for tag in _TAGS[msg_type]:
            if self._exists(tag):
                SubElement(message, "field", name=self._use(tag).name, required="N")
        self._add_groups(message, self._groups(msg_type))

    def _groups(self, msg_type: str) -> _Groups:
        is_older = self._standard is not self._newest
        return (_OLDER_GROUPS if is_older and msg_type in _OLDER_GROUPS else _GROUPS).get(msg_type, {})

    def _add_to_logon(self, logon: Element) -> None:
        present = {self._standard.tags[child.attrib["name"]] for child in logon}
        for tag in _LOGON_ADDITIONS:
            if tag not in present:
                SubElement(logon, "field", name=self._use(tag).name, required="N")

    def _add_body(self, message: Element, msg_type: str) -> None:
        groups = self._groups(msg_type)
        required = self._standard.required_tags(msg_type)
        for tag in dict.fromkeys((*_TAGS[msg_type], *required)):
            if tag not in groups and self._exists(tag):
                SubElement(message, "field", name=self._use(tag).name, required="Y" if tag in required else "N")
        self._add_groups(message, groups)

    def _add_groups(self, parent: Element, groups: _Groups) -> None:
        for count_tag, entry in groups.items():
            is_optional = count_tag in _OPTIONAL_GROUPS or parent.get("msgtype") == "y"  # a refusal has none
            required = "N" if is_optional else "Y"
            group = SubElement(parent, "group", name=self._use(count_tag).name, required=required)
            for place, member in enumerate(entry):
                if isinstance(member, int) and not self._exists(member):
                    continue
                if isinstance(member, int):
                    SubElement(group, "field", name=self._use(member).name, required="N" if place else "Y")
                else:
                    self._add_groups(group, member)

    def _exists(self, tag: int) -> bool:
        # ExecTransType(20) ended with FIX 4.2.
        return tag in self._standard.fields or tag in self._newest.fields or tag in _OWN_FIELDS

    def _use(self, tag: int) -> _Field:
        """Define a field, as this version does or else as the newest one does."""
        if tag not in self._used:
            self._used[tag] = self._standard.fields.get(tag) or self._newest.fields.get(tag) or _own_field(tag)
        return self._used[tag]

    def _add_fields(self) -> None:
        fields = SubElement(self.root, "fields")
        for tag in sorted(self._used):
            field = self._used[tag]
            element = SubElement(fields, "field", number=str(tag), name=field.name, type=field.type)
            if tag == 35 or tag in _FREE_VALUES:
                continue  # for 35 the messages themselves say which types there are
            for value, description in (field.values | self._added_values(tag)).items():
                SubElement(element, "value", enum=value, description=description)

    def _added_values(self, tag: int) -> dict[str, str]:
        newest = self._newest.fields[tag].values if tag in _ADDED_VALUES else {}
        own = self._used[tag].values
        return {value: newest.get(value, f"VALUE_{value}") for value in _ADDED_VALUES.get(tag, ()) if value not in own}


def _own_field(tag: int) -> _Field:
    name, type_name = _OWN_FIELDS[tag]
    return _Field(tag, name, type_name, {})


def _field(element: Element) -> _Field:
    values = {value.attrib["enum"]: value.attrib.get("description", "") for value in element.findall("value")}
    return _Field(int(element.attrib["number"]), element.attrib["name"], element.attrib["type"], values)
