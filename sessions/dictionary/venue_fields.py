"""
The FIX fields that the venue's dictionaries name: number, name and type in each version; values are in `venue_values`.

Facts of the FIX standard, written down for `rules_of_engagement`. A line is a tag, its name and its type; an older
version's own name or type stands in that version's table.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from sessions.dictionary.venue_values import enumeration

FIX42: Final = "FIX42"
FIX44: Final = "FIX44"
FIXT11: Final = "FIXT11"
FIX50SP2: Final = "FIX50SP2"

HIGHEST_TAGS: Final[Mapping[str, int]] = {FIX42: 446, FIX44: 956, FIXT11: 1409, FIX50SP2: 2964}
"""The last tag that the standard defines, its later extension packs included, below the user-defined ones."""

_SINGLE: Final = "6 7 C J K L M P Q R S T a c d g h k l m"
_SINCE_44: Final = (
    "n o p s t u v w x y z AA AB AC AD AE AG AH AI AJ AK AL AM AN AO AP AQ AR AS AT AU AV AW AX AY AZ BA BB BC "
    "BD BE BF BG BH"
)
_SINCE_50: Final = (
    "BI BJ BK BL BM BN BO BP BQ BR BS BT BU BV BW BX BY BZ CA CB CC CD CE CF CG CH CI CJ CK CL CM CN CO CQ CR CS CT CU "
    "CV CW CX CY CZ DA DB DC DD DE DF DG DH DI DJ DK DL DM DN DO DP DQ DR DS DT DU DV DW DX DY DZ EA EB"
)
UNSPOKEN: Final[Mapping[str, str]] = {
    FIX42: _SINGLE,
    FIX44: f"{_SINGLE} {_SINCE_44}",
    FIXT11: "n",
    FIX50SP2: f"{_SINGLE} {_SINCE_44} {_SINCE_50}".replace(" n ", " "),
}
"""Message types of the standard that the venue does not speak."""

_FIELDS: Final = """
1 Account STRING
6 AvgPx PRICE
7 BeginSeqNo SEQNUM
8 BeginString STRING
9 BodyLength LENGTH
10 CheckSum STRING
11 ClOrdID STRING
14 CumQty QTY
15 Currency CURRENCY
16 EndSeqNo SEQNUM
17 ExecID STRING
18 ExecInst MULTIPLECHARVALUE
19 ExecRefID STRING
20 ExecTransType CHAR
21 HandlInst CHAR
22 SecurityIDSource STRING
31 LastPx PRICE
32 LastQty QTY
33 NoLinesOfText NUMINGROUP
34 MsgSeqNum SEQNUM
35 MsgType STRING
36 NewSeqNo SEQNUM
37 OrderID STRING
38 OrderQty QTY
39 OrdStatus CHAR
40 OrdType CHAR
41 OrigClOrdID STRING
43 PossDupFlag BOOLEAN
44 Price PRICE
45 RefSeqNum SEQNUM
47 Rule80A CHAR
48 SecurityID STRING
49 SenderCompID STRING
50 SenderSubID STRING
52 SendingTime UTCTIMESTAMP
54 Side CHAR
55 Symbol STRING
56 TargetCompID STRING
57 TargetSubID STRING
58 Text STRING
59 TimeInForce CHAR
60 TransactTime UTCTIMESTAMP
63 SettlType STRING
66 ListID STRING
67 ListSeqNo INT
68 TotNoOrders INT
73 NoOrders NUMINGROUP
76 ExecBroker STRING
77 PositionEffect CHAR
81 ProcessCode CHAR
82 NoRpts INT
83 RptSeq INT
84 CxlQty QTY
89 Signature DATA
90 SecureDataLen LENGTH
91 SecureData DATA
93 SignatureLength LENGTH
95 RawDataLength LENGTH
96 RawData DATA
97 PossResend BOOLEAN
98 EncryptMethod INT
99 StopPx PRICE
100 ExDestination EXCHANGE
102 CxlRejReason INT
103 OrdRejReason INT
106 Issuer STRING
107 SecurityDesc STRING
108 HeartBtInt INT
109 ClientID STRING
110 MinQty QTY
111 MaxFloor QTY
112 TestReqID STRING
114 LocateReqd BOOLEAN
115 OnBehalfOfCompID STRING
116 OnBehalfOfSubID STRING
117 QuoteID STRING
121 ForexReq BOOLEAN
122 OrigSendingTime UTCTIMESTAMP
123 GapFillFlag BOOLEAN
126 ExpireTime UTCTIMESTAMP
128 DeliverToCompID STRING
129 DeliverToSubID STRING
131 QuoteReqID STRING
132 BidPx PRICE
133 OfferPx PRICE
134 BidSize QTY
135 OfferSize QTY
141 ResetSeqNumFlag BOOLEAN
142 SenderLocationID STRING
143 TargetLocationID STRING
144 OnBehalfOfLocationID STRING
145 DeliverToLocationID STRING
146 NoRelatedSym NUMINGROUP
148 Headline STRING
150 ExecType CHAR
151 LeavesQty QTY
167 SecurityType STRING
168 EffectiveTime UTCTIMESTAMP
204 CustomerOrFirm INT
207 SecurityExchange EXCHANGE
210 MaxShow QTY
211 PegOffsetValue FLOAT
212 XmlDataLen LENGTH
213 XmlData DATA
262 MDReqID STRING
263 SubscriptionRequestType CHAR
264 MarketDepth INT
265 MDUpdateType INT
266 AggregatedBook BOOLEAN
267 NoMDEntryTypes NUMINGROUP
268 NoMDEntries NUMINGROUP
269 MDEntryType CHAR
270 MDEntryPx PRICE
271 MDEntrySize QTY
272 MDEntryDate UTCDATEONLY
273 MDEntryTime UTCTIMEONLY
276 QuoteCondition MULTIPLESTRINGVALUE
277 TradeCondition MULTIPLESTRINGVALUE
278 MDEntryID STRING
279 MDUpdateAction CHAR
281 MDReqRejReason CHAR
295 NoQuoteEntries NUMINGROUP
296 NoQuoteSets NUMINGROUP
297 QuoteStatus INT
298 QuoteCancelType INT
299 QuoteEntryID STRING
300 QuoteRejectReason INT
301 QuoteResponseLevel INT
302 QuoteSetID STRING
304 TotNoQuoteEntries INT
324 SecurityStatusReqID STRING
326 SecurityTradingStatus INT
336 TradingSessionID STRING
346 NumberOfOrders INT
347 MessageEncoding STRING
354 EncodedTextLen LENGTH
355 EncodedText DATA
367 QuoteSetValidUntilTime UTCTIMESTAMP
368 QuoteEntryRejectReason INT
369 LastMsgSeqNumProcessed SEQNUM
370 OnBehalfOfSendingTime UTCTIMESTAMP
371 RefTagID INT
372 RefMsgType STRING
373 SessionRejectReason INT
376 ComplianceID STRING
377 SolicitedFlag BOOLEAN
378 ExecRestatementReason INT
379 BusinessRejectRefID STRING
380 BusinessRejectReason INT
383 MaxMessageSize LENGTH
384 NoMsgTypes NUMINGROUP
385 MsgDirection CHAR
390 BidID STRING
394 BidType INT
423 PriceType INT
429 ListStatusType INT
431 ListOrderStatus INT
432 ExpireDate LOCALMKTDATE
433 ListExecInstType CHAR
434 CxlRejResponseTo CHAR
439 ClearingFirm STRING
440 ClearingAccount STRING
444 ListStatusText STRING
447 PartyIDSource CHAR
448 PartyID STRING
452 PartyRole INT
453 NoPartyIDs NUMINGROUP
460 Product INT
461 CFICode STRING
464 TestMessageIndicator BOOLEAN
523 PartySubID STRING
526 SecondaryClOrdID STRING
527 SecondaryExecID STRING
528 OrderCapacity CHAR
529 OrderRestrictions MULTIPLECHARVALUE
530 MassCancelRequestType CHAR
531 MassCancelResponse CHAR
532 MassCancelRejectReason INT
533 TotalAffectedOrders INT
537 QuoteType INT
553 Username STRING
554 Password STRING
574 MatchType STRING
581 AccountType INT
582 CustOrderCapacity INT
583 ClOrdLinkID STRING
584 MassStatusReqID STRING
585 MassStatusReqType INT
625 TradingSessionSubID STRING
627 NoHops NUMINGROUP
628 HopCompID STRING
629 HopSendingTime UTCTIMESTAMP
630 HopRefID SEQNUM
636 WorkingIndicator BOOLEAN
660 AcctIDSource INT
779 LastUpdateTime UTCTIMESTAMP
789 NextExpectedMsgSeqNum SEQNUM
790 OrdStatusReqID STRING
802 NoPartySubIDs NUMINGROUP
803 PartySubIDType INT
835 PegMoveType INT
836 PegOffsetType INT
839 PeggedPrice PRICE
851 LastLiquidityInd INT
854 QtyType INT
880 TrdMatchID STRING
893 LastFragment BOOLEAN
911 TotNumReports INT
912 LastRptRequested BOOLEAN
925 NewPassword STRING
1003 TradeID STRING
1028 ManualOrderIndicator BOOLEAN
1029 CustDirectedOrder BOOLEAN
1030 ReceivedDeptID STRING
1031 CustOrderHandlingInst MULTIPLESTRINGVALUE
1032 OrderHandlingInstSource INT
1057 AggressorIndicator BOOLEAN
1094 PegPriceType INT
1100 TriggerType CHAR
1101 TriggerAction CHAR
1102 TriggerPrice PRICE
1107 TriggerPriceType CHAR
1108 TriggerPriceTypeScope CHAR
1109 TriggerPriceDirection CHAR
1128 ApplVerID STRING
1129 CstmApplVerID STRING
1130 RefApplVerID STRING
1131 RefCstmApplVerID STRING
1133 ExDestinationIDSource CHAR
1137 DefaultApplVerID STRING
1138 DisplayQty QTY
1156 ApplExtID INT
1174 SecurityTradingEvent INT
1300 MarketSegmentID STRING
1369 MassActionReportID STRING
1385 ContingencyType INT
1386 ListRejectReason INT
1400 EncryptedPasswordMethod INT
1401 EncryptedPasswordLen LENGTH
1402 EncryptedPassword DATA
1403 EncryptedNewPasswordLen LENGTH
1404 EncryptedNewPassword DATA
1406 RefApplExtID INT
1407 DefaultApplExtID INT
1408 DefaultCstmApplVerID STRING
1409 SessionStatus INT
1682 MDSecurityTradingStatus INT
1724 OrderOrigination INT
1725 OriginatingDeptID STRING
1726 ReceivingDeptID STRING
1815 TradingCapacity INT
2362 SelfMatchPreventionID STRING
2376 PartyRoleQualifier INT
2404 ComplianceText STRING
2422 OrderRequestID INT
2446 AggressorSide CHAR
2593 NoOrderAttributes NUMINGROUP
2594 OrderAttributeType INT
2595 OrderAttributeValue STRING
2964 SelfMatchPreventionInstruction INT
7001 PostOnlyAction CHAR
7002 MassScope CHAR
7004 ReportMoves BOOLEAN
"""

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

_SINCE_FIX44: Final = frozenset((530, 531, 532, 533, 584, 585, 636, 835, 836, 839, 911, 912))
_SINCE_FIX50: Final = frozenset((1094, 1100, 1101, 1102, 1107, 1108, 1109, 1138, 1385, 2362, 2964))
_ADDED: Final[Mapping[str, frozenset[int]]] = {
    FIX42: frozenset((553, 554, 789)) | _SINCE_FIX44 | _SINCE_FIX50,
    FIX44: _SINCE_FIX50,
}
"""
Fields of a later version that the venue uses in this one as well: to log on with, and for what the version has no word.

Only who sends such a field gets one back, 553, 554 and 789 aside.
"""

_OWN: Final = frozenset((7001, 7002, 7004))
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


_NEWEST: Final = _lines(_FIELDS)
