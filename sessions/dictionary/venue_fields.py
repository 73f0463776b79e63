"""
The FIX fields that the venue's dictionaries name: number, name and type in each version; values are in `venue_values`.

Facts of the FIX standard, written down for `rules_of_engagement`. A line is a tag, its name and its type; an older
version's own name or type stands in that version's table.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from sessions.dictionary.field_table import FIELDS
from sessions.dictionary.venue_values import enumeration

FIX42: Final = "FIX42"
FIX44: Final = "FIX44"
FIXT11: Final = "FIXT11"
FIX50SP2: Final = "FIX50SP2"

HIGHEST_TAGS: Final[Mapping[str, int]] = {FIX42: 446, FIX44: 956, FIXT11: 1409, FIX50SP2: 2964}
"""The last tag that the standard defines, its later extension packs included, below the user-defined ones."""

_SINGLE: Final = "6 7 C J K L M P Q R S T a k l m"
_SINCE_44: Final = (
    "n o p s t u v w z AA AB AC AG AH AI AJ AK AL AM AN AO AP AR AS AT AU AV AW AX AY AZ BA BB BC BD BE BF BG BH"
)
_SINCE_50: Final = (
    "BI BJ BK BL BM BN BO BP BQ BR BS BT BU BV BZ CA CB CC CD CE CF CG CH CI CJ CK CL CM CN CO CQ CR CS CT CU "
    "CV CW CX CY CZ DA DB DC DD DE DF DG DH DI DJ DK DL DM DN DO DP DQ DR DS DT DU DV DW DX DY DZ EA EB"
)
UNSPOKEN: Final[Mapping[str, str]] = {
    FIX42: f"{_SINGLE} x y AD",
    FIX44: f"{_SINGLE} {_SINCE_44}",
    FIXT11: "n",
    FIX50SP2: f"{_SINGLE} {_SINCE_44} {_SINCE_50}".replace(" n ", " "),
}
"""Message types of the standard that the venue does not speak."""

_OLDER: Final = {
    FIX42: """
    7 BeginSeqNo INT
    9 BodyLength INT
    16 EndSeqNo INT
    18 ExecInst MULTIPLEVALUESTRING
    22 IDSource STRING
    32 LastShares QTY
    33 LinesOfText INT
    34 MsgSeqNum INT
    36 NewSeqNo INT
    45 RefSeqNum INT
    63 SettlmntTyp CHAR
    73 NoOrders INT
    77 OpenClose CHAR
    146 NoRelatedSym INT
    211 PegDifference PRICEOFFSET
    267 NoMDEntryTypes INT
    268 NoMDEntries INT
    272 MDEntryDate UTCDATE
    276 QuoteCondition MULTIPLEVALUESTRING
    277 TradeCondition MULTIPLEVALUESTRING
    295 NoQuoteEntries INT
    296 NoQuoteSets INT
    304 TotQuoteEntries INT
    369 LastMsgSeqNumProcessed INT
    383 MaxMessageSize INT
    384 NoMsgTypes INT
    393 TotalNumSecurities INT
    """,
    FIX44: """
    18 ExecInst MULTIPLEVALUESTRING
    63 SettlType CHAR
    276 QuoteCondition MULTIPLEVALUESTRING
    277 TradeCondition MULTIPLEVALUESTRING
    529 OrderRestrictions MULTIPLEVALUESTRING
    532 MassCancelRejectReason STRING
    """,
}

_SINCE_FIX44: Final = frozenset((530, 531, 532, 533, 561, 562, 584, 585, 636, 835, 836, 839, 911, 912))
_REPLAY: Final = frozenset((1182, 1183, 1346, 1347, 1348, 1351, 1353, 1354, 1355, 1356, 1357, 1426))
_DEFINITION: Final = frozenset((969, 1140, 1148, 1149, 1150, 1306))
_SINCE_FIX50: Final = (
    frozenset((1094, 1100, 1101, 1102, 1107, 1108, 1109, 1138, 1385, 2362, 2964)) | _REPLAY | _DEFINITION
)
_ADDED: Final[Mapping[str, frozenset[int]]] = {
    FIX42: frozenset((553, 554, 789)) | _SINCE_FIX44 | _SINCE_FIX50,
    FIX44: _SINCE_FIX50,
}
"""
Fields of a later version that the venue uses in this one as well: to log on with, and for what the version has no word.

Only who sends such a field gets one back, 553, 554 and 789 aside.
"""

_OWN: Final = frozenset((7001, 7002, 7004, 7005, 7006, 9010))
"""Fields of the venue itself, where no version has a word: the same in all."""

_RETIRED: Final = frozenset((20, 47, 76, 109, 204, 370, 439, 440))
"""Fields that ended with FIX 4.2."""


class VersionField(NamedTuple):
    """A field as one version defines it."""

    name: str
    type: str
    values: dict[str, str]  # value -> its name; empty: no enumeration


def exists(version: str, tag: int) -> bool:
    """Whether a field is in this version, or added to it by the venue."""
    if tag in _ADDED.get(version, ()):
        return True
    if tag in _OWN:
        return version != FIXT11
    return tag <= HIGHEST_TAGS[version] and (version == FIX42 or tag not in _RETIRED)


def field(version: str, tag: int) -> VersionField:
    """The field of this number; raises KeyError if no table has it."""
    older = _lines(_OLDER.get(version, ""))
    name, type_name = older.get(tag) or _NEWEST[tag]
    return VersionField(name, type_name, enumeration(version, tag))


def _lines(table: str) -> dict[int, tuple[str, str]]:
    lines = (line.split() for line in table.splitlines() if line.strip())
    return {int(tag): (name, type_name) for tag, name, type_name in lines}


_NEWEST: Final = _lines(FIELDS)
