"""
The venue's own FIX dictionaries: what it speaks, as tables, and as files in QuickFIX's XML format for its clients.

`gateway/FIX.md` and `marketdata/FEED.md` say in words what these tables say by tag. Names, numbers, types and
enumerations are FIX's; which messages and fields are here, and what the venue adds to a version, is ours. A field that
the venue takes but does not look at has no enumeration here. After a change run

    python -c "from sessions.dictionary.rules_of_engagement import write; write()"

and commit the files: `tests/sessions/test_rules_of_engagement.py` compares.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sessions.dictionary import venue_fields
from sessions.dictionary.venue_fields import FIX42, FIX44, FIX50SP2, FIXT11

DIRECTORY: Final = Path(__file__).parents[2] / "configs" / "fix"
"""Where the files are."""

VERSIONS: Final = (FIX42, FIX44, FIXT11, FIX50SP2)

_HEADER: Final = (
    "8* 9* 35* 1128 1156 1129 49* 56* 115 128 90 91 34* 50 142 57 143 116 144 129 145 43 97 52* 122 212 213 347 369 "
    "370 627( 628 629 630 )"
)
"""
Members in their order: `11` a field, `11*` a required one, `11*4` one that FIX 4.x requires, `11@44,50` one that only
those versions have there, `270/279=0` one that is required if 279 is 0, `453(` the beginning of a group and `)` its
end. A version leaves out what it has no field for.
"""

_TRAILER: Final = "93 89 10*"

_TEXT: Final = "58 354 355"
_INSTRUMENT: Final = "22 48 460 461 167 207 106 107"
_PARTIES: Final = "453( 448 447 452 2376 802( 523 803 ) )"
_CLIENT: Final = f"1 76 109 526 583 660 2422 {_PARTIES}"
_MARKS: Final = (
    "47 77 114 204 376 2404 377 439 440 528 529 581 582 1028 1029 1030 1031 1032 1724 1725 1726 1815 2593( 2594 2595 )"
)
_TRIGGERS: Final = "1100 1101 1102 1107 1108 1109"
_PEGS: Final = "211 1094 835 836"
_INSTRUCTIONS: Final = (
    f"15 18 63 99 110 111 121 126 168 210 423@44,50 432 854 1138 {_TRIGGERS} {_PEGS} 2362 2964 7001 7004"
)

_ORDER: Final = f"55*42 {_INSTRUMENT} 54* 60* 38 40* 44 59 21*42 100 1133 {_CLIENT} {_MARKS} {_INSTRUCTIONS} {_TEXT}"
"""What FIX requires: that a limit order needs its price is the gateway's to say, in an ExecutionReport."""

_LEG: Final = (
    f"11* 526 67* 583 {_PARTIES} 109 76 1 660 581 63 21 18 110 1138 111 100 1133 81 55*42 {_INSTRUMENT} 54* 114 60 854 "
    f"38 40 423@44,50 44 99 {_TRIGGERS} 15 376 2404 377 59 168 432 126 47 528 529 582 2593( 2594 2595 ) 121 {_TEXT} 77 "
    f"204 210 {_PEGS} 439 440 1028 2362 2964 7001 7004"
)
"""One order of a list; a group's fields are in the standard's order."""

_SIDE_44: Final = "37*44@44 11@44 453@44( 448 447 452 ) 1@44 58@44"
_SIDE_50: Final = "453@50( 448 447 452 ) 1@50 58@50 1057@50 1444@50 37@50 11@50"
"""A side of a trade; a group's fields are in the standard's order."""

_SINCE_44: Final = frozenset(("AD", "AE", "AQ", "x", "y"))
"""Messages that FIX 4.2 is not given."""

_TRADING_RULES: Final = (
    "1205@50( 1206@50 1208@50 ) 1306@50 1148@50 1149@50 1150@50 562@50 1140@50 561@50"  # where 5.0SP2 has them
)

_SESSION: Final = {
    "0": ("Heartbeat", "112"),
    "1": ("TestRequest", "112*"),
    "2": ("ResendRequest", "7* 16*"),
    "3": ("Reject", f"45* 371 372 1130 1406 1131 373 {_TEXT}"),
    "4": ("SequenceReset", "123 36*"),
    "5": ("Logout", f"1409 {_TEXT}"),
    "A": (
        "Logon",
        "98* 108* 95 96 141 789 383 384( 372 385 1130 1406 1131 ) 464 553 554 925@T11 1400 1401 "
        "1402 1403 1404 1409 1137* 1407 1408 58@T11 354@T11 355@T11",
    ),
}
_APPLICATION: Final = {
    "D": ("NewOrderSingle", f"11* 81 {_ORDER}"),
    "F": (
        "OrderCancelRequest",
        f"37 41*4 11* 55*42 {_INSTRUMENT} 54* 60* 38 100@50 1133 581 {_CLIENT} 376 2404 377@42 {_TEXT}",
    ),
    "G": ("OrderCancelReplaceRequest", f"37 41*4 11* {_ORDER}"),
    "H": ("OrderStatusRequest", f"37 11*4 55*42 {_INSTRUMENT} 54* 790 1 76 109 526 583 660 {_PARTIES}"),
    "8": (
        "ExecutionReport",
        "37* 11 41 17* 20* 790 527 150* 39* 103 1 55*42 54* 38 40 44 59 32/150=F 31/150=F 151* 14* 6*4 60 851 "
        "880@50 1057 58 18 19 66 99 110 111 126 211 299 378 432 584 636@44,50 836 839@44,50 911 912 1094@50 1107 1108 "
        "1109 1138@50 1300@50 2362 2964 7001 76@42 109@42 453@44,50( 448 447 452 )",
    ),
    "9": ("OrderCancelReject", "37* 11* 41*4 39* 1 60 434* 102 58"),
    "E": ("NewOrderList", f"66* 390 394* 433 1385 68* 893 73*4( {_LEG} )"),
    "N": ("ListStatus", "66* 429* 82* 431* 1386 83* 444 60 68* 73*4( 11*4 14* 39* 151* 84* 6* )"),
    "q": ("OrderMassCancelRequest", f"11* 530* 55 {_INSTRUMENT} 54 60* {_TEXT} 7002"),
    "r": ("OrderMassCancelReport", "11 37* 1369*50@50 530* 531* 532 533 1300@50 55 54 60 58"),
    "AF": ("OrderMassStatusRequest", f"584* 585* 55 {_INSTRUMENT} 54"),
    "i": (
        "MassQuote",
        f"131 117* 537 301 1@44,50 296*4( 302* 367 304* 893 295*( 299* 55 {_INSTRUMENT} 132 133 134 135 60 15 ) )",
    ),
    "b": ("MassQuoteAcknowledgement", "117 297* 300 58 296( 302 304 295( 299 55 368 ) )"),
    "Z": ("QuoteCancel", f"131 117*4 298* 537@50 301 295*42( 55*42 {_INSTRUMENT} )"),
    "j": ("BusinessMessageReject", "45 372* 379 380* 58"),
    "B": ("News", "148* 33*4( 58* 354 355 )"),
    "BW": ("ApplicationMessageRequest", f"1346* 1347* 1351( 1355 1182 1183 ) {_TEXT} 7005 7006"),
    "BX": (
        "ApplicationMessageRequestAck",
        "1353* 1346 1347 1348 1351( 1355 1182 1183 1357 1354 ) 58",
    ),
    "BY": ("ApplicationMessageReport", "1356* 1346 1426* 1351( 1355 1357 ) 58"),
    "AD": (
        "TradeCaptureReportRequest",
        f"568* 569* 263 453( 448 447 452 ) 55 {_INSTRUMENT} 580( 75 60 ) 54 {_TEXT}",
    ),
    "AQ": ("TradeCaptureReportRequestAck", "568* 569* 263 748 749* 750* 55 58"),
    "AE": (
        "TradeCaptureReport",
        "571*44 1003@50 487 856 568 325 572 880 17 570*44 55 32*44 31*44 75*44 60*44 574@50 "
        f"552*44( 54*44 {_SIDE_44} {_SIDE_50} )",
    ),
    "V": ("MarketDataRequest", f"262* 263* 264* 265 266 9010 267*4( 269* ) 146*4( 55*4 {_INSTRUMENT} )"),
    "W": (
        "MarketDataSnapshotFullRefresh",
        "262 55*42 779*50@50 1682 9010 83@4 268*4( 269* 278 270*42 271 272 273 276 277 1003 346 574@50 2446 83 )",
    ),
    "X": (
        "MarketDataIncrementalRefresh",
        "262 268*4( 279* 269/279=0 278 55 270/279=0 271 272 273 276 277 1003 346 574@50 2446 83 )",
    ),
    "Y": ("MarketDataRequestReject", "262* 281 58"),
    "e": ("SecurityStatusRequest", f"324* 55*42 {_INSTRUMENT} 15 263* 336 625"),
    "f": ("SecurityStatus", "324 55*42 336@42 625 326 1174 60 58@44,50"),
    "x": ("SecurityListRequest", f"320* 559* 1301@50 1300@50 55 {_INSTRUMENT} 15 336 625 263"),
    "y": (
        "SecurityList",
        f"320*44 322*44 560*44 393 893 146( 55 1151 969@50 {_TRADING_RULES} 15 561@44 562@44 336@44 58 )",
    ),
    "c": ("SecurityDefinitionRequest", f"320* 321* 1301@50 1300@50 55 {_INSTRUMENT} 15 336 625 263"),
    "d": (
        "SecurityDefinition",
        "320*4 322*4 323*44 393*42@42 55 1151 965 969@50 15 336@42,44 625@44 58 561@4 562@4 326@4 969@4 1140@4 1306@4 "
        f"1148@4 1149@4 1150@4 1310@50( 1301@50 1300@50 {_TRADING_RULES} 1309@50( 336@50 625@50 ) )",
    ),
    "g": ("TradingSessionStatusRequest", "335* 1301@50 1300@50 336 625 338 339 263*"),
    "h": ("TradingSessionStatus", "335 1300@50 336* 625 340* 567 341 345 60@50 58"),
}

_MEMBER: Final = re.compile(
    r"(?P<tag>\d+)(?P<required>\*(?P<where>\w*))?(/(?P<when>\d+)=(?P<values>[\w,]+))?(@(?P<only>[\w,]+))?(?P<group>\()?"
)


def render(version: str) -> str:
    """One dictionary, such as that of `FIX42`, as the text of its file."""
    return _Rendering(version).text()


def write(directory: Path = DIRECTORY) -> dict[str, Path]:
    """Write all dictionaries; returns the files by version."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {version: directory / f"{version}.xml" for version in VERSIONS}
    for version, path in paths.items():
        path.write_text(render(version), encoding="ascii")
    return paths


_ROOTS: Final[Mapping[str, dict[str, str]]] = {
    FIX42: {"type": "FIX", "major": "4", "minor": "2", "servicepack": "0"},
    FIX44: {"type": "FIX", "major": "4", "minor": "4", "servicepack": "0"},
    FIXT11: {"type": "FIXT", "major": "1", "minor": "1", "servicepack": "0"},
    FIX50SP2: {"type": "FIX", "major": "5", "minor": "0", "servicepack": "2"},
}

_NOTE: Final = "Written by sessions/dictionary/rules_of_engagement.py; change the tables there."


class _Rendering:
    """One file in the making."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._used: set[int] = set()

    def text(self) -> str:
        root = Element("fix", _ROOTS[self._version])
        has_session, has_application = self._version != FIX50SP2, self._version != FIXT11
        self._add(SubElement(root, "header"), _HEADER if has_session else "")
        messages = SubElement(root, "messages", unspoken=venue_fields.UNSPOKEN[self._version])
        if has_session:
            self._add_messages(messages, "admin", _SESSION)
        if has_application:
            self._add_messages(messages, "app", _APPLICATION)
        self._add(SubElement(root, "trailer"), _TRAILER if has_session else "")
        SubElement(root, "components")
        self._add_fields(SubElement(root, "fields", highest=str(venue_fields.HIGHEST_TAGS[self._version])))
        indent(root, " ")
        return f"<!-- {_NOTE} -->\n{tostring(root, encoding='unicode')}\n"

    def _add_messages(self, messages: Element, category: str, table: Mapping[str, tuple[str, str]]) -> None:
        for msg_type, (name, members) in table.items():
            if self._version == FIX42 and msg_type in _SINCE_44:
                continue
            self._add(SubElement(messages, "message", name=name, msgtype=msg_type, msgcat=category), members)

    def _add(self, parent: Element, members: str) -> None:
        self._add_words(parent, iter(members.split()))

    def _add_words(self, parent: Element, words: Iterator[str]) -> None:
        for word in words:
            if word == ")":
                return
            member = _MEMBER.fullmatch(word)
            assert member is not None, word
            is_here = self._exists(member)
            child = self._member(member) if is_here else Element("skipped")
            if member["group"]:
                self._add_words(child, words)
            if is_here:
                parent.append(child)

    def _member(self, member: re.Match[str]) -> Element:
        attributes = {"name": self._use(int(member["tag"])), "required": "N"}
        if member["required"] and self._is_of(member["where"]):
            attributes["required"] = "Y"
        elif member["when"]:
            values = member["values"].replace(",", " ")
            attributes |= {"required": "C", "when": f"{self._use(int(member['when']))}={values}"}
        return Element("group" if member["group"] else "field", attributes)

    def _exists(self, member: re.Match[str]) -> bool:
        return venue_fields.exists(self._version, int(member["tag"])) and self._is_of(member["only"] or "")

    def _is_of(self, versions: str) -> bool:
        return self._version[3:].startswith(tuple(versions.split(",")))

    def _use(self, tag: int) -> str:
        self._used.add(tag)
        return venue_fields.field(self._version, tag).name

    def _add_fields(self, fields: Element) -> None:
        for tag in sorted(self._used):
            field = venue_fields.field(self._version, tag)
            element = SubElement(fields, "field", number=str(tag), name=field.name, type=field.type)
            for value, description in field.values.items():
                SubElement(element, "value", enum=value, description=description)
